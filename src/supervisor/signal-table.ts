/**
 * What a supervisor does when it is signalled, by what it is doing just then. A table: the compiler asks for every cell.
 *
 * Of each kind one waits at most, as in the kernel, which forgets how often a signal was sent but never that it was.
 */

/** In the order in which those that have waited are followed: whoever ends is not to reload before. */
export const HEARD = ['SIGQUIT', 'SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGHUP', 'SIGUSR2'] as const;

export type Heard = (typeof HEARD)[number];

export type Doing =
  /** It has not begun to act: it is still to get the inventory, or to be told that it is its own. */
  | 'beginning'
  | 'idle'
  /** A start or a reload is under way here, with what belongs to it. */
  | 'rolling'
  /** The next supervisor is there, and this one is still the main process. */
  | 'handing'
  /** The next one is the main process. */
  | 'yielding'
  | 'stopping';

export type Act = 'now' | 'later' | 'passOn' | { readonly ignore: string };

const end = {
  beginning: 'later',
  idle: 'now',
  rolling: 'now',
  handing: 'now',
  yielding: 'passOn',
  stopping: 'now',
} as const;

const stopping = { ignore: 'the service stops' } as const;

export const SIGNAL_ACTS: Readonly<Record<Heard, Readonly<Record<Doing, Act>>>> = {
  SIGTERM: end,
  SIGINT: end,
  SIGQUIT: end,
  // What has been handed over cannot be taken back: whoever comes out of the takeover raises the level.
  SIGUSR1: { ...end, handing: 'later' },
  // What is under way keeps the configuration with which it began.
  SIGHUP: { ...end, rolling: 'later', handing: 'later', stopping },
  // One reload at a time, and one more after it for what was deployed meanwhile.
  SIGUSR2: { ...end, rolling: 'later', handing: 'later', stopping },
};
