/**
 * One attempt to let a release serve, from whoever asked to its verdict: plain data, which the predecessor begins and the
 * successor completes.
 */
import type { AttemptKind } from '../inventory/history-file.js';
import type { Target } from '../release/current.js';
import type { Release } from '../release/release.js';

export interface Attempt {
  readonly kind: AttemptKind;
  /** Null before it is resolved. */
  release: Release | null;
  /** Of the candidate, as soon as there is one. */
  generation: number | null;
  /** What served when it began. */
  readonly from: { readonly generation: number; readonly release: Release } | null;
  /** Where release.current led when it began; null where none is watched. */
  readonly target: Target | null;
}
