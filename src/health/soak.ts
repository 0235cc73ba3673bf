/**
 * What speaks against a candidate that serves: a rule each for failed answers, slow answers, a late or busy event loop,
 * growing memory, and answers that do not come at all. Pure: evidence and baseline go in, the first rule that is broken
 * comes out, in numbers.
 */
import type { Baseline } from './baseline.js';
import { countAbove, failuresOf, utilizationOf } from './counted.js';
import { type Evidence, STALLED_MS, WORST_SECONDS } from './evidence.js';
import { mebibytes, number, percent, time } from './figures.js';
import { percentile, total } from './latency.js';
import { atLeastAbove, boundsOf, type Ratio } from './statistics.js';

/** How much worse than the incumbent a candidate may be. */
export interface SoakLimits {
  /** The share of failed requests, 0 to 1, on top of the incumbent's. */
  readonly errorRatio: number;
  /** On top of twice the incumbent's 99th percentile. */
  readonly p99Ms: number;
  /** On top of twice what the incumbent's event loop is usually late. */
  readonly delayMs: number;
  /** Bytes a second that a worker may grow. */
  readonly memoryGrowth: number;
}

export type SoakRule = 'errors' | 'stalled' | 'delay' | 'latency' | 'memory' | 'utilization' | 'health' | 'trust';

export interface Failure {
  readonly rule: SoakRule;
  /** A sentence in numbers, without its subject's generation and without its full stop. */
  readonly reason: string;
}

/** A loop that is busy so much of its time has no time left. */
const SATURATED = 0.95;
/** Fewer requests that wait may be those that are meant to. */
const MANY_WAIT = 20;
/** Fewer failures are an accident. */
const MIN_FAILURES = 5;
/** In that part of the seconds, for certain, and in most of them as it seems: what comes now and then is a collection. */
const LASTING = 0.25;
/** A busy loop is no accident after so many seconds. */
const BUSY_SECONDS = 4;

export function lateLimitMs({ delayMs }: SoakLimits, { usualDelayMs }: Baseline): number {
  return delayMs + 2 * usualDelayMs;
}

/** Null where the incumbent has answered too little to say what slow is. */
export function slowLimitMs({ p99Ms }: SoakLimits, { p99AtMostMs }: Baseline): number | null {
  return p99AtMostMs === null ? null : p99Ms + 2 * p99AtMostMs;
}

export function failureOf(evidence: Evidence, limits: SoakLimits, baseline: Baseline, over: boolean): Failure | null {
  return (
    errors(evidence, limits, baseline, over) ??
    stalled(evidence, baseline) ??
    delay(evidence, limits, baseline) ??
    latency(evidence, limits, baseline) ??
    memory(evidence, limits, baseline, over) ??
    utilization(evidence, baseline)
  );
}

function errors(evidence: Evidence, limits: SoakLimits, baseline: Baseline, over: boolean): Failure | null {
  const { all, worst, answering } = evidence;
  const own = failuresOf(all);
  // What is over after two seconds is an accident, however bad; where there were no more, they are all that there is.
  const isShort = over && answering <= WORST_SECONDS;
  const lasting = isShort ? own : worst.reduce((left, { count, of }) => less(left, count, of), own);
  if (own.count < MIN_FAILURES || atLeastAbove(lasting, baseline.failures) <= limits.errorRatio) return null;
  const reason =
    `${percent(own.count / own.of)} of its ${number(own.of)} requests failed (${number(all.errors)} answers of 5xx, ` +
    `${number(all.aborted)} broken off), of the incumbent's ${number(baseline.failures.of)} ` +
    `${percent(baseline.failures.count / baseline.failures.of)}`;
  return { rule: 'errors', reason };
}

function stalled({ waiting }: Evidence, baseline: Baseline): Failure | null {
  const [first, last] = [waiting[0], waiting.at(-1)];
  if (first === undefined || last === undefined || last.atMs - first.atMs < STALLED_MS) return null;
  const { requests, latency: answered } = baseline.counted;
  const patient = total(answered) < 0.9 * requests || (baseline.p99AtMostMs ?? STALLED_MS) > STALLED_MS / 2;
  if (patient || first.open < MANY_WAIT || last.done > first.done) return null;
  return {
    rule: 'stalled',
    reason: `it answered nothing for ${STALLED_MS / 1_000} s while ${number(last.open)} requests waited`,
  };
}

function delay({ workers }: Evidence, limits: SoakLimits, baseline: Baseline): Failure | null {
  const late = [...workers.values()].find((worker) => lasts(worker.late, worker.seconds));
  if (late === undefined) return null;
  const limitMs = lateLimitMs(limits, baseline);
  const usual = time(baseline.usualDelayMs);
  return {
    rule: 'delay',
    reason:
      `the event loop of a worker was blocked for more than ${time(limitMs)} in ${late.late} of ${late.seconds} s ` +
      `(the incumbent's usually for ${usual} at most)`,
  };
}

function latency({ warm, slow, seconds }: Evidence, limits: SoakLimits, baseline: Baseline): Failure | null {
  const limitMs = slowLimitMs(limits, baseline);
  if (limitMs === null || !lasts(slow, seconds)) return null;
  const of = total(warm.latency);
  const { lower } = boundsOf({ count: countAbove(warm.latency, limitMs), of });
  if (lower <= 0.01) return null;
  const p99 = time(percentile(warm.latency, 0.99) ?? 0);
  const before = time(percentile(baseline.counted.latency, 0.99) ?? 0);
  return { rule: 'latency', reason: `p99 of ${number(of)} answers is ${p99}, it was ${before}` };
}

function memory({ workers }: Evidence, limits: SoakLimits, { rssBytes }: Baseline, over: boolean): Failure | null {
  for (const { memory: trend, last } of workers.values()) {
    const growth = trend.leak(limits.memoryGrowth, rssBytes, over);
    if (growth === null) continue;
    const [each, has, had] = [growth, last?.rssBytes ?? 0, rssBytes].map(mebibytes);
    return {
      rule: 'memory',
      reason: `a worker grows by ${each} a second and has ${has}, the incumbent's had ${had} at most`,
    };
  }
  return null;
}

/** More load is no fault: it is where a request costs more than before too. */
function utilization({ workers }: Evidence, baseline: Baseline): Failure | null {
  const usual = baseline.utilization;
  if (usual === null || usual > SATURATED / 2) return null;
  for (const worker of workers.values()) {
    const busy = utilizationOf(worker.warm) ?? 0;
    const { activeMs, requests } = worker.warm;
    if (worker.seconds < BUSY_SECONDS || busy < SATURATED) continue;
    if (activeMs / (requests + 1) <= 2 * baseline.activeMsPerRequest) continue;
    return {
      rule: 'utilization',
      reason: `the event loop of a worker is busy ${percent(busy)} of its time, the incumbent's was ${percent(usual)}`,
    };
  }
  return null;
}

function lasts(count: number, of: number): boolean {
  return count > of / 2 && boundsOf({ count, of }).lower > LASTING;
}

const less = (from: Ratio, count: number, of: number): Ratio => ({ count: from.count - count, of: from.of - of });
