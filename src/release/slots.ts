/**
 * Which process of a release each slot of a generation is for: ranges, the main program's first, then those of what runs
 * beside it. Pure: how many slots there are for the main program is what the others leave of them.
 */
import type { ReadyBy } from '../channel/messages.js';
import type { Tier } from '../config/config.js';
import type { Release, Runnable } from './release.js';

export const MAIN = 'main';

/** One process of a release, and the slots that are for it. */
export interface SlotRange {
  readonly name: string;
  readonly tier: Tier;
  readonly ready: ReadyBy;
  readonly run: Runnable;
  readonly first: number;
  readonly workers: number;
}

/** All slots of a generation whose main program has so many. */
export function slotsFor({ processes = [] }: Release, mainWorkers: number): number {
  return processes.reduce((sum, { workers }) => sum + workers, mainWorkers);
}

export function slotRanges(release: Release, mainReady: ReadyBy, slots: number): readonly [SlotRange, ...SlotRange[]] {
  const { processes = [] } = release;
  const workers = Math.max(0, slots - slotsFor(release, 0));
  let first = workers;
  const beside = processes.map((run): SlotRange => {
    const range = { name: run.name, tier: run.tier, ready: run.ready, run, first, workers: run.workers };
    first += run.workers;
    return range;
  });
  return [{ name: MAIN, tier: 'core', ready: mainReady, run: release, first: 0, workers }, ...beside];
}

/** The slots of a range. */
export function slotsOf({ first, workers }: SlotRange): number[] {
  return Array.from({ length: workers }, (_, index) => first + index);
}
