/**
 * How well a candidate is on trial by what it says of itself: the levels of its workers, and how much of its time it was
 * healthy. Pure: samples and times go in. A worker that exits is not for here: that ends the roll by itself.
 */
import { type Health, type LevelRules, type Sample, sampled, WELL } from './levels.js';
import type { Failure } from './soak.js';
import { newTrust, reckon, type Trust, trustRatio } from './trust.js';

export interface CandidateRules {
  readonly levels: LevelRules;
  /** The least trust that it has to have earned in the end, 0 to 1. */
  readonly minTrust: number;
}

export class CandidateHealth {
  readonly #rules: CandidateRules;
  readonly #health = new Map<string, Health>();
  #trust: Trust;

  /** Times are milliseconds of CLOCK_MONOTONIC. */
  constructor(rules: CandidateRules, nowMs: number) {
    this.#rules = rules;
    this.#trust = newTrust(nowMs);
  }

  add(worker: string, sample: Sample, nowMs: number): void {
    this.#health.set(worker, sampled(this.#health.get(worker) ?? WELL, sample, nowMs, this.#rules.levels));
    const healthy = [...this.#health.values()].every(({ level }) => level === 'OK');
    this.#trust = reckon(this.#trust, nowMs, healthy);
  }

  /** What speaks against it; null while nothing does. Trust is asked for when it is over. */
  judge(over: boolean, nowMs: number): Failure | null {
    const [ill] = [...this.#health].find(([, { level }]) => level === 'UNHEALTHY') ?? [];
    if (ill !== undefined) {
      return { rule: 'health', reason: `worker ${ill} is UNHEALTHY: its checks fail, or it does not answer` };
    }
    const trust = trustRatio(this.#trust, nowMs);
    if (!over || trust >= this.#rules.minTrust) return null;
    const [was, least] = [trust, this.#rules.minTrust].map((ratio) => `${(ratio * 100).toFixed(1)} %`);
    return { rule: 'trust', reason: `it was healthy for ${was} of its time, and upgrade.min_trust is ${least}` };
  }
}
