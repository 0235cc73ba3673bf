/**
 * A generation: all workers that one reload started from one release. Its role says what it is to the service; the roll
 * and the drain change it, nobody else.
 */
import type { ReadyBy } from '../channel/messages.js';
import type { Health } from '../health/levels.js';
import type { Trust } from '../health/trust.js';
import type { Release } from '../release/release.js';
import { type SlotRange, slotRanges, slotsOf } from '../release/slots.js';
import { Healing, type HealingRecord } from './healing.js';
import type { Worker, WorkerRecord } from './worker.js';

export type Role = 'candidate' | 'incumbent' | 'draining';

/** When its workers get SIGTERM and SIGKILL at the latest, in milliseconds of CLOCK_MONOTONIC. */
export interface Hurry {
  readonly termAtMs: number;
  readonly killAtMs: number;
}

/** How well it has been while it served; times are milliseconds of CLOCK_MONOTONIC. */
export interface HealthRecord {
  /** Of slots that have something to remember: a worker that is started again has the past of its slot. */
  readonly slots: readonly ({ readonly slot: number } & Health)[];
  readonly trust: Trust;
  /** Since when the service is UNHEALTHY with it; null while it is not. */
  readonly unhealthySinceMs: number | null;
}

export interface GenerationRecord {
  readonly number: number;
  readonly role: Role;
  readonly release: Release;
  readonly ready: ReadyBy;
  readonly slots: number;
  /** Milliseconds of CLOCK_MONOTONIC; null before commit. */
  readonly committedAtMs: number | null;
  /** When its workers are told to go, in milliseconds of CLOCK_MONOTONIC; null while it does not drain. */
  readonly drainUntilMs: number | null;
  /** Set by a reload that allows no older generation for longer; absent in what an older supervisor wrote. */
  readonly hurry?: Hurry | null;
  readonly claims: readonly { readonly listener: string; readonly slots: readonly number[] }[];
  readonly crashes: readonly { readonly slot: number; readonly inARow: number }[];
  /** Absent in what an older supervisor wrote. */
  readonly healing?: HealingRecord;
  /** Absent before it serves, and in what an older supervisor wrote. */
  readonly health?: HealthRecord;
  readonly workers: readonly WorkerRecord[];
}

export class Generation {
  readonly number: number;
  readonly release: Release;
  readonly ready: ReadyBy;
  /** How many workers it is meant to have, of all its processes. */
  readonly slots: number;
  role: Role;
  committedAtMs: number | null;
  drainUntilMs: number | null;
  hurry: Hurry | null;
  /** By slot. A slot whose worker has just exited is missing until the next one is started. */
  readonly workers = new Map<number, Worker>();
  /** Crashes in a row of each slot. */
  readonly crashes: Map<number, number>;
  readonly healing: Healing;
  /** Its processes by their slots, the main program first. */
  readonly processes: readonly [SlotRange, ...SlotRange[]];
  health: HealthRecord | null;
  readonly #claims: Map<string, Set<number>>;

  constructor(record: GenerationRecord) {
    this.number = record.number;
    this.release = record.release;
    this.ready = record.ready;
    this.slots = record.slots;
    this.processes = slotRanges(record.release, record.ready, record.slots);
    this.role = record.role;
    this.committedAtMs = record.committedAtMs;
    this.drainUntilMs = record.drainUntilMs;
    this.hurry = record.hurry ?? null;
    this.health = record.health ?? null;
    this.crashes = new Map(record.crashes.map(({ slot, inARow }) => [slot, inARow]));
    this.healing = new Healing(record.healing);
    this.#claims = new Map(record.claims.map(({ listener, slots }) => [listener, new Set(slots)]));
  }

  get record(): GenerationRecord {
    const { number, role, release, ready, slots, committedAtMs, drainUntilMs, hurry } = this;
    return {
      number,
      role,
      release,
      ready,
      slots,
      committedAtMs,
      drainUntilMs,
      hurry,
      claims: [...this.#claims].map(([listener, claimants]) => ({ listener, slots: [...claimants] })),
      crashes: [...this.crashes].map(([slot, inARow]) => ({ slot, inARow })),
      healing: this.healing.record,
      ...(this.health === null ? {} : { health: this.health }),
      workers: [...this.workers.values()].map((worker) => worker.record),
    };
  }

  /**
   * A slot wants the listener. The claim stays when its worker exits, so that a crash closes no socket: the next worker
   * of the slot finds the connections that waited.
   */
  claim(listener: string, slot: number): void {
    const slots = this.#claims.get(listener) ?? new Set();
    slots.add(slot);
    this.healing.listened = true;
    this.#claims.set(listener, slots);
  }

  /** The app closed that server. */
  unclaim(listener: string, slot: number): void {
    const slots = this.#claims.get(listener);
    slots?.delete(slot);
    if (slots?.size === 0) this.#claims.delete(listener);
  }

  /** What the slot is for. */
  processOf(slot: number): SlotRange {
    return this.processes.find(({ first, workers }) => slot >= first && slot < first + workers) ?? this.processes[0];
  }

  /** Whether the slot is for the program that the service is named for. */
  isMain(slot: number): boolean {
    return this.processOf(slot) === this.processes[0];
  }

  get mainWorkers(): Worker[] {
    return [...this.workers.values()].filter(({ slot }) => this.isMain(slot));
  }

  /** Whether the generation is nothing without what the slot is for. */
  isCore(slot: number): boolean {
    return this.processOf(slot).tier === 'core';
  }

  /** The slots that a roll waits for. */
  get coreSlots(): number[] {
    return this.processes.filter(({ tier }) => tier === 'core').flatMap(slotsOf);
  }

  /** Those that a roll looks at: what else runs neither holds it up nor is told of it before the commit. */
  get coreWorkers(): Worker[] {
    return [...this.workers.values()].filter(({ slot }) => this.isCore(slot));
  }

  get claimed(): Iterable<string> {
    return this.#claims.keys();
  }
}
