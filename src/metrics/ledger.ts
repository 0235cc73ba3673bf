/**
 * What metrics count beyond the life of a worker and of a supervisor, so that no counter ever jumps back: what workers
 * counted that have ended, and how often something has happened. Pure; its record is part of the snapshot.
 *
 * What living workers count they say themselves, and are asked. A supervisor that comes after one that died cannot ask
 * those that died meanwhile, so the record also has what was told last (`told`), and nothing less is ever told: what is
 * missing from it when every worker that lives has been heard was counted by one that does not.
 */
import { atLeast, type Counts, lacking, plus } from './counts.js';

export type Labels = Readonly<Record<string, string>>;

export interface Occurrence {
  readonly name: string;
  readonly labels: Labels;
  /** `times`, or the buckets of how long it took. */
  readonly counts: Counts;
}

export interface LedgerRecord {
  /** By process: of workers that have ended. */
  readonly past: Readonly<Record<string, Counts>>;
  /** By process: of all, as it was told last. */
  readonly told: Readonly<Record<string, Counts>>;
  /** By "generation.slot": of workers of that slot that have ended. */
  readonly slots: Readonly<Record<string, Counts>>;
  readonly occurrences: readonly Occurrence[];
}

/** One worker that lives, as far as it has been heard. */
export interface Living {
  readonly process: string;
  /** Null: it has not said anything to this supervisor. */
  readonly counts: Counts | null;
  /** Whether it will say something, sooner or later. */
  readonly answers: boolean;
}

/** So many processes, and so many series of one name: what else comes is counted together. */
const MAX_PROCESSES = 64;
const MAX_SERIES = 256;
const OTHER = 'other';

const ONCE: Counts = { times: 1 };

export class Ledger {
  readonly #past: Map<string, Counts>;
  readonly #slots: Map<string, Counts>;
  readonly #occurrences = new Map<string, { readonly name: string; readonly labels: Labels; counts: Counts }>();
  /** Those that have a name of their own. */
  readonly #processes: Set<string>;
  /** What the record that this one began with has in all; empty when it is accounted for. */
  #floor: ReadonlyMap<string, Counts>;
  #told: ReadonlyMap<string, Counts>;

  constructor(record: LedgerRecord | null) {
    this.#past = new Map(Object.entries(record?.past ?? {}));
    this.#floor = new Map(Object.entries(record?.told ?? {}));
    this.#told = this.#floor;
    this.#slots = new Map(Object.entries(record?.slots ?? {}));
    this.#processes = new Set([...this.#past.keys(), ...this.#floor.keys()]);
    for (const { name, labels, counts } of record?.occurrences ?? []) this.count(name, labels, counts);
  }

  /** A worker has ended that had counted so much. */
  ended(process: string, generation: number, slot: number, counts: Counts): void {
    addTo(this.#past, this.#nameOf(process), counts);
    const key = `${generation}.${slot}`;
    addTo(this.#slots, key, counts);
  }

  /** Something has happened, once where no more is said. */
  count(name: string, labels: Labels, counts: Counts = ONCE): void {
    const key = JSON.stringify([name, labels]);
    const found = this.#occurrences.get(key);
    if (found !== undefined) {
      found.counts = plus(found.counts, counts);
      return;
    }
    let series = 0;
    for (const one of this.#occurrences.values()) if (one.name === name) series++;
    const isOther = Object.values(labels).every((value) => value === OTHER);
    if (series < MAX_SERIES || isOther) this.#occurrences.set(key, { name, labels, counts });
    else this.count(name, Object.fromEntries(Object.keys(labels).map((label) => [label, OTHER])), counts);
  }

  get occurrences(): Iterable<Occurrence> {
    return this.#occurrences.values();
  }

  /**
   * By process: what all have counted, those that live and those that have ended. It never becomes less, and is to be on
   * record before anybody is told.
   */
  totals(living: readonly Living[]): ReadonlyMap<string, Counts> {
    const sums = new Map(this.#past);
    for (const { process, counts } of living) addTo(sums, this.#nameOf(process), counts ?? {});
    const told = new Map(sums);
    for (const [process, floor] of this.#floor) told.set(process, atLeast(sums.get(process) ?? {}, floor));
    if (living.every(({ counts, answers }) => counts !== null || !answers)) this.#settle(sums);
    this.#told = told;
    return told;
  }

  /** What workers of the slot counted that have ended. */
  pastOf(generation: number, slot: number): Counts {
    return this.#slots.get(`${generation}.${slot}`) ?? {};
  }

  /** `generations` are those that live: of others nobody asks for slots any more. */
  record(generations: ReadonlySet<number>): LedgerRecord {
    for (const key of this.#slots.keys()) {
      if (!generations.has(Number(key.slice(0, key.indexOf('.'))))) this.#slots.delete(key);
    }
    return {
      told: Object.fromEntries(this.#told),
      past: Object.fromEntries(this.#past),
      slots: Object.fromEntries(this.#slots),
      occurrences: [...this.#occurrences.values()].map((one) => ({ ...one })),
    };
  }

  /** Everybody who lives has been heard: what is missing was counted by workers whose end nobody saw. */
  #settle(sums: ReadonlyMap<string, Counts>): void {
    for (const [process, floor] of this.#floor) addTo(this.#past, process, lacking(floor, sums.get(process) ?? {}));
    this.#floor = new Map();
  }

  #nameOf(process: string): string {
    if (!this.#processes.has(process) && this.#processes.size >= MAX_PROCESSES) return OTHER;
    this.#processes.add(process);
    return process;
  }
}

function addTo(all: Map<string, Counts>, key: string, counts: Counts): void {
  all.set(key, plus(all.get(key) ?? {}, counts));
}
