/**
 * The trial of a candidate within its roll: what is compared, for how long, and what it comes to. The watch itself
 * (soak-watch.ts) is loaded only here, where there is a trial, and in the time that the candidate takes to boot.
 */
import { formatDuration } from '../config/duration.js';
import type { CandidateRules } from '../health/candidate.js';
import type { Sample } from '../health/levels.js';
import type { Failure, SoakLimits } from '../health/soak.js';
import type { Generation } from '../inventory/generation.js';
import type { TrialReport } from '../inventory/report.js';
import type { Worker } from '../inventory/worker.js';
import type { SoakWatch } from './soak-watch.js';

/** A single look could be of a bad moment; and whoever wants a short trial is in a hurry. */
const BASELINE_MS = 3_000;
/** Looks are a second apart, and an answer takes a second at most: a watch that is silent for longer is none. */
const ALIVE_MS = 10_000;

export interface SoakRequest {
  /** None where it is 0: then only the steps of a canary are watched. */
  readonly forMs: number;
  readonly limits: SoakLimits;
  readonly rules: CandidateRules;
  /** What it has come to when the roll goes on, in whatever way. */
  readonly over: (report: TrialReport) => void;
}

export interface SoakingOptions extends SoakRequest {
  readonly incumbent: () => Generation | null;
  readonly check: (worker: Worker) => Promise<Sample | null>;
  readonly step: (step: 'canary' | 'soak', message: string) => void;
  /** Within so many milliseconds it gives another sign. */
  readonly allow: (ms: number) => void;
  /** The workers were looked at: the roll may go on. */
  readonly looked: () => void;
  /** The candidate is worse; or it had its time (null). */
  readonly judged: (failure: Failure | null) => void;
}

export class Soaking implements Disposable {
  readonly #options: SoakingOptions;
  #watch: SoakWatch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #serves = false;
  #disposed = false;

  /** Begins with the incumbents: what they count before the switch is what the candidate is compared with. */
  constructor(options: SoakingOptions) {
    this.#options = options;
    const { incumbent, limits, rules, check, forMs } = options;
    const baselineMs = Math.min(BASELINE_MS, forMs);
    void import('./soak-watch.js').then(({ SoakWatch }) => {
      if (this.#disposed) return;
      this.#watch = new SoakWatch({ incumbent, limits, rules, check, baselineMs, looked: () => this.#looked() });
    });
  }

  /** Whether the incumbents were watched for long enough to compare with: the switch waits for it. */
  get knowsIncumbents(): boolean {
    return this.#watch?.knowsIncumbents === true;
  }

  /** The candidate has a share for so long, beside the incumbents; whoever deals shares out says when that is over. */
  beside(candidate: Generation, forMs: number): void {
    this.#begin(candidate, 'canary', forMs);
  }

  /** No share any more: state is restored next, and the switch follows, which have deadlines of their own. */
  rest(): void {
    this.#serves = false;
    this.#watch?.rest();
  }

  /** The candidate serves, and the incumbents stand by. */
  begin(candidate: Generation): void {
    const { forMs, step } = this.#options;
    step('soak', `generation ${candidate.number} serves on trial for ${formatDuration(forMs)}`);
    this.#timer = setTimeout(() => void this.#end(), forMs);
    this.#begin(candidate, 'soak', forMs);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const report = this.#watch?.report ?? null;
    this.#watch?.[Symbol.dispose]();
    this.#watch = null;
    if (report !== null) this.#options.over(report);
  }

  #begin(candidate: Generation, as: 'canary' | 'soak', forMs: number): void {
    const { step, judged } = this.#options;
    this.#serves = true;
    this.#watch?.begin({
      candidate,
      forMs,
      progress: (atMs, text) => step(as, `${as}: ${seconds(atMs)} of ${seconds(forMs)}, ${text}`),
      failed: judged,
    });
  }

  async #end(): Promise<void> {
    const failure = (await this.#watch?.end()) ?? null;
    if (!this.#disposed) this.#options.judged(failure);
  }

  /** A trial may last for hours; a watch that looks no more is found in seconds all the same. */
  #looked(): void {
    if (this.#serves) this.#options.allow(ALIVE_MS);
    this.#options.looked();
  }
}

const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`;
