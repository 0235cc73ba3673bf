/**
 * Looks at the workers of all generations while a report is open, for its series. It is loaded when the first reload
 * begins, and has no timer while there is no report to write for.
 */
import { addTo, type Counted, countedBy, nothing, since } from '../health/counted.js';
import { percentile, total } from '../health/latency.js';
import type { OpenReport } from '../inventory/report.js';
import { addLook, FIRST_EVERY_MS, type GenerationLook, newSeries } from '../inventory/series.js';
import type { Worker } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import { residentBytes } from '../process/resident.js';

export interface SeriesHost {
  /** The reports that are not complete. */
  open(): readonly OpenReport[];
  workers(): readonly Worker[];
}

/** What a worker has counted, and how many connections it has. */
interface Seen {
  readonly generation: number;
  readonly counted: Counted;
  readonly connections: number;
}

export class SeriesRecorder {
  readonly #host: SeriesHost;
  /** By the process, as it was seen last. One that has ended stays, as its counts are part of what its generation did. */
  readonly #seen = new Map<string, Seen>();
  #timer: NodeJS.Timeout | null = null;
  #looking = false;
  #frozen = false;

  constructor(host: SeriesHost) {
    this.#host = host;
  }

  /** Looks from here on, until no report is open. */
  begin(): void {
    this.#frozen = false;
    if (this.#timer === null && !this.#looking) void this.#look();
  }

  /** Asks nobody any more, and takes no answer. */
  freeze(): void {
    this.#frozen = true;
    this.#rest();
  }

  #rest(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #look(): Promise<void> {
    this.#timer = null;
    if (this.#host.open().length === 0) {
      this.#seen.clear();
      return;
    }
    this.#looking = true;
    const startedMs = monotonicMs();
    const workers = this.#host.workers();
    const answers = await Promise.all(workers.map(async (worker) => ({ worker, measures: await worker.measure() })));
    this.#looking = false;
    if (this.#frozen) return;
    const looks = this.#looksAt(answers);
    for (const open of this.#host.open()) {
      open.report.series ??= newSeries();
      addLook(open.report.series, startedMs - open.sinceMs, looks);
    }
    const everyMs = Math.min(...this.#host.open().map(({ report }) => report.series?.everyMs ?? FIRST_EVERY_MS));
    if (!Number.isFinite(everyMs)) this.#seen.clear();
    else this.#timer = setTimeout(() => void this.#look(), Math.max(0, everyMs - (monotonicMs() - startedMs))).unref();
  }

  #looksAt(answers: readonly { worker: Worker; measures: Awaited<ReturnType<Worker['measure']>> }[]): GenerationLook[] {
    const fresh = new Map<number, Counted>();
    for (const { worker, measures } of answers) {
      if (measures === null) continue;
      const counted = countedBy(measures);
      const before = this.#seen.get(keyOf(worker));
      const between = fresh.get(worker.generation) ?? nothing();
      if (before !== undefined) addTo(between, since(counted, before.counted));
      fresh.set(worker.generation, between);
      this.#seen.set(keyOf(worker), { generation: worker.generation, counted, connections: measures.connections });
    }
    const living = new Set(answers.map(({ worker }) => keyOf(worker)));
    return [...new Set(answers.map(({ worker }) => worker.generation))].map((generation) => {
      const own = answers.filter(({ worker }) => worker.generation === generation);
      const seen = [...this.#seen].filter(([, one]) => one.generation === generation);
      const sum = (of: (one: Seen) => number) => seen.reduce((all, [, one]) => all + of(one), 0);
      const latency = fresh.get(generation)?.latency ?? [];
      const isKnown = seen.length > 0;
      return {
        generation,
        requests: isKnown ? sum(({ counted }) => counted.requests) : null,
        failed: isKnown ? sum(({ counted }) => counted.errors + counted.aborted) : null,
        connections: isKnown ? seen.reduce((all, [id, one]) => all + (living.has(id) ? one.connections : 0), 0) : null,
        p50Ms: total(latency) === 0 ? null : percentile(latency, 0.5),
        p99Ms: total(latency) === 0 ? null : percentile(latency, 0.99),
        rssBytes: own.reduce((all, { worker }) => all + (residentBytes(worker.process.pid) ?? 0), 0),
      };
    });
  }
}

/** Another for each process: a slot that is started again begins to count from nothing. */
const keyOf = (worker: Worker) => `${worker.id}.${worker.process.pid}`;
