/**
 * How each transition is reached: a reload of a certain release, perhaps with something falling on the way. A transition
 * that no run can reach stands in `UNREACHED` with the reason; a test asks that every one of them stands in one of the two.
 */
import type { App } from '../../service/releases.js';
import type { Falling, Place, Strike } from '../faults.js';

export interface Scenario {
  /** What has to serve before; by default whatever does. */
  readonly from?: App;
  readonly app?: App;
  /** Lines of batond.toml in place of what the matrix has otherwise. */
  readonly config?: 'broken' | 'renamed' | 'canary' | 'soak';
  /** What makes the reload go that way. */
  readonly arranged?: readonly Falling[];
  /** What the reload comes to when nothing else falls: null is success, `CLIENT_GONE` is told to nobody. */
  readonly verdict: string | null;
}

const at = (machine: Place['machine'], state: string, event: string, ...strikes: Strike[]): Falling => ({
  machine,
  state,
  event,
  strikes,
});
const atBoot = (...strikes: Strike[]) => at('boot', '', '', ...strikes);
const kill = (role: Strike['role']): Strike => ({ role, signal: 'SIGKILL' });
const stop = (role: Strike['role']): Strike => ({ role, signal: 'SIGSTOP' });

const HAPPY: Scenario = { verdict: null };
const EXITS: Scenario = { app: 'exits-at-once', verdict: 'CANDIDATE_EXITED' };
const CANARY: Scenario = { config: 'canary', verdict: null };
const SOAK: Scenario = { config: 'soak', verdict: null };
const RENAMED: Scenario = { config: 'renamed', verdict: 'SUCCESSOR_REFUSED' };

