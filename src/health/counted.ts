/** What workers have counted, as a sum that can be taken over workers and over time. Pure. */
import type { LoopDelaySeen, Measures } from '../channel/messages.js';
import { type Counts, difference, LATENCY_BOUNDS_MS, noLatency, total } from './latency.js';
import type { Ratio } from './statistics.js';

export interface Counted {
  /** Begun. */
  requests: number;
  /** Answers of 5xx. */
  errors: number;
  /** Broken off before they were answered. */
  aborted: number;
  /** Of what was answered, 5xx too. */
  latency: Counts;
  activeMs: number;
  idleMs: number;
}

/** One look at a worker; without measures where it did not answer in time. */
export interface Look {
  /** Another for each process. */
  readonly worker: string;
  /** It accepts connections. */
  readonly serves: boolean;
  readonly measures: Measures | null;
}

export function nothing(): Counted {
  return { requests: 0, errors: 0, aborted: 0, latency: noLatency(), activeMs: 0, idleMs: 0 };
}

export function countedBy({ requests, errors, aborted, latency, loop }: Measures): Counted {
  return { requests, errors, aborted, latency, activeMs: loop.activeMs, idleMs: loop.idleMs };
}

export function since(later: Counted, earlier: Counted): Counted {
  return {
    requests: later.requests - earlier.requests,
    errors: later.errors - earlier.errors,
    aborted: later.aborted - earlier.aborted,
    latency: difference(later.latency, earlier.latency),
    activeMs: later.activeMs - earlier.activeMs,
    idleMs: later.idleMs - earlier.idleMs,
  };
}

export function addTo(all: Counted, more: Counted): void {
  all.requests += more.requests;
  all.errors += more.errors;
  all.aborted += more.aborted;
  all.latency = all.latency.map((count, bucket) => count + (more.latency[bucket] ?? 0));
  all.activeMs += more.activeMs;
  all.idleMs += more.idleMs;
}

/** What went wrong, of all of which it is known how they went. */
export function failuresOf({ errors, aborted, latency }: Counted): Ratio {
  const of = total(latency) + aborted;
  return { count: Math.min(of, errors + aborted), of };
}

/** How many took longer than that for certain: a bucket counts where all of it lies above. */
export function countAbove(counts: Counts, ms: number): number {
  return counts.reduce((sum, count, bucket) => {
    const from = bucket === 0 ? 0 : (LATENCY_BOUNDS_MS[bucket - 1] as number);
    return from >= ms ? sum + count : sum;
  }, 0);
}

/** The longest of all, as exactly as its bucket; null where nothing was counted. */
export function longest(counts: Counts): number | null {
  const bucket = counts.findLastIndex((count) => count > 0);
  return bucket < 0 ? null : (LATENCY_BOUNDS_MS[bucket] ?? (LATENCY_BOUNDS_MS.at(-1) as number));
}

/** How late the loop was between two looks; null where that was not watched. */
export function delaysSince(later: LoopDelaySeen | null, earlier: LoopDelaySeen | null): Counts | null {
  return later === null || earlier === null ? null : difference(later.over, earlier.over);
}

/** 0 to 1; null where no time has passed. */
export function utilizationOf({ activeMs, idleMs }: Counted): number | null {
  return activeMs + idleMs > 0 ? activeMs / (activeMs + idleMs) : null;
}
