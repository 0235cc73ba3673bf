/**
 * Which process of a release each slot of a generation is for: the main program has the first ones, then those beside it
 * in their order. Pure: how many slots there are for the main program is what the others leave of them.
 *
 * A process that is given more workers while it runs gets numbers that no other has; one that is given fewer loses its
 * highest, each of which is leaving until its worker has ended. So no slot of a worker that lives ever changes hands.
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
  /** In their order. */
  readonly slots: readonly number[];
  /** Of workers that are on their way out and are not replaced. */
  readonly leaving: readonly number[];
}

/** What of a process is not as it was when its generation began. */
export interface Scaled {
  readonly process: string;
  readonly slots: readonly number[];
  readonly leaving: readonly number[];
}

export type SlotRanges = readonly [SlotRange, ...SlotRange[]];

/** All slots of a generation whose main program has so many. */
export function slotsFor({ processes = [] }: Release, mainWorkers: number): number {
  return processes.reduce((sum, { workers }) => sum + workers, mainWorkers);
}

export function slotRanges(
  release: Release,
  mainReady: ReadyBy,
  slots: number,
  scaled: readonly Scaled[] = [],
): SlotRanges {
  const { processes = [] } = release;
  const workers = Math.max(0, slots - slotsFor(release, 0));
  let next = workers;
  const beside = processes.map((run): SlotRange => {
    const first = next;
    next += run.workers;
    return { name: run.name, tier: run.tier, ready: run.ready, run, slots: numbers(first, run.workers), leaving: [] };
  });
  const main: SlotRange = {
    name: MAIN,
    tier: 'core',
    ready: mainReady,
    run: release,
    slots: numbers(0, workers),
    leaving: [],
  };
  const as = (range: SlotRange): SlotRange => {
    const other = scaled.find(({ process }) => process === range.name);
    return other === undefined ? range : { ...range, slots: other.slots, leaving: other.leaving };
  };
  return [as(main), ...beside.map(as)];
}

/** The process has another number of workers from here on. The same ranges where it has that number, or is none of them. */
export function scale(ranges: SlotRanges, process: string, workers: number): SlotRanges {
  const taken = new Set(ranges.flatMap(({ slots, leaving }) => [...slots, ...leaving]));
  const one = (range: SlotRange): SlotRange => {
    if (range.name !== process || range.slots.length === workers) return range;
    const slots = range.slots.slice(0, workers);
    for (let slot = 0; slots.length < workers; slot++) if (!taken.has(slot)) slots.push(slot);
    return { ...range, slots, leaving: [...range.leaving, ...range.slots.slice(workers)] };
  };
  const [main, ...beside] = ranges;
  return [one(main), ...beside.map(one)];
}

/** A worker that was leaving has ended: its number is free. */
export function left(ranges: SlotRanges, slot: number): SlotRanges {
  const one = (range: SlotRange): SlotRange =>
    range.leaving.includes(slot) ? { ...range, leaving: range.leaving.filter((other) => other !== slot) } : range;
  const [main, ...beside] = ranges;
  return [one(main), ...beside.map(one)];
}

/** What is to be put on record of ranges that are not those of `slotRanges`. */
export function scaledOf(ranges: SlotRanges): Scaled[] {
  return ranges.map(({ name, slots, leaving }) => ({ process: name, slots, leaving }));
}

function numbers(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
