/**
 * Asks each generation what it holds when it has served for a minute, and says when that has grown three times in a row.
 * There is a timer only for the first minute of a generation. What is known travels with a takeover; a generation that
 * is replaced before its minute is up is not compared, nor is one in which a worker does not answer.
 */

import { type AgeRecord, grown, KEPT_AGES } from '../health/growth.js';
import type { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';
import type { Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';

const AGE_MS = 60_000;
/** One that is asked later than that is of another age. */
const TOLERANCE_MS = 5_000;

export interface GrowthWatchHost {
  readonly inventory: Inventory;
  readonly log: Log;
}

export class GrowthWatch {
  readonly #host: GrowthWatchHost;
  #ages: AgeRecord[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(host: GrowthWatchHost) {
    this.#host = host;
  }

  get record(): readonly AgeRecord[] {
    return this.#ages;
  }

  restore(ages: readonly AgeRecord[]): void {
    this.#ages = ages.slice(-KEPT_AGES);
  }

  /** The generation that serves may be another one. */
  activate(): void {
    this.freeze();
    const { incumbent } = this.#host.inventory;
    if (incumbent === null || incumbent.committedAtMs === null || this.#isAsked(incumbent)) return;
    const leftMs = incumbent.committedAtMs + AGE_MS - monotonicMs();
    if (leftMs < -TOLERANCE_MS) return;
    this.#timer = setTimeout(() => void this.#ask(incumbent), Math.max(0, leftMs));
    this.#timer.unref();
  }

  freeze(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #ask(generation: Generation): Promise<void> {
    const timer = this.#timer;
    const workers = [...generation.workers.values()].filter(({ hasChannel }) => hasChannel);
    if (workers.length < generation.slots.length) return;
    const counts = await held(workers);
    if (counts === null || this.#timer !== timer || generation.role !== 'incumbent') return;
    const { number } = generation;
    this.#ages = [...this.#ages, { generation: number, workers: workers.length, counts }].slice(-KEPT_AGES);
    for (const { kind, counts } of grown(this.#ages)) {
      this.#host.log.warn(
        { event: 'leak', generation: number, kind, counts },
        `${kind} has grown in ${counts.length - 1} generations in a row, each a minute old: ${counts.join(', ')}; ` +
          'what is passed on grows, or the load does',
      );
    }
  }

  #isAsked({ number }: Generation): boolean {
    return this.#ages.some(({ generation }) => generation >= number);
  }
}

/** Sums by kind; null where one of them does not answer. */
async function held(workers: readonly Worker[]): Promise<Record<string, number> | null> {
  const all = await Promise.all(workers.map((worker) => worker.holdings()));
  const counts: Record<string, number> = {};
  for (const holdings of all) {
    if (holdings === null) return null;
    const { resources, gauges, listeners } = holdings;
    for (const [kind, count] of [resources, gauges, listeners].flatMap((one) => Object.entries(one))) {
      counts[kind] = (counts[kind] ?? 0) + count;
    }
  }
  return counts;
}
