/**
 * Counts by name: what a worker has counted, brought into the shape in which it is kept, added up and told. Pure.
 *
 * Names that this version does not know are carried along, so that counts survive a batond that goes back and forth.
 */
import { COLLECTION_KINDS, type Measures } from '../channel/messages.js';
import { LATENCY_BOUNDS_MS } from '../health/latency.js';

export type Counts = Readonly<Record<string, number>>;

/** A worker's buckets are 12 % wide; metrics have fewer, whose bounds are bounds of those, so that none is divided. */
const bounds = (places: readonly number[]): readonly number[] =>
  places.map((place) => Number(((LATENCY_BOUNDS_MS[place] as number) / 1_000).toPrecision(4)));
const every = (step: number, from: number, to: number): number[] =>
  Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step);

/** 0.1 ms, 0.32 ms, then four a decade from 1 ms to 32 s. */
export const DURATION_BOUNDS: readonly number[] = bounds([0, 10, ...every(5, 20, 110)]);
/** Two a decade from 1 ms to 10 s. */
export const DELAY_BOUNDS: readonly number[] = bounds(every(10, 20, 100));

/** The name of one bucket's count: what it has beyond the bucket before. */
export const bucketName = (prefix: string, bound: number): string => `${prefix}.${bound}`;

export function countsOf({ requests, errors, aborted, accepted, latency, loop, delay, detail }: Measures): Counts {
  const counts: Record<string, number> = {
    requests,
    errors,
    aborted,
    accepted,
    active: loop.activeMs / 1_000,
    idle: loop.idleMs / 1_000,
    duration: latency.reduce((sum, count, place) => sum + count * middleSeconds(place), 0),
  };
  addBuckets(counts, 'duration', DURATION_BOUNDS, latency);
  if (delay !== null) {
    counts.delay = delay.sumMs / 1_000;
    addBuckets(counts, 'delay', DELAY_BOUNDS, delay.over);
  }
  if (detail !== null) {
    counts.user = detail.userMs / 1_000;
    counts.system = detail.systemMs / 1_000;
    for (const kind of COLLECTION_KINDS) {
      counts[`collections.${kind}`] = detail.collections[kind].count;
      counts[`collecting.${kind}`] = detail.collections[kind].ms / 1_000;
    }
  }
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, bounded(count)]));
}

/** Of reloads and their parts, in seconds. */
export const LENGTH_BOUNDS: readonly number[] = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000];

/** One length, as a histogram. */
export function countsOfLength(seconds: number): Counts {
  const bound = LENGTH_BOUNDS.find((one) => seconds <= one) ?? Number.POSITIVE_INFINITY;
  return { length: seconds, [bucketName('length', bound)]: 1 };
}

export function plus(one: Counts, other: Counts): Counts {
  return combine(one, other, (a, b) => bounded(a + b));
}

/** The larger of each. */
export function atLeast(one: Counts, other: Counts): Counts {
  return combine(one, other, Math.max);
}

/** What `wanted` has of each beyond `there`. */
export function lacking(wanted: Counts, there: Counts): Counts {
  return Object.fromEntries(
    Object.entries(wanted).map(([name, count]) => [name, Math.max(0, count - (there[name] ?? 0))]),
  );
}

/** A worker may say any number. What is no count would be read by nobody, and a sum of such would be none. */
function bounded(count: number): number {
  return Math.min(Math.max(0, count), Number.MAX_SAFE_INTEGER);
}

function combine(one: Counts, other: Counts, how: (a: number, b: number) => number): Counts {
  const result: Record<string, number> = { ...one };
  for (const [name, count] of Object.entries(other)) result[name] = how(result[name] ?? 0, count);
  return result;
}

/** Only those with anything in them: what is kept of them has to be small. */
function addBuckets(
  counts: Record<string, number>,
  prefix: string,
  limits: readonly number[],
  fine: readonly number[],
): void {
  let at = 0;
  for (const [place, count] of fine.entries()) {
    if (count === 0) continue;
    const end = (LATENCY_BOUNDS_MS[place] ?? Number.POSITIVE_INFINITY) / 1_000;
    while (at < limits.length && (limits[at] as number) < end) at++;
    const name = bucketName(prefix, limits[at] ?? Number.POSITIVE_INFINITY);
    counts[name] = (counts[name] ?? 0) + count;
  }
}

/** A bucket's middle stands for all that is in it; what took longer than the last bound counts as that. */
function middleSeconds(place: number): number {
  const last = LATENCY_BOUNDS_MS.at(-1) as number;
  const upper = LATENCY_BOUNDS_MS[place] ?? last;
  const lower = place === 0 ? 0 : (LATENCY_BOUNDS_MS[place - 1] ?? last);
  return (lower + upper) / 2 / 1_000;
}
