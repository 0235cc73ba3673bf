/**
 * What a candidate is compared with: the generation that serves, from looks at its workers before the switch and after,
 * since connections that stay open still ask it. Pure; what it keeps does not grow with time.
 */
import type { Measures } from '../channel/messages.js';
import {
  addTo,
  type Counted,
  countedBy,
  delaysSince,
  failuresOf,
  type Look,
  longest,
  nothing,
  since,
  utilizationOf,
} from './counted.js';
import { bucketOf, noLatency, percentile, sum, total } from './latency.js';
import { boundsOf, type Ratio } from './statistics.js';

/** So many answers while it was looked at, and its life before no longer counts. */
const ENOUGH_ANSWERS = 10_000;
/** Of fewer answers nobody knows a 99th percentile. */
const ENOUGH_FOR_P99 = 100;
/** As late as it takes to miss a look, which waits for a second. */
export const MISSED_MS = 1_000;

export class Baseline {
  readonly #life = nothing();
  readonly #seen = nothing();
  readonly #last = new Map<string, Measures>();
  /** Of each worker and each second in which it served: how late its loop was at most. */
  readonly #latest = noLatency();
  #delays = noLatency();
  #rssBytes = 0;
  #idleLateMs = 0;

  add(looks: readonly Look[]): void {
    let least = looks.length === 0 ? 0 : Number.POSITIVE_INFINITY;
    for (const { worker, serves, measures } of looks) {
      const before = this.#last.get(worker);
      if (measures === null) continue;
      this.#last.set(worker, measures);
      this.#count(measures, before);
      const delays = before === undefined ? null : delaysSince(measures.delay, before.delay);
      const lateMs = delays === null ? 0 : (longest(delays) ?? 0);
      least = Math.min(least, lateMs);
      if (!serves || delays === null || total(delays) === 0) continue;
      this.#delays = sum([this.#delays, delays]);
      const bucket = bucketOf(lateMs);
      this.#latest[bucket] = (this.#latest[bucket] as number) + 1;
    }
    this.#idleLateMs = least;
    const present = new Set(looks.map(({ worker }) => worker));
    for (const worker of this.#last.keys()) if (!present.has(worker)) this.#last.delete(worker);
  }

  #count(measures: Measures, before: Measures | undefined): void {
    this.#rssBytes = Math.max(this.#rssBytes, measures.rssBytes);
    const now = countedBy(measures);
    if (before === undefined) {
      addTo(this.#life, now);
      return;
    }
    const gained = since(now, countedBy(before));
    addTo(this.#life, gained);
    addTo(this.#seen, gained);
  }

  /** Since it was looked at first, or in its whole life where that is too little to compare with. */
  get counted(): Counted {
    return total(this.#seen.latency) >= ENOUGH_ANSWERS ? this.#seen : this.#life;
  }

  get failures(): Ratio {
    return failuresOf(this.counted);
  }

  /** Its 99th percentile is hardly higher; null where it has answered too little to say so. */
  get p99AtMostMs(): number | null {
    const { latency } = this.counted;
    const of = total(latency);
    if (of < ENOUGH_FOR_P99) return null;
    return percentile(latency, boundsOf({ count: 0.99 * of, of }).upper);
  }

  /** How late its loop usually is at most within a second, while it serves. One bad second says nothing. */
  get usualDelayMs(): number {
    return percentile(this.#latest, 0.5) ?? 0;
  }

  /** How late its loop was while it served: counts by bucket. */
  get delays(): readonly number[] {
    return this.#delays;
  }

  /** How late even the least late of its workers was in the last second: so starved is the machine. */
  get idleLateMs(): number {
    return this.#idleLateMs;
  }

  /** Of its whole life: batches and nights are in it. */
  get utilization(): number | null {
    return utilizationOf(this.#life);
  }

  get activeMsPerRequest(): number {
    return this.#life.activeMs / (this.#life.requests + 1);
  }

  /** The most that one of its workers was seen with. */
  get rssBytes(): number {
    return this.#rssBytes;
  }
}
