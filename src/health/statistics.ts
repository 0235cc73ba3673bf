/**
 * How sure one can be of a ratio or of a slope, given so much evidence. Pure. A verdict over a release is asked for anew
 * each second, so the bounds are wide: what is noise may not look like evidence in one of hundreds of looks.
 */

/** Standard deviations on one side: 1 of 740 by chance. */
const SURE = 3;

/** So many of so many. */
export interface Ratio {
  readonly count: number;
  readonly of: number;
}

/** Where the true ratio lies, by Wilson's score interval; anywhere where nothing was counted. */
export function boundsOf({ count, of }: Ratio): { readonly lower: number; readonly upper: number } {
  if (of <= 0) return { lower: 0, upper: 1 };
  const ratio = Math.min(1, Math.max(0, count / of));
  const spread = SURE ** 2 / of;
  const centre = (ratio + spread / 2) / (1 + spread);
  const half = (SURE / (1 + spread)) * Math.sqrt((ratio * (1 - ratio)) / of + spread / (4 * of));
  return { lower: Math.max(0, centre - half), upper: Math.min(1, centre + half) };
}

/** By how much one ratio is at least above another (Newcombe's interval of a difference); negative where it may be below. */
export function atLeastAbove(one: Ratio, other: Ratio): number {
  if (one.of <= 0 || other.of <= 0) return -1;
  const [a, b] = [one.count / one.of, other.count / other.of];
  return a - b - Math.hypot(a - boundsOf(one).lower, boundsOf(other).upper - b);
}

export type Point = readonly [x: number, y: number];

export interface Line {
  readonly slope: number;
  /** The slope is at least so steep. */
  readonly lower: number;
}

/** The line of least squares; null for fewer than two points, or points above each other. */
export function lineThrough(points: readonly Point[]): Line | null {
  const n = points.length;
  const mean = (of: (point: Point) => number) => points.reduce((sum, point) => sum + of(point), 0) / n;
  const [x, y] = [mean(([at]) => at), mean(([, value]) => value)];
  const sum = (of: (dx: number, dy: number) => number) => points.reduce((all, [px, py]) => all + of(px - x, py - y), 0);
  const spread = sum((dx) => dx * dx);
  if (n < 2 || spread === 0) return null;
  const slope = sum((dx, dy) => dx * dy) / spread;
  if (n === 2) return { slope, lower: slope };
  const residual = sum((dx, dy) => (dy - slope * dx) ** 2);
  return { slope, lower: slope - SURE * Math.sqrt(residual / (n - 2) / spread) };
}
