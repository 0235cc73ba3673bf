/** Workers that count as real ones do, second by second, with the noise of real ones; all of it from one seed. */
import type { Measures } from '../../src/channel/messages.js';
import { Baseline } from '../../src/health/baseline.js';
import type { Look } from '../../src/health/counted.js';
import { bucketOf, noLatency } from '../../src/health/latency.js';
import type { Failure, SoakLimits } from '../../src/health/soak.js';
import { Trial } from '../../src/health/trial.js';

const MIB = 2 ** 20;

/** mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How a worker is in one second of its life, the first is 0. */
export interface Nature {
  readonly perSecond: number;
  readonly errorRatio: (second: number) => number;
  readonly abortedRatio: number;
  readonly medianMs: (second: number) => number;
  /** The longest time that its loop is blocked in that second. */
  readonly blockedMs: (second: number, random: () => number) => number;
  readonly rssBytes: (second: number, random: () => number) => number;
  /** 0 to 1. */
  readonly busy: (second: number) => number;
  /** Asked and never answered. */
  readonly hangs?: (second: number) => boolean;
}

export const WELL: Nature = {
  perSecond: 200,
  errorRatio: () => 0.001,
  abortedRatio: 0.001,
  medianMs: () => 5,
  blockedMs: (_second, random) => 3 + 8 * random(),
  rssBytes: () => 120 * MIB,
  busy: () => 0.2,
};

export class SimulatedWorker {
  readonly #nature: Nature;
  readonly #random: () => number;
  readonly #id: string;
  #second = 0;
  #requests = 0;
  #errors = 0;
  #aborted = 0;
  #active = 300;
  #idle = 0;
  #latency = noLatency();
  #delay = noLatency();
  #maxMs = 0;

  constructor(id: string, nature: Nature, random: () => number) {
    this.#id = id;
    this.#nature = nature;
    this.#random = random;
  }

  /** A second more; `share` is that of its usual load. */
  live(share = 1): void {
    const { perSecond, errorRatio, abortedRatio, medianMs, blockedMs, busy, hangs } = this.#nature;
    const random = this.#random;
    const second = this.#second++;
    const blocked = blockedMs(second, random);
    const requests = Math.round(perSecond * share * (0.7 + 0.6 * random()));
    this.#requests += requests;
    for (let n = 0; n < requests && hangs?.(second) !== true; n++) {
      if (random() < abortedRatio) this.#aborted++;
      else {
        if (random() < errorRatio(second)) this.#errors++;
        const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
        const waits = random() < blocked / 1_000 ? blocked * random() : 0;
        const bucket = bucketOf(medianMs(second) * Math.exp(0.6 * normal) + waits);
        this.#latency[bucket] = (this.#latency[bucket] as number) + 1;
      }
    }
    this.#active += 1_000 * busy(second);
    this.#idle += 1_000 * (1 - busy(second));
    for (let n = 0; n < 48; n++) this.#late(2 * random());
    this.#late(Math.max(0, blocked - 20 * random()));
  }

  #late(ms: number): void {
    const bucket = bucketOf(ms);
    this.#delay[bucket] = (this.#delay[bucket] as number) + 1;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  look(serves: boolean): Look {
    const measures: Measures = {
      requests: this.#requests,
      inFlight: 0,
      connections: 10,
      accepted: 10,
      rssBytes: this.#nature.rssBytes(this.#second, this.#random),
      heapUsedBytes: 0,
      utilization: 0,
      errors: this.#errors,
      aborted: this.#aborted,
      latency: [...this.#latency],
      loop: { activeMs: this.#active, idleMs: this.#idle },
      delay: { count: 1, sumMs: 0, maxMs: this.#maxMs, over: [...this.#delay] },
      detail: null,
    };
    return { worker: this.#id, serves, measures };
  }
}

export interface Simulation {
  readonly seed: number;
  readonly seconds: number;
  readonly workers?: number;
  readonly incumbent?: Partial<Nature>;
  readonly candidate?: Partial<Nature>;
  /** Seconds of the incumbent's life before it was looked at, and in which it was before the switch. */
  readonly before?: number;
  readonly baseline?: number;
  readonly limits?: Partial<SoakLimits>;
  /** The candidate's share of the load; what is not its is the incumbent's. */
  readonly share?: number;
}

export const LIMITS: SoakLimits = { errorRatio: 0.005, p99Ms: 50, delayMs: 200, memoryGrowth: 5 * MIB };

export interface Simulated {
  readonly failure: Failure | null;
  /** When it was clear. */
  readonly second: number;
  readonly trial: Trial;
}

/** Plays a whole soak, and ends as a real one would: at the first failure, or when it is over. */
export function simulate(simulation: Simulation): Simulated {
  const { seed, seconds, workers = 2, before = 20, baseline: watched = 3, share = 1 } = simulation;
  const random = randomOf(seed);
  const crew = (name: string, nature: Nature) =>
    Array.from({ length: workers }, (_, slot) => new SimulatedWorker(`${name}${slot}`, nature, random));
  const incumbents = crew('old', { ...WELL, ...simulation.incumbent });
  const candidates = crew('new', { ...WELL, ...simulation.incumbent, ...simulation.candidate });
  const baseline = new Baseline();
  const trial = new Trial({ ...LIMITS, ...simulation.limits }, seconds * 1_000, baseline);
  for (let second = 0; second < before; second++) for (const worker of incumbents) worker.live();
  baseline.add(incumbents.map((worker) => worker.look(true)));
  for (let second = 0; second < watched; second++) {
    for (const worker of incumbents) worker.live();
    baseline.add(incumbents.map((worker) => worker.look(true)));
  }
  trial.add(
    0,
    candidates.map((worker) => worker.look(true)),
  );
  const left = 1 - share;
  for (let second = 1; second <= seconds; second++) {
    for (const worker of candidates) worker.live(share);
    if (left > 0) for (const worker of incumbents) worker.live(left);
    baseline.add(incumbents.map((worker) => worker.look(left > 0)));
    trial.add(
      second * 1_000,
      candidates.map((worker) => worker.look(true)),
    );
    const failure = trial.judge(second === seconds);
    if (failure !== null) return { failure, second, trial };
  }
  return { failure: null, second: seconds, trial };
}
