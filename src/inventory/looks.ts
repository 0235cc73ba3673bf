/**
 * What generations do, by looks at their workers: counts are added up, also of workers that have ended since, and
 * latencies are those since the look before. Pure.
 */
import type { Measures } from '../channel/messages.js';
import { addTo, type Counted, countedBy, nothing, since } from '../health/counted.js';
import { percentile, total } from '../health/latency.js';
import type { GenerationLook } from './series.js';

export interface WorkerLook {
  /** Another for each process. */
  readonly process: string;
  readonly generation: number;
  readonly rssBytes: number | null;
  /** Null where it did not say in time, or is no Node program. */
  readonly measures: Measures | null;
}

/** What a worker has counted, and how many connections it has. */
interface Seen {
  readonly generation: number;
  readonly counted: Counted;
  readonly connections: number;
}

export class Looks {
  /** One that has ended stays, as its counts are part of what its generation did. */
  readonly #seen = new Map<string, Seen>();

  /** Of each generation that has workers. */
  take(workers: readonly WorkerLook[]): GenerationLook[] {
    const numbers = new Set(workers.map(({ generation }) => generation));
    for (const [process, { generation }] of this.#seen) if (!numbers.has(generation)) this.#seen.delete(process);
    const living = new Set(workers.map(({ process }) => process));
    return [...numbers].map((generation) => {
      const own = workers.filter((one) => one.generation === generation);
      const latency = this.#hear(own).latency;
      const seen = [...this.#seen].filter(([, one]) => one.generation === generation);
      const sum = (of: (one: Seen) => number, all = seen) => all.reduce((before, [, one]) => before + of(one), 0);
      const known = <T>(value: T) => (seen.length === 0 ? null : value);
      const open = seen.filter(([process]) => living.has(process));
      return {
        generation,
        requests: known(sum(({ counted }) => counted.requests)),
        failed: known(sum(({ counted }) => counted.errors + counted.aborted)),
        connections: known(sum(({ connections }) => connections, open)),
        p50Ms: total(latency) === 0 ? null : percentile(latency, 0.5),
        p99Ms: total(latency) === 0 ? null : percentile(latency, 0.99),
        rssBytes: own.reduce((all, { rssBytes }) => all + (rssBytes ?? 0), 0),
      };
    });
  }

  forget(): void {
    this.#seen.clear();
  }

  /** What these have counted since they were heard last. */
  #hear(workers: readonly WorkerLook[]): Counted {
    const between = nothing();
    for (const { process, generation, measures } of workers) {
      if (measures === null) continue;
      const counted = countedBy(measures);
      const before = this.#seen.get(process);
      if (before !== undefined) addTo(between, since(counted, before.counted));
      this.#seen.set(process, { generation, counted, connections: measures.connections });
    }
    return between;
  }
}
