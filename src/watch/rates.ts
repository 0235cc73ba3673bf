/** What happened between two looks at a service, from what its workers count: their counts only grow. Pure. */
import type { GenerationStatus, Status, WorkerStatus } from '../control/messages.js';
import { difference, percentile, sum } from '../health/latency.js';

/** A status, and when it came, in milliseconds of a clock that does not jump. */
export interface Look {
  readonly status: Status;
  readonly atMs: number;
}

/** A second; null where nobody can tell. */
export interface Rates {
  readonly requests: number | null;
  /** Answers of 5xx, and what broke off. */
  readonly errors: number | null;
  /** Of the answers in between. */
  readonly medianMs: number | null;
  readonly p99Ms: number | null;
  /** The part of the time in which the event loop was busy, 0 to 1; of several workers the busiest. */
  readonly loop: number | null;
}

const UNKNOWN: Rates = { requests: null, errors: null, medianMs: null, p99Ms: null, loop: null };

/** `before` is null at the first look, of which there are no rates. */
export function workerRates(worker: WorkerStatus, now: Look, before: Look | null): Rates {
  const earlier = before === null ? undefined : workersOf(before.status).find(({ pid }) => pid === worker.pid);
  const [later, known] = [worker.measures, earlier?.measures];
  if (before === null || later == null || known == null || later.requests < known.requests) return UNKNOWN;
  const seconds = (now.atMs - before.atMs) / 1_000;
  if (seconds <= 0) return UNKNOWN;
  const latency = difference(later.latency, known.latency);
  const activeMs = later.loop.activeMs - known.loop.activeMs;
  const wholeMs = activeMs + later.loop.idleMs - known.loop.idleMs;
  return {
    requests: (later.requests - known.requests) / seconds,
    errors: (later.errors - known.errors + later.aborted - known.aborted) / seconds,
    medianMs: percentile(latency, 0.5),
    p99Ms: percentile(latency, 0.99),
    loop: wholeMs > 0 ? Math.min(1, Math.max(0, activeMs / wholeMs)) : null,
  };
}

/** Of a generation as a whole: latencies add up by bucket, which percentiles would not. */
export function generationRates({ workers }: GenerationStatus, now: Look, before: Look | null): Rates {
  const each = workers.map((worker) => workerRates(worker, now, before));
  const latency = sum(workers.map((worker) => latencySince(worker, before)));
  return {
    requests: added(each.map(({ requests }) => requests)),
    errors: added(each.map(({ errors }) => errors)),
    medianMs: percentile(latency, 0.5),
    p99Ms: percentile(latency, 0.99),
    loop: each.reduce<number | null>((most, { loop }) => (loop === null ? most : Math.max(most ?? 0, loop)), null),
  };
}

function latencySince({ pid, measures }: WorkerStatus, before: Look | null): readonly number[] {
  const earlier = before === null ? undefined : workersOf(before.status).find((one) => one.pid === pid)?.measures;
  if (measures == null || earlier == null || measures.requests < earlier.requests) return [];
  return difference(measures.latency, earlier.latency);
}

const workersOf = ({ generations }: Status) => generations.flatMap(({ workers }) => workers);

function added(all: readonly (number | null)[]): number | null {
  const known = all.filter((one) => one !== null);
  return known.length === 0 ? null : known.reduce((whole, one) => whole + one, 0);
}
