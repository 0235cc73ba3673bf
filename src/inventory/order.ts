/** What the predecessor was asked for, and the successor is to carry out after the takeover. */
import type { Release } from '../release/release.js';

export interface Order {
  readonly kind: 'reload' | 'watch' | 'rollback';
  /** Only of a rollback: what to go back to. Any other is resolved by the successor. */
  readonly release: Release | null;
}
