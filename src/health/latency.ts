/**
 * Latencies as counts by bucket: what a worker counts costs one increment a request, and sums and differences of such
 * counts are counts again, over workers as over time. Pure: the counts come from whoever has them.
 */

/** Bounds of one decade: a bucket ends 12 % after it begins, and so far a percentile can be wrong at most. */
const STEPS_A_DECADE = 20;
const SMALLEST_MS = 0.1;
const DECADES = 6;

/**
 * The upper bounds of the buckets, in milliseconds, each within its bucket: 0.1 ms to 100 s. Counts have one place more,
 * for what took longer than the last.
 */
export const LATENCY_BOUNDS_MS: readonly number[] = Array.from({ length: DECADES * STEPS_A_DECADE + 1 }, (_, step) =>
  Number((SMALLEST_MS * 10 ** (step / STEPS_A_DECADE)).toPrecision(4)),
);

/** How many counts there are. */
export const LATENCY_BUCKETS = LATENCY_BOUNDS_MS.length + 1;

export type Counts = readonly number[];

export function noLatency(): number[] {
  return new Array<number>(LATENCY_BUCKETS).fill(0);
}

/** The place of so many milliseconds among the counts. */
export function bucketOf(ms: number): number {
  // Also what is no number: a clock never says that, and it must not make a place of its own.
  if (!(ms > SMALLEST_MS)) return 0;
  const near = Math.floor(Math.log10(ms / SMALLEST_MS) * STEPS_A_DECADE);
  // The bounds are rounded, so the logarithm may be a step off in either direction.
  let bucket = Math.max(0, Math.min(near, LATENCY_BOUNDS_MS.length));
  while (bucket > 0 && ms <= (LATENCY_BOUNDS_MS[bucket - 1] as number)) bucket--;
  while (bucket < LATENCY_BOUNDS_MS.length && ms > (LATENCY_BOUNDS_MS[bucket] as number)) bucket++;
  return bucket;
}

export function total(counts: Counts): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * The milliseconds that a share of `p` (0 to 1) did not exceed, or null where nothing was counted. Between the bounds of
 * a bucket it is drawn straight; of what took longer than the last bound, that bound is told.
 */
export function percentile(counts: Counts, p: number): number | null {
  const all = total(counts);
  if (all === 0) return null;
  const rank = Math.max(Number.MIN_VALUE, Math.min(1, p) * all);
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && below + count >= rank) {
      const upper = LATENCY_BOUNDS_MS[bucket];
      if (upper === undefined) break;
      const lower = bucket === 0 ? 0 : (LATENCY_BOUNDS_MS[bucket - 1] as number);
      return lower + (upper - lower) * ((rank - below) / count);
    }
    below += count;
  }
  return LATENCY_BOUNDS_MS.at(-1) as number;
}

/** What was counted after `earlier`. A count that has become smaller is of another worker, and counts from nothing. */
export function difference(later: Counts, earlier: Counts): number[] {
  const restarted = later.some((count, bucket) => count < (earlier[bucket] ?? 0));
  return restarted ? [...later] : later.map((count, bucket) => count - (earlier[bucket] ?? 0));
}

/** All counts together, such as those of the workers of a generation. */
export function sum(all: Iterable<Counts>): number[] {
  const counts = noLatency();
  for (const one of all)
    for (const bucket of counts.keys()) counts[bucket] = (counts[bucket] ?? 0) + (one[bucket] ?? 0);
  return counts;
}
