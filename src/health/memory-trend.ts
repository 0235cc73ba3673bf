/**
 * Whether a process grows for ever, or to its working size. Pure. A leak goes on as steeply as it began, and beyond what
 * the process before it ever had; a cache that fills and a heap that finds its size do neither.
 */
import { lineThrough, type Point } from './statistics.js';

/** When so many are kept, every other one goes: half of them still draw the line. */
const MAX_POINTS = 120;
/** With fewer there are no two halves. */
const MIN_POINTS = 4;
/** The later half is at least so steep as the earlier one. */
const STEADY = 0.75;

/** So much more than its predecessor, and so much growth, is a leak: at the end, or where it is clear before. */
const AT_THE_END = { bytes: 32 * 2 ** 20, beyond: 1.5 };
const BEFORE = { bytes: 128 * 2 ** 20, beyond: 2 };

export class MemoryTrend {
  #points: Point[] = [];
  #every = 1;
  #skipped = 0;

  add(atMs: number, bytes: number): void {
    if (++this.#skipped < this.#every) return;
    this.#skipped = 0;
    this.#points.push([atMs / 1_000, bytes]);
    if (this.#points.length < MAX_POINTS) return;
    this.#points = this.#points.filter((_, index) => index % 2 === 0);
    this.#every *= 2;
  }

  /** Bytes a second; null where too little was seen. */
  get slope(): number | null {
    return this.#points.length < MIN_POINTS ? null : (lineThrough(this.#points)?.slope ?? null);
  }

  /** The growth a second, where it is a leak of more than `limit`; `usualBytes` is what its predecessor had at most. */
  leak(limit: number, usualBytes: number, over: boolean): number | null {
    const line = this.#points.length < MIN_POINTS ? null : lineThrough(this.#points);
    if (line === null || line.lower <= limit) return null;
    const [first, last] = [this.#points[0] as Point, this.#points.at(-1) as Point];
    const least = over ? AT_THE_END : BEFORE;
    if (line.slope * (last[0] - first[0]) < least.bytes || last[1] < usualBytes * least.beyond) return null;
    const middle = Math.floor(this.#points.length / 2);
    const earlier = lineThrough(this.#points.slice(0, middle + 1));
    const later = lineThrough(this.#points.slice(middle));
    if (earlier === null || later === null || later.slope < earlier.slope * STEADY) return null;
    return line.slope;
  }
}
