/**
 * What is told to metrics beside the counts that are kept anyway. Loaded when a worker is scraped for the first time, so
 * that nobody else pays for an observer of collections; it ends when no scrape has come for a while, and what was counted
 * stays.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { COLLECTION_KINDS, type CollectionKind, type MeasuredDetail } from '../channel/messages.js';

/** Scrapes are seconds to minutes apart. */
export const SCRAPED_FOR_MS = 5 * 60_000;

/** For that long, and always: the timer of a trial would cost an idle worker close to a hundredth of a core. */
export const SCRAPED_DELAY_EVERY_MS = 100;

const KINDS: Readonly<Record<number, CollectionKind>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
};

/** Of an entry of the type 'gc', as Node's documentation has it. */
interface CollectionEntry {
  readonly duration: number;
  readonly detail?: { readonly kind?: number };
}

export class Detail {
  readonly #observer = new PerformanceObserver((list) => this.#collected(list.getEntries() as CollectionEntry[]));
  readonly #collections = Object.fromEntries(COLLECTION_KINDS.map((kind) => [kind, { count: 0, ms: 0 }])) as Record<
    CollectionKind,
    { count: number; ms: number }
  >;
  #watches = false;
  #until = 0;

  /** Begins to count collections, or goes on. */
  watch(): void {
    this.#until = performance.now() + SCRAPED_FOR_MS;
    if (this.#watches) return;
    this.#watches = true;
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  get seen(): MeasuredDetail {
    const { user, system } = process.cpuUsage();
    const { heapTotal, external } = process.memoryUsage();
    return {
      userMs: user / 1_000,
      systemMs: system / 1_000,
      heapTotalBytes: heapTotal,
      heapLimitBytes: getHeapStatistics().heap_size_limit,
      externalBytes: external,
      collections: this.#collections,
    };
  }

  #collected(entries: readonly CollectionEntry[]): void {
    for (const { duration, detail } of entries) {
      const kind = KINDS[detail?.kind ?? 0];
      if (kind === undefined) continue;
      this.#collections[kind].count++;
      this.#collections[kind].ms += duration;
    }
    if (performance.now() <= this.#until) return;
    this.#watches = false;
    this.#observer.disconnect();
  }
}
