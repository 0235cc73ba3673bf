/**
 * What has been counted at one moment, and what the differences of two moments say. All counts are cumulative, so it does
 * not matter how far apart two readings are, and a worker that is new counts from nothing. Pure.
 */
import { difference, percentile, sum, total } from '../health/latency.js';
import type { Level } from '../health/levels.js';
import type { Sample } from './when.js';

export interface Reading {
  readonly atMs: number;
  /** By pid: of each worker that said something. */
  readonly workers: ReadonlyMap<number, { readonly errors: number; readonly latency: readonly number[] }>;
  /** By control group, its own and those above. */
  readonly cpu: ReadonlyMap<string, { readonly periods: number; readonly throttled: number }>;
  /** The share of the last ten seconds in which a task waited for memory, 0 to 1; null where the kernel does not say. */
  readonly memoryPressure: number | null;
  /** Of the service. */
  readonly level: Level;
}

/** So long ago is what a reading is compared with: a second alone has too few requests to say what is usual. */
export const WINDOW_MS = 5_000;

/** Without those that nothing is compared with any more; the oldest first. */
export function keep(readings: readonly Reading[], nowMs: number): Reading[] {
  const first = readings.findLastIndex(({ atMs }) => nowMs - atMs >= WINDOW_MS);
  return readings.slice(Math.max(0, first));
}

/** Null where there is nothing to compare with yet. */
export function sampleOf(readings: readonly Reading[]): Sample | null {
  const [first, last] = [readings[0], readings.at(-1)];
  if (first === undefined || last === undefined || first === last) return null;
  const answers = [...last.workers].map(([pid, { errors, latency }]) => {
    const before = first.workers.get(pid);
    return {
      errors: errors - Math.min(errors, before?.errors ?? 0),
      latency: before === undefined ? latency : difference(latency, before.latency),
    };
  });
  const latency = sum(answers.map((one) => one.latency));
  const answered = total(latency);
  return {
    cpuThrottled: throttledShare(first, last),
    memoryPressure: last.memoryPressure,
    level: last.level,
    errors: answered === 0 ? null : answers.reduce((all, one) => all + one.errors, 0) / answered,
    p99Ms: percentile(latency, 0.99),
  };
}

/** The worst of all groups: a quota may be set at any of them. */
function throttledShare(first: Reading, last: Reading): number | null {
  const shares = [...last.cpu].flatMap(([group, { periods, throttled }]) => {
    const before = first.cpu.get(group);
    const passed = before === undefined ? 0 : periods - before.periods;
    return passed <= 0 ? [] : [(throttled - before!.throttled) / passed];
  });
  return shares.length === 0 ? null : Math.max(...shares);
}
