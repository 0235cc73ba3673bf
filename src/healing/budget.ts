/**
 * The restarts of a generation within a window that slides. Those that something else is to blame for are counted, so
 * that they slow down, and cost no generation its place. Pure: the time is an argument.
 */

export interface Restart {
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly atMs: number;
  readonly isCrash: boolean;
}

export interface Budget {
  readonly restarts: number;
  readonly windowMs: number;
}

/**
 * The list with one more, without those that no answer depends on any more: as many of each kind as exceed the budget
 * are enough, however fast workers end.
 */
export function withRestart(list: readonly Restart[], one: Restart, { restarts, windowMs }: Budget): Restart[] {
  const within = [...list, one].filter(({ atMs }) => atMs > one.atMs - windowMs);
  const newest = (isCrash: boolean) => within.filter((other) => other.isCrash === isCrash).slice(-(restarts + 1));
  const kept = new Set([...newest(true), ...newest(false)]);
  return within.filter((other) => kept.has(other));
}

/** Whether there were more restarts than the budget has; of crashes alone, whether those alone were. */
export function isSpent(
  list: readonly Restart[],
  nowMs: number,
  { restarts, windowMs }: Budget,
  of: 'all' | 'crashes',
): boolean {
  const counted = list.filter(({ atMs, isCrash }) => atMs > nowMs - windowMs && (of === 'all' || isCrash));
  return counted.length > restarts;
}