/** The host is stopped with it: it would otherwise end the successor before that one has noticed anything. */
const predecessorGone = (state: string, event: string): Scenario => ({
  arranged: [at('predecessor', state, event, stop('host'), kill('S1'))],
  verdict: 'SUPERVISOR_DIED',
});

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'predecessor.idle.begin': HAPPY,
  'predecessor.starting.hello': HAPPY,
  'predecessor.starting.refused': { config: 'broken', verdict: 'SUCCESSOR_REFUSED' },
  'predecessor.starting.successorExited': { arranged: [atBoot(kill('S2'))], verdict: 'SUCCESSOR_EXITED' },
  'predecessor.starting.violated': {
    arranged: [{ ...atBoot(), say: { type: 'hello', version: 999, batond: '999.0.0' } }],
    verdict: 'SUCCESSOR_SPEAKS_OTHERWISE',
  },
  'predecessor.starting.timedOut': { arranged: [atBoot(stop('S2'))], verdict: 'SUCCESSOR_TIMED_OUT' },
  'predecessor.starting.aborted': { arranged: [atBoot(kill('client'), stop('S2'))], verdict: 'CLIENT_GONE' },
  'predecessor.handing.acknowledged': HAPPY,
  'predecessor.handing.took': HAPPY,
  'predecessor.handing.refused': RENAMED,
  'predecessor.handing.successorExited': {
    arranged: [at('successor', 'receiving', 'batch', kill('S2'))],
    verdict: 'SUCCESSOR_EXITED',
  },
  'predecessor.handing.violated': {
    arranged: [{ ...at('successor', 'receiving', 'batch'), say: { type: 'took', fds: 1 } }],
    verdict: 'SUCCESSOR_REFUSED',
  },
  'predecessor.handing.timedOut': {
    arranged: [at('successor', 'receiving', 'batch', stop('S2'))],
    verdict: 'SUCCESSOR_TIMED_OUT',
  },
  'predecessor.handing.aborted': {
    arranged: [at('successor', 'receiving', 'batch', kill('client'), stop('S2'))],
    verdict: 'CLIENT_GONE',
  },
  'predecessor.yielding.yielded': HAPPY,

  'successor.greeting.inventory': HAPPY,
  'successor.greeting.violated': RENAMED,
  'successor.greeting.predecessorGone': predecessorGone('starting', 'hello'),
  'successor.receiving.batch': HAPPY,
  'successor.receiving.complete': HAPPY,
  'successor.receiving.predecessorGone': predecessorGone('handing', 'acknowledged'),
  'successor.waiting.yours': HAPPY,
  'successor.waiting.predecessorGone': predecessorGone('handing', 'took'),

  'roll.steady.begin': HAPPY,
  'roll.steady.cutOff': { arranged: [at('roll', 'booting', 'ready', kill('S2'))], verdict: 'SUPERVISOR_DIED' },
  'roll.booting.ready': HAPPY,
  'roll.booting.candidateFailed': EXITS,
  'roll.booting.timedOut': { app: 'never-listens', verdict: 'CANDIDATE_NOT_READY' },
  'roll.booting.aborted': {
    app: 'never-listens',
    arranged: [at('roll', 'steady', 'begin', kill('client'))],
    verdict: 'CLIENT_GONE',
  },
  'roll.probing.answered': HAPPY,
  'roll.probing.candidateFailed': { app: 'is-unhealthy', verdict: 'CANDIDATE_NOT_ANSWERING' },
  'roll.probing.timedOut': {
    arranged: [at('roll', 'booting', 'ready', stop('candidate'))],
    verdict: 'CANDIDATE_NOT_ANSWERING',
  },
  'roll.probing.aborted': {
    arranged: [at('roll', 'booting', 'ready', stop('candidate'), kill('client'))],
    verdict: 'CLIENT_GONE',
  },
  'roll.canarying.canaried': HAPPY,
  'roll.canarying.stepped': CANARY,
  'roll.canarying.candidateFailed': {
    ...CANARY,
    arranged: [at('roll', 'canarying', 'stepped', kill('candidate'))],
    verdict: 'CANDIDATE_EXITED',
  },
  'roll.canarying.timedOut': {
    ...CANARY,
    arranged: [at('roll', 'probing', 'answered', stop('candidate'))],
    verdict: 'CANDIDATE_NOT_OPENED',
  },
  'roll.canarying.aborted': {
    ...CANARY,
    arranged: [at('roll', 'canarying', 'stepped', kill('client'))],
    verdict: 'CLIENT_GONE',
  },
  'roll.restoring.restored': HAPPY,
  'roll.restoring.stateLost': { from: 'passes-state', app: 'refuses-state', verdict: 'STATE_NOT_RESTORED' },
  'roll.restoring.timedOut': { from: 'passes-state', app: 'hangs-on-state', verdict: 'STATE_NOT_RESTORED' },
  'roll.restoring.candidateFailed': {
    from: 'passes-state',
    app: 'hangs-on-state',
    arranged: [at('roll', 'probing', 'answered', kill('candidate'))],
    verdict: 'CANDIDATE_EXITED',
  },
  'roll.restoring.aborted': {
    from: 'passes-state',
    app: 'hangs-on-state',
    arranged: [at('roll', 'probing', 'answered', kill('client'))],
    verdict: 'CLIENT_GONE',
  },
  'roll.switching.opened': HAPPY,
  'roll.switching.paused': HAPPY,
  'roll.switching.candidateFailed': {
    arranged: [at('roll', 'probing', 'answered', kill('candidate'))],
    verdict: 'CANDIDATE_EXITED',
  },
  'roll.switching.timedOut': {
    arranged: [at('roll', 'probing', 'answered', stop('candidate'))],
    verdict: 'CANDIDATE_NOT_OPENED',
  },
  'roll.switching.aborted': {
    arranged: [at('roll', 'probing', 'answered', stop('candidate'), kill('client'))],
    verdict: 'CLIENT_GONE',
  },
  'roll.soaking.soaked': SOAK,
  'roll.soaking.candidateFailed': {
    ...SOAK,
    arranged: [at('roll', 'switching', 'paused', kill('candidate'))],
    verdict: 'CANDIDATE_EXITED',
  },
  'roll.soaking.aborted': {
    ...SOAK,
    arranged: [at('roll', 'switching', 'paused', kill('client'))],
    verdict: 'CLIENT_GONE',
  },
  'roll.committing.committed': HAPPY,
  'roll.rollingBack.resumed': EXITS,
  'roll.rollingBack.timedOut': {
    arranged: [at('roll', 'switching', 'opened', stop('incumbent'), kill('candidate'))],
    verdict: 'CANDIDATE_EXITED',
  },
};

const ITS_OWN = 'a trial ends by its own timer, and one whose supervisor hangs by the watchdog';
const NEVER_SAID = 'a predecessor that speaks this protocol never says it there; the table is walked by unit tests';
const NEVER_WRONG = 'a predecessor of the same version sends no inventory that is wrong; fuzzed in the unit tests';
const FORGOTTEN = 'two minutes of silence: the watchdog ends a silent predecessor first, which is predecessorGone';

export const UNREACHED: Readonly<Record<string, string>> = {
  'successor.greeting.batch': NEVER_SAID,
  'successor.greeting.yours': NEVER_SAID,
  'successor.greeting.timedOut': FORGOTTEN,
  'successor.receiving.inventory': NEVER_SAID,
  'successor.receiving.yours': NEVER_SAID,
  'successor.receiving.violated': NEVER_WRONG,
  'successor.receiving.timedOut': FORGOTTEN,
  'successor.waiting.inventory': NEVER_SAID,
  'successor.waiting.batch': NEVER_SAID,
  'successor.waiting.violated': NEVER_SAID,
  'successor.waiting.timedOut': FORGOTTEN,
  'roll.soaking.timedOut': ITS_OWN,
};
