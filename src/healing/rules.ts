/**
 * What is done when a worker of the serving generation has ended without being told to: a table of rules, of which the
 * first that fits is followed. Those of the configuration stand before these.
 *
 * Pure data: no I/O, no clock. The README shows this table, and a test compares the two.
 */

/** Why a worker ended, where more is known than its exit status says. */
export type Cause = 'oom' | 'liveness' | 'watchdog' | 'boot' | 'channel' | 'start';

export const CAUSES: readonly Cause[] = ['oom', 'liveness', 'watchdog', 'boot', 'channel', 'start'];

/**
 * - `restart`: it has crashed. Started again after a pause that doubles; enough of them cost the generation its place.
 * - `backoff`: something else is not there. The same pauses, but the generation is not to blame.
 * - `retry`: started again after `delayMs`, always the same.
 * - `standby`: started again with the variables of `on_dependency_failure`; a `backoff` where there are none.
 * - `keep`: not started again, since it would end the same; a person has to look.
 * - `done`: not started again, since it has done what it had to do.
 */
export type Action = 'restart' | 'backoff' | 'retry' | 'standby' | 'keep' | 'done';

export const ACTIONS: readonly Action[] = ['restart', 'backoff', 'retry', 'standby', 'keep', 'done'];

export type Match =
  | { readonly kind: 'status'; readonly status: number | null }
  | { readonly kind: 'signal'; readonly signal: string | null }
  | { readonly kind: 'cause'; readonly cause: Cause }
  /** Nobody can tell how it ended. */
  | { readonly kind: 'unknown' };

export interface Rule {
  /** What the journal calls it by. */
  readonly name: string;
  /** What such an end means, for people; null where the end says it all. */
  readonly word: string | null;
  /** A status or a signal of null is any. */
  readonly match: Match;
  /** Fits only where the generation has listened for connections. */
  readonly servingOnly: boolean;
  readonly action: Action;
  /** Milliseconds; of `retry` and `standby` alone. */
  readonly delayMs: number;
}

/** How a worker ended; all null where nobody can tell. */
export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly cause: Cause | null;
  /** Whether its generation has listened for connections. */
  readonly serving: boolean;
}

/** The pause of a `retry` for which no other is said. */
export const RETRY_MS = 2_000;

function rule(name: string, word: string | null, match: Match, action: Action, delayMs = 0): Rule {
  return { name, word, match, servingOnly: false, action, delayMs };
}
const status = (value: number): Match => ({ kind: 'status', status: value });
const cause = (value: Cause): Match => ({ kind: 'cause', cause: value });

export const DEFAULT_RULES: readonly Rule[] = [
  rule('oom', 'killed for memory', cause('oom'), 'restart'),
  rule('liveness', 'it did not answer its liveness probe', cause('liveness'), 'restart'),
  rule('watchdog', 'its watchdog expired', cause('watchdog'), 'restart'),
  rule('boot', 'it was not ready in time', cause('boot'), 'restart'),
  rule('channel', 'it spoke what nobody understands', cause('channel'), 'restart'),
  rule('start', 'it could not be started', cause('start'), 'restart'),
  // An event loop that ran empty by mistake ends like this too, and a service must not vanish for it.
  {
    ...rule('ended', 'it ended by itself, though it is there to serve', status(0), 'restart'),
    servingOnly: true,
  },
  rule('done', 'done', status(0), 'done'),
  rule('config-error', 'config error', status(100), 'keep'),
  rule('temporary', 'temporary', status(101), 'retry', RETRY_MS),
  rule('dependency-refused', 'dependency refused', status(102), 'standby'),
  rule('dependency-unavailable', 'dependency unavailable', status(105), 'backoff'),
  rule('data-check-failed', 'data check failed', status(201), 'keep'),
  rule('signal', null, { kind: 'signal', signal: null }, 'restart'),
  rule('status', null, { kind: 'status', status: null }, 'restart'),
  rule('unknown', null, { kind: 'unknown' }, 'restart'),
];

/** The first rule that fits: there always is one, since the defaults leave nothing out. */
export function ruleFor(ended: Ended, own: readonly Rule[]): Rule {
  const found = [...own, ...DEFAULT_RULES].find((one) => fits(one, ended));
  if (found === undefined) throw new Error('the last of the default rules fits whatever the others do not');
  return found;
}

function fits({ match, servingOnly }: Rule, ended: Ended): boolean {
  if (servingOnly && !ended.serving) return false;
  switch (match.kind) {
    case 'status':
      return ended.status !== null && (match.status === null || match.status === ended.status);
    case 'signal':
      return ended.signal !== null && (match.signal === null || match.signal === ended.signal);
    case 'cause':
      return ended.cause === match.cause;
    case 'unknown':
      return ended.status === null && ended.signal === null;
  }
}
