/**
 * How many connections the control socket serves at once, in pools that cannot empty each other: root and the service's
 * user always find a place, whatever others do.
 */
import type { Standing } from './rights.js';

/** `perUser` of the places of a pool one user may have. */
const POOLS: Readonly<Record<Standing, { readonly places: number; readonly perUser: number }>> = {
  // Workers run as the user of the service: what they take must leave places for root.
  owner: { places: 64, perUser: 48 },
  listed: { places: 64, perUser: 16 },
  stranger: { places: 8, perUser: 4 },
};

export class Places {
  readonly #taken: Record<Standing, Map<number, number>> = { owner: new Map(), listed: new Map(), stranger: new Map() };

  /** What gives the place back, once; null where there is none. */
  take(standing: Standing, uid: number): (() => void) | null {
    const pool = this.#taken[standing];
    const own = pool.get(uid) ?? 0;
    const all = [...pool.values()].reduce((sum, count) => sum + count, 0);
    if (own >= POOLS[standing].perUser || all >= POOLS[standing].places) return null;
    pool.set(uid, own + 1);
    return () => {
      const left = (pool.get(uid) ?? 1) - 1;
      if (left > 0) pool.set(uid, left);
      else pool.delete(uid);
    };
  }
}
