/**
 * One attempt to let a release serve, from whoever asked to its verdict: plain data, which the predecessor begins and the
 * successor completes, or whoever comes after one that died.
 */
import type { ReloadOutcome } from '../control/messages.js';
import type { Target } from '../release/current.js';
import type { Release } from '../release/release.js';

/** What was asked for: 'watch' is a reload because release.current was moved, 'regret' one that nobody asked for. */
export type AttemptKind = 'start' | 'reload' | 'watch' | 'rollback' | 'regret';

export interface Attempt {
  readonly kind: AttemptKind;
  /** By a signal: nobody waits for its verdict. Absent where it was not so, and in what an older batond wrote. */
  readonly by?: 'signal';
  /** Of a rollback what to go back to; of any other null until whoever is to run it has resolved it. */
  readonly release: Release | null;
  /** Of the candidate, as soon as there is one. */
  generation: number | null;
  /** What served when it began. */
  readonly from: { readonly generation: number; readonly release: Release } | null;
  /** Where release.current led when it began; null where none is watched. */
  readonly target: Target | null;
  /** Known when the roll is over, while a hook that follows it still runs: nothing changes it any more. */
  outcome: ReloadOutcome | null;
}
