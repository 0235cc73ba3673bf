/**
 * What a generation remembers of workers that have ended: which slots are not started again and why, when the others
 * are due, and how many restarts there were. It travels to the next supervisor with the generation.
 */
import type { Restart } from '../healing/budget.js';

/** Of a slot that runs nothing: it waits until it is started again, or it is not. */
export type SlotRest = 'waiting' | 'kept' | 'done';

export interface SlotRecord {
  readonly slot: number;
  /** Null where a worker of it runs, or is about to. */
  readonly rest: SlotRest | null;
  /** Whether what runs, or will, has the variables of `on_dependency_failure`. */
  readonly standby: boolean;
  /** See `SlotState`. */
  readonly waits: number;
  /** Of the last end of one of its workers: the rule that was followed, and the end in words. */
  readonly rule: string;
  readonly reason: string;
  /** When that was, and when it is started again; milliseconds of CLOCK_MONOTONIC. */
  readonly sinceMs: number;
  readonly dueAtMs: number | null;
}

export interface HealingRecord {
  /** Whether a worker of it has ever listened. */
  readonly listened: boolean;
  readonly slots: readonly SlotRecord[];
  readonly restarts: readonly Restart[];
}

export class Healing {
  listened: boolean;
  readonly slots: Map<number, SlotRecord>;
  restarts: readonly Restart[];

  constructor(record: HealingRecord = { listened: false, slots: [], restarts: [] }) {
    this.listened = record.listened;
    this.slots = new Map(record.slots.map((one) => [one.slot, one]));
    this.restarts = record.restarts;
  }

  get record(): HealingRecord {
    return { listened: this.listened, slots: [...this.slots.values()], restarts: this.restarts };
  }

  /** Whether the slot is not started again. */
  isSettled(slot: number): boolean {
    const rest = this.slots.get(slot)?.rest;
    return rest === 'kept' || rest === 'done';
  }

  /** A worker of the slot has been started. */
  started(slot: number): void {
    const before = this.slots.get(slot);
    if (before !== undefined) this.slots.set(slot, { ...before, rest: null, dueAtMs: null });
  }

  kept(): SlotRecord[] {
    return [...this.slots.values()].filter(({ rest }) => rest === 'kept');
  }
}
