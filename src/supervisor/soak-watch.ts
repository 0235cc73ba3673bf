/**
 * Watches a roll whose candidate has to prove itself: looks once a second at the workers of both generations, and says
 * as soon as the candidate is worse. The rules are in ../health; here is only the clock, and who is asked.
 *
 * It begins with the roll: what the incumbents count before they pause is what the candidate is compared with. It is
 * loaded only where a candidate is watched, and asks nobody anything once it has been disposed of.
 */
import { Baseline } from '../health/baseline.js';
import { CandidateHealth, type CandidateRules } from '../health/candidate.js';
import type { Look } from '../health/counted.js';
import { describeFigures } from '../health/figures.js';
import type { Sample } from '../health/levels.js';
import type { Failure, SoakLimits } from '../health/soak.js';
import { Trial } from '../health/trial.js';
import type { Generation } from '../inventory/generation.js';
import type { TrialReport } from '../inventory/report.js';
import type { Worker } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';

const LOOK_EVERY_MS = 1_000;
/** An app's checks may ask its database: less often than what only counts. */
const CHECK_EVERY_MS = 2_000;
/** Progress is told twenty times, but at most so often and at least so often. */
const TOLD_TIMES = 20;
const TOLD_EVERY_MS = { least: 5_000, most: 60_000 };

export interface SoakWatchOptions {
  readonly incumbent: () => Generation | null;
  readonly limits: SoakLimits;
  readonly rules: CandidateRules;
  /** What a worker says of itself now; null where nothing can be said. */
  readonly check: (worker: Worker) => Promise<Sample | null>;
  /** So long the incumbents have to be watched before they can be compared with. */
  readonly baselineMs: number;
  /** It has looked again: it lives, and may know the incumbents well enough by now. */
  readonly looked: () => void;
  /** CLOCK_MONOTONIC in milliseconds. */
  readonly now?: () => number;
}

export interface WatchedTrial {
  readonly candidate: Generation;
  readonly forMs: number;
  /** How it goes, now and then. */
  readonly progress: (atMs: number, text: string) => void;
  /** Once, as soon as it is clear. */
  readonly failed: (failure: Failure) => void;
}

interface Running extends WatchedTrial {
  readonly sinceMs: number;
  readonly trial: Trial;
  readonly health: CandidateHealth;
  checkedMs: number;
  toldMs: number;
  failure: Failure | null;
}

export class SoakWatch implements Disposable {
  readonly #options: SoakWatchOptions;
  readonly #now: () => number;
  readonly #baseline = new Baseline();
  readonly #sinceMs: number;
  #running: Running | null = null;
  /** Of what was watched last, once it is not any more. */
  #ended: TrialReport | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(options: SoakWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? monotonicMs;
    this.#sinceMs = this.#now();
    this.#look();
  }

  /** Whether the incumbents have been watched for long enough to compare with. */
  get knowsIncumbents(): boolean {
    return this.#now() - this.#sinceMs >= this.#options.baselineMs;
  }

  /** Watches the candidate too, until `end`. */
  begin(watched: WatchedTrial): void {
    const sinceMs = this.#now();
    const trial = new Trial(this.#options.limits, watched.forMs, this.#baseline);
    const health = new CandidateHealth(this.#options.rules, sinceMs);
    const checkedMs = Number.NEGATIVE_INFINITY;
    this.#running = { ...watched, sinceMs, trial, health, checkedMs, toldMs: 0, failure: null };
    this.#lookNow();
  }

  /** Leaves the candidate alone: what it is given to do now would look like a fault of its own. */
  rest(): void {
    this.#ended = this.report;
    this.#running = null;
  }

  /** Looks a last time, and judges by all that it has seen. */
  async end(): Promise<Failure | null> {
    const running = this.#running;
    if (running === null) return null;
    await this.#lookNow();
    running.failure ??= running.health.judge(true, this.#now()) ?? running.trial.judge(true);
    return running.failure;
  }

  /** The numbers of the trial, as far as it has come; null where there was none. */
  get report(): TrialReport | null {
    if (this.#running === null) return this.#ended;
    const { sinceMs, forMs, trial, failure } = this.#running;
    return {
      forMs,
      ms: Math.round(this.#now() - sinceMs),
      failed: failure?.reason ?? null,
      candidate: trial.figures,
      incumbent: trial.baselineFigures,
    };
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** After the look that is under way, which may have begun before there was anything to see. */
  async #lookNow(): Promise<void> {
    await this.#looking;
    if (this.#disposed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#look();
    await this.#looking;
  }

  #look(): void {
    const startedMs = this.#now();
    this.#looking = this.#lookOnce().then(() => {
      if (this.#disposed) return;
      const pauseMs = Math.max(0, startedMs + LOOK_EVERY_MS - this.#now());
      this.#timer = setTimeout(() => this.#look(), pauseMs);
    });
  }

  async #lookOnce(): Promise<void> {
    const running = this.#running;
    const [incumbents, candidates] = await Promise.all([
      looksAt(this.#options.incumbent()),
      looksAt(running?.candidate ?? null),
      running === null ? null : this.#check(running),
    ]);
    if (this.#disposed) return;
    this.#baseline.add(incumbents);
    if (running !== null && running === this.#running) this.#judge(running, candidates);
    this.#options.looked();
  }

  async #check(running: Running): Promise<void> {
    const askedMs = this.#now();
    if (askedMs - running.checkedMs < CHECK_EVERY_MS) return;
    running.checkedMs = askedMs;
    const workers = running.candidate.coreWorkers;
    const samples = await Promise.all(
      workers.map(async (worker) => [worker.id, await this.#options.check(worker)] as const),
    );
    if (this.#disposed) return;
    for (const [worker, sample] of samples) if (sample !== null) running.health.add(worker, sample, this.#now());
  }

  #judge(running: Running, looks: readonly Look[]): void {
    const { trial, sinceMs, failed, progress, forMs } = running;
    const atMs = this.#now() - sinceMs;
    trial.add(atMs, looks);
    if (running.failure !== null) return;
    running.failure = running.health.judge(false, this.#now()) ?? trial.judge(false);
    const tellEveryMs = Math.min(TOLD_EVERY_MS.most, Math.max(TOLD_EVERY_MS.least, forMs / TOLD_TIMES));
    if (running.failure !== null) failed(running.failure);
    else if (atMs - running.toldMs >= tellEveryMs && atMs < forMs) {
      running.toldMs = atMs;
      progress(atMs, describeFigures(trial.figures, trial.baselineFigures));
    }
  }
}

/** Programs without a channel count nothing: of them only exits tell. */
async function looksAt(generation: Generation | null): Promise<Look[]> {
  const workers = (generation?.mainWorkers ?? []).filter(({ hasChannel }) => hasChannel);
  return Promise.all(
    workers.map(async (worker) => ({
      worker: `${worker.id}/${worker.process.pid}`,
      serves: worker.phase === 'open',
      measures: await worker.measure({ delay: true }),
    })),
  );
}
