/**
 * A generation: all workers that one reload started from one release. Its role says what it is to the service; the roll
 * and the drain change it, nobody else.
 */
import type { ReadyBy } from '../channel/messages.js';
import type { Health } from '../health/levels.js';
import type { Trust } from '../health/trust.js';
import type { Release } from '../release/release.js';
import { left, type Scaled, type SlotRange, type SlotRanges, scale, scaledOf, slotRanges } from '../release/slots.js';
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
  /** Where a process was given more or fewer workers while it ran. */
  readonly scaled?: readonly Scaled[];
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
  role: Role;
  committedAtMs: number | null;
  drainUntilMs: number | null;
  hurry: Hurry | null;
  /** By slot. A slot whose worker has just exited is missing until the next one is started. */
  readonly workers = new Map<number, Worker>();
  /** Crashes in a row of each slot. */
  readonly crashes: Map<number, number>;
  readonly healing: Healing;
  #processes: SlotRanges;
  #isScaled: boolean;
  health: HealthRecord | null;
  readonly #claims: Map<string, Set<number>>;

  constructor(record: GenerationRecord) {
    this.number = record.number;
    this.release = record.release;
    this.ready = record.ready;
    this.#processes = slotRanges(record.release, record.ready, record.slots, record.scaled);
    this.#isScaled = record.scaled !== undefined;
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
      slots: slots.length,
      ...(this.#isScaled ? { scaled: scaledOf(this.#processes) } : {}),
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

  /** Its processes with their slots, the main program first. */
  get processes(): SlotRanges {
    return this.#processes;
  }

  /** Those that are meant to have a worker, of all its processes. */
  get slots(): number[] {
    return this.#processes.flatMap(({ slots }) => slots);
  }

  /** Gives a process another number of workers. False where it has that number, or the generation has no such process. */
  scale(process: string, workers: number): boolean {
    const before = this.#processes;
    this.#processes = scale(before, process, workers);
    const changed = this.#processes.some((range, index) => range !== before[index]);
    this.#isScaled ||= changed;
    return changed;
  }

  /** Whether the worker of the slot is on its way out, and nobody is to follow it. */
  isLeaving(slot: number): boolean {
    return this.#processes.some(({ leaving }) => leaving.includes(slot));
  }

  /** The worker of a slot that was leaving has ended: nothing of the slot is remembered. */
  forget(slot: number): void {
    this.#processes = left(this.#processes, slot);
    for (const listener of [...this.#claims.keys()]) this.unclaim(listener, slot);
    this.crashes.delete(slot);
    this.healing.slots.delete(slot);
    if (this.health === null) return;
    this.health = { ...this.health, slots: this.health.slots.filter((one) => one.slot !== slot) };
  }

  /** What the slot is for. */
  processOf(slot: number): SlotRange {
    const [main] = this.#processes;
    return this.#processes.find(({ slots, leaving }) => slots.includes(slot) || leaving.includes(slot)) ?? main;
  }

  /** Whether the slot is for the program that the service is named for. */
  isMain(slot: number): boolean {
    return this.processOf(slot) === this.#processes[0];
  }

  /** But those that are leaving. */
  get mainWorkers(): Worker[] {
    return this.#staying.filter(({ slot }) => this.isMain(slot));
  }

  /** Whether the generation is nothing without what the slot is for. */
  isCore(slot: number): boolean {
    return this.processOf(slot).tier === 'core';
  }

  /** The slots that a roll waits for. */
  get coreSlots(): number[] {
    return this.#processes.filter(({ tier }) => tier === 'core').flatMap(({ slots }) => slots);
  }

  /** Those that a roll looks at: what else runs neither holds it up nor is told of it before the commit. */
  get coreWorkers(): Worker[] {
    return this.#staying.filter(({ slot }) => this.isCore(slot));
  }

  get #staying(): Worker[] {
    return [...this.workers.values()].filter(({ slot }) => !this.isLeaving(slot));
  }

  get claimed(): Iterable<string> {
    return this.#claims.keys();
  }
}
