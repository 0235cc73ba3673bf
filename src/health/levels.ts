/**
 * How well a worker has been of late: OK, DEGRADED or UNHEALTHY, from what went wrong in sliding windows. Pure: samples
 * and times go in, a level comes out, and what there is to remember of it is plain data of a bounded size.
 *
 *            enough failures in the shorter window            enough in the longer one
 *        OK ---------------------------------------> DEGRADED ------------------------> UNHEALTHY
 *         <-----------------------------------------          <------------------------
 *            the window is empty enough again, and `recoverSamples` good samples in a row; one level at a time
 *
 * It gets worse at once and better slowly, so that what fails every other time does not flap. Time alone makes nothing
 * better: whoever keeps a level takes a sample when `nextLookMs` says that one could matter, and never while all is well.
 */

export type Level = 'OK' | 'DEGRADED' | 'UNHEALTHY';

/** From the best to the worst. */
export const LEVELS: readonly Level[] = ['OK', 'DEGRADED', 'UNHEALTHY'];

export interface LevelRules {
  /** So many failures within so many milliseconds, and it is DEGRADED. */
  readonly degradedFailures: number;
  readonly degradedWithinMs: number;
  /** The same for UNHEALTHY. */
  readonly unhealthyFailures: number;
  readonly unhealthyWithinMs: number;
  /** So many good samples in a row before it gets better. */
  readonly recoverSamples: number;
}

/** `poor` counts towards DEGRADED alone: it serves, and says that something is wrong. */
export type Sample = 'good' | 'poor' | 'failed';

/** Times are milliseconds of CLOCK_MONOTONIC, the oldest first: what happened keeps its age in the next supervisor. */
export interface Health {
  readonly level: Level;
  readonly failures: readonly number[];
  /** Of samples that were poor. */
  readonly poor: readonly number[];
  /** Good samples in a row since the last other one, or since the level last changed. */
  readonly good: number;
}

export const WELL: Health = { level: 'OK', failures: [], poor: [], good: 0 };

/** What is known after that sample. */
export function sampled(health: Health, sample: Sample, nowMs: number, rules: LevelRules): Health {
  const longest = Math.max(rules.degradedWithinMs, rules.unhealthyWithinMs);
  const next = {
    level: health.level,
    failures: recent(sample === 'failed' ? [...health.failures, nowMs] : health.failures, nowMs - longest, rules),
    poor: recent(sample === 'poor' ? [...health.poor, nowMs] : health.poor, nowMs - rules.degradedWithinMs, rules),
    good: sample === 'good' ? Math.min(health.good + 1, rules.recoverSamples) : 0,
  };
  const due = rank(dueLevel(next, nowMs, rules));
  const now = rank(next.level);
  if (due > now) return { ...next, level: LEVELS[due]!, good: 0 };
  const better = due < now && next.good >= rules.recoverSamples;
  const state = better ? { ...next, level: LEVELS[now - 1]!, good: 0 } : next;
  // One who is well and has nothing left to remember is the same as one who was never ill.
  return isWell(state) ? WELL : state;
}

/** When another sample could make it better, or forget what is past; null where nothing is in a window. */
export function nextLookMs(health: Health, nowMs: number, rules: LevelRules): number | null {
  if (health === WELL || (health.level === 'OK' && health.failures.length === 0 && health.poor.length === 0))
    return null;
  if (rank(dueLevel(health, nowMs, rules)) < rank(health.level)) return nowMs;
  const { degradedWithinMs, unhealthyWithinMs } = rules;
  const ends = [
    ...health.failures.flatMap((at) => [at + degradedWithinMs, at + unhealthyWithinMs]),
    ...health.poor.map((at) => at + degradedWithinMs),
  ].filter((at) => at > nowMs);
  // A level that only good samples keep from being better has no window left to wait for.
  return ends.length === 0 ? nowMs : Math.min(...ends);
}

/** The worse of two. */
export function worse(a: Level, b: Level): Level {
  return rank(a) >= rank(b) ? a : b;
}

/**
 * Of the whole service. It is only as bad as that where nobody is left who is better: a load balancer that is told
 * UNHEALTHY takes the whole machine out.
 */
export function serviceLevel(workers: readonly Level[], accepting: number): Level {
  if (accepting === 0 || workers.length === 0 || workers.every((level) => level === 'UNHEALTHY')) return 'UNHEALTHY';
  return workers.every((level) => level === 'OK') ? 'OK' : 'DEGRADED';
}

function dueLevel({ failures, poor }: Pick<Health, 'failures' | 'poor'>, nowMs: number, rules: LevelRules): Level {
  const within = (times: readonly number[], ms: number) => times.filter((at) => at + ms > nowMs).length;
  const { degradedFailures, degradedWithinMs, unhealthyFailures, unhealthyWithinMs } = rules;
  if (within(failures, unhealthyWithinMs) >= unhealthyFailures) return 'UNHEALTHY';
  return within(failures, degradedWithinMs) + within(poor, degradedWithinMs) >= degradedFailures ? 'DEGRADED' : 'OK';
}

function isWell({ level, failures, poor }: Health): boolean {
  return level === 'OK' && failures.length === 0 && poor.length === 0;
}

/** No more than can decide anything: what fails a thousand times a second fills no memory. */
function recent(times: readonly number[], sinceMs: number, rules: LevelRules): readonly number[] {
  return times.filter((at) => at > sinceMs).slice(-Math.max(rules.degradedFailures, rules.unhealthyFailures));
}

function rank(level: Level): number {
  return LEVELS.indexOf(level);
}
