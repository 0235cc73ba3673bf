/**
 * What a generation remembers of workers that have ended: which slots are not started again and why, when the others
 * are due, and how many restarts there were. It travels to the next supervisor with the generation.
 */
import type { Tier } from '../config/config.js';
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
  /** Those of auxiliary processes, which have a budget of their own. Absent in what an older supervisor wrote. */
  readonly auxiliaryRestarts?: readonly Restart[];
}

export class Healing {
  listened: boolean;
  readonly slots: Map<number, SlotRecord>;
  readonly #restarts: Record<Tier, readonly Restart[]>;

  constructor(record: HealingRecord = { listened: false, slots: [], restarts: [] }) {
    this.listened = record.listened;
    this.slots = new Map(record.slots.map((one) => [one.slot, one]));
    this.#restarts = { core: record.restarts, auxiliary: record.auxiliaryRestarts ?? [] };
  }

  get record(): HealingRecord {
    const { core, auxiliary } = this.#restarts;
    return {
      listened: this.listened,
      slots: [...this.slots.values()],
      restarts: core,
      ...(auxiliary.length === 0 ? {} : { auxiliaryRestarts: auxiliary }),
    };
  }

  restartsOf(tier: Tier): readonly Restart[] {
    return this.#restarts[tier];
  }

  remember(tier: Tier, restarts: readonly Restart[]): void {
    this.#restarts[tier] = restarts;
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
