/**
 * A candidate on trial: looks at its workers go in, about one a second, and a verdict comes out as soon as the evidence
 * is clear. Pure. Its rules are in soak.ts, what it is compared with is a Baseline.
 *
 * A good release that is sent back costs as much trust as a bad one that is not. So a fresh process has a time to warm
 * up; what happens in a single second is no evidence, however bad; and a second in which even the incumbents' idle loops
 * were late is one of a starved machine, and counts neither way.
 */
import type { Baseline } from './baseline.js';
import {
  addTo,
  type Counted,
  countAbove,
  countedBy,
  delaysSince,
  failuresOf,
  type Look,
  longest,
  nothing,
  since,
} from './counted.js';
import { type Evidence, STALLED_MS, WORST_SECONDS, type WorkerEvidence } from './evidence.js';
import type { TrialFigures } from './figures.js';
import { noLatency, percentile, sum, total } from './latency.js';
import { MemoryTrend } from './memory-trend.js';
import { type Failure, failureOf, lateLimitMs, type SoakLimits, slowLimitMs } from './soak.js';

/** The part of the trial that belongs to warming up, and its longest. */
const WARM_UP = 0.25;
const MAX_WARM_UP_MS = 10_000;

export class Trial {
  readonly #limits: SoakLimits;
  readonly #baseline: Baseline;
  readonly #warmAtMs: number;
  readonly #evidence: Evidence;
  #rssBytes: number | null = null;

  constructor(limits: SoakLimits, forMs: number, baseline: Baseline) {
    this.#limits = limits;
    this.#baseline = baseline;
    this.#warmAtMs = Math.min(MAX_WARM_UP_MS, forMs * WARM_UP);
    this.#evidence = {
      all: nothing(),
      warm: nothing(),
      answering: 0,
      worst: [],
      seconds: 0,
      slow: 0,
      delays: noLatency(),
      workers: new Map(),
      waiting: [],
    };
  }

  /** `atMs` is how long the trial has lasted. The baseline has had its own look first. */
  add(atMs: number, looks: readonly Look[]): void {
    const evidence = this.#evidence;
    const counts = atMs > this.#warmAtMs && this.#baseline.idleLateMs < lateLimitMs(this.#limits, this.#baseline) / 2;
    const gained = nothing();
    const all = nothing();
    for (const look of looks) this.#addWorker(look, atMs, counts, gained, all);
    evidence.all = all;
    const second = failuresOf(gained);
    if (second.of > 0) evidence.answering++;
    evidence.worst = [...evidence.worst, second].sort((a, b) => b.count - a.count).slice(0, WORST_SECONDS);
    if (atMs > this.#warmAtMs) addTo(evidence.warm, gained);
    if (counts) {
      evidence.seconds++;
      const limitMs = slowLimitMs(this.#limits, this.#baseline);
      if (limitMs !== null && countAbove(gained.latency, limitMs) > 0.01 * total(gained.latency)) evidence.slow++;
    }
    const done = total(all.latency) + all.aborted;
    evidence.waiting.push({ atMs, open: all.requests - done, done });
    // One that is old enough is kept, and none that is older.
    while ((evidence.waiting[1]?.atMs ?? Number.POSITIVE_INFINITY) <= atMs - STALLED_MS) evidence.waiting.shift();
  }

  #addWorker(look: Look, atMs: number, counts: boolean, gained: Counted, all: Counted): void {
    const { workers } = this.#evidence;
    const seen = workers.get(look.worker) ?? newWorker();
    workers.set(look.worker, seen);
    const { measures } = look;
    const before = seen.last;
    // One that does not answer within a second has a loop that does not turn.
    const delays = measures === null ? null : delaysSince(measures.delay, before?.delay ?? null);
    const lateMs = measures === null ? Number.POSITIVE_INFINITY : delays === null ? null : (longest(delays) ?? 0);
    if (counts && before !== null && lateMs !== null) {
      seen.seconds++;
      if (lateMs > lateLimitMs(this.#limits, this.#baseline)) seen.late++;
    }
    if (delays !== null) this.#evidence.delays = sum([this.#evidence.delays, delays]);
    if (measures === null) {
      if (before !== null) addTo(all, countedBy(before));
      return;
    }
    const now = countedBy(measures);
    addTo(all, now);
    if (before !== null) {
      const more = since(now, countedBy(before));
      addTo(gained, more);
      if (atMs > this.#warmAtMs) addTo(seen.warm, more);
    }
    if (atMs >= this.#warmAtMs) seen.memory.add(atMs, measures.rssBytes);
    this.#rssBytes = Math.max(this.#rssBytes ?? 0, measures.rssBytes);
    seen.last = measures;
  }

  /** What speaks against the candidate; null while nothing does. `over`: no more evidence comes. */
  judge(over: boolean): Failure | null {
    return failureOf(this.#evidence, this.#limits, this.#baseline, over);
  }

  get figures(): TrialFigures {
    const { all, delays, workers } = this.#evidence;
    const slopes = [...workers.values()].flatMap(({ memory }) => memory.slope ?? []);
    return {
      ...figuresOf(all, delays),
      rssBytes: this.#rssBytes,
      growth: slopes.length === 0 ? null : Math.round(Math.max(...slopes)),
    };
  }

  /** The same of what it is compared with. */
  get baselineFigures(): TrialFigures {
    const { counted, delays, rssBytes } = this.#baseline;
    return { ...figuresOf(counted, delays), rssBytes: rssBytes === 0 ? null : rssBytes, growth: null };
  }
}

function newWorker(): WorkerEvidence {
  return { last: null, seconds: 0, late: 0, warm: nothing(), memory: new MemoryTrend() };
}

function figuresOf(counted: Counted, delays: readonly number[]): Omit<TrialFigures, 'rssBytes' | 'growth'> {
  const { count, of } = failuresOf(counted);
  const rounded = (ms: number | null) => (ms === null ? null : Math.round(ms * 10) / 10);
  return {
    requests: counted.requests,
    failed: count,
    ended: of,
    p99Ms: rounded(percentile(counted.latency, 0.99)),
    delayP99Ms: rounded(percentile(delays, 0.99)),
    delayMaxMs: rounded(longest(delays)),
  };
}
