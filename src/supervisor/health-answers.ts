/**
 * How the service is, asked of its workers now: what `/healthz` and `batond health` say. Whoever asks within a second of
 * another gets the same answer, so that many load balancers are no load. What the workers answer are samples of their
 * levels too; one that does not answer in time has failed.
 */
import { healthOf } from '../config/health.js';
import type { CheckHealth, HealthReport, HealthStatus, Readiness, WorkerHealth } from '../control/messages.js';
import { BatondError } from '../errors.js';
import type { Level, Sample } from '../health/levels.js';
import type { Generation } from '../inventory/generation.js';
import type { Worker } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import { VERSION } from '../version.js';
import type { HealthKeeper } from './health-keeper.js';
import type { Situation } from './situation.js';

/** For so long an answer is as good as a new one. */
const KEPT_MS = 1_000;

const STATUSES: readonly HealthStatus[] = ['ok', 'degraded', 'down'];
const OF_LEVEL: Readonly<Record<Level, HealthStatus>> = { OK: 'ok', DEGRADED: 'degraded', UNHEALTHY: 'down' };
const SAMPLES: Readonly<Record<HealthStatus, Sample>> = { ok: 'good', degraded: 'poor', down: 'failed' };

interface Answered {
  readonly worker: Worker;
  /** Null where it was not asked: it is starting, or ends. */
  readonly inTime: boolean | null;
  readonly checks: readonly ({ readonly name: string } & CheckHealth)[];
}

export class HealthAnswers {
  readonly #situation: Situation;
  readonly #keeper: HealthKeeper;
  readonly #alive: () => boolean;
  /** Whoever is being asked, to be let off: what they answer now, the next supervisor would read. */
  readonly #asking = new Set<() => void>();
  #isFrozen = false;
  /** By the name of the check, null is all of them. */
  readonly #kept = new Map<string | null, { readonly untilMs: number; readonly report: Promise<HealthReport> }>();

  constructor(situation: Situation, keeper: HealthKeeper, alive: () => boolean) {
    this.#situation = situation;
    this.#keeper = keeper;
    this.#alive = alive;
  }

  /** Whether the supervisor gets on. That it answers at all says that its loop turns. */
  get alive(): boolean {
    return this.#alive();
  }

  get readiness(): Readiness {
    const { stopping } = this.#situation;
    const { accepting } = this.#keeper;
    return { ready: accepting > 0 && !stopping, accepting, stopping };
  }

  /** Asks no worker from here on, also where an answer is waited for: then the levels alone are told. */
  freeze(): void {
    this.#isFrozen = true;
    for (const letOff of [...this.#asking]) letOff();
  }

  thaw(): void {
    this.#isFrozen = false;
    this.#kept.clear();
  }

  /** Of all, or by one check alone. Throws NO_CHECK where no worker has one of that name. */
  report(check: string | null): Promise<HealthReport> {
    if (check !== null && !this.#names.has(check)) {
      throw new BatondError('NO_CHECK', { check, known: [...this.#names].sort().join(', ') });
    }
    const now = monotonicMs();
    for (const [name, { untilMs }] of this.#kept) if (untilMs <= now) this.#kept.delete(name);
    const kept = this.#kept.get(check);
    if (kept !== undefined) return kept.report;
    const report = this.#examine(check);
    this.#kept.set(check, { untilMs: now + KEPT_MS, report });
    return report;
  }

  /** How one worker is now; null where nothing can be said. */
  async look(worker: Worker): Promise<Sample | null> {
    const answered = await this.#answer(worker, null);
    return answered.inTime === null ? null : SAMPLES[statusOf(answered)];
  }

  get #names(): ReadonlySet<string> {
    const workers = [...(this.#situation.inventory.incumbent?.workers.values() ?? [])];
    return new Set(workers.flatMap(({ checks }) => [...checks]));
  }

  async #examine(check: string | null): Promise<HealthReport> {
    const { inventory } = this.#situation;
    const generation = inventory.incumbent;
    const workers = [...(generation?.workers.values() ?? [])].sort((a, b) => a.slot - b.slot);
    const answers = await Promise.all(workers.map((worker) => this.#answer(worker, check)));
    if (check === null && generation !== null) {
      for (const answered of answers) {
        if (answered.inTime === null) continue;
        const status = statusOf(answered);
        this.#keeper.sample(generation, answered.worker.slot, SAMPLES[status], describe(answered));
      }
    }
    return this.#compose(generation, answers, check);
  }

  #compose(generation: Generation | null, answers: readonly Answered[], check: string | null): HealthReport {
    const { stopping } = this.#situation;
    const { level, accepting, trust } = this.#keeper;
    const now = monotonicMs();
    const checks = byName(answers);
    const heard = answers.filter(({ inTime }) => inTime !== null);
    const live = worst([
      together(heard.filter(({ worker }) => generation?.isMain(worker.slot)).map(statusOf)),
      // What runs beside the main program does not take the service out of a load balancer.
      heard.every((one) => statusOf(one) === 'ok') ? 'ok' : 'degraded',
    ]);
    const whole = stopping || generation === null ? 'down' : worst([OF_LEVEL[level], live]);
    const committedAtMs = generation?.committedAtMs ?? null;
    return {
      // A check that no worker could be asked for is not known to be well.
      status: check === null ? whole : (checks[check]?.status ?? 'down'),
      level,
      name: this.#situation.config.name,
      generation: generation?.number ?? null,
      release: generation?.release.label ?? null,
      trust,
      uptimeMs: committedAtMs === null ? null : now - committedAtMs,
      accepting,
      workers: generation === null ? [] : this.#workersOf(generation, answers, now),
      checks,
      version: VERSION,
    };
  }

  #workersOf(generation: Generation, answers: readonly Answered[], nowMs: number): WorkerHealth[] {
    return generation.slots.map((slot) => {
      const worker = generation.workers.get(slot);
      return {
        slot,
        process: generation.processOf(slot).name,
        pid: worker?.process.pid ?? null,
        phase: worker?.phase ?? null,
        uptimeMs: worker === undefined ? null : nowMs - worker.startedAtMs,
        level: this.#keeper.levelOf(generation, slot),
        answered: answers.find((one) => one.worker === worker)?.inTime ?? null,
      };
    });
  }

  #answer(worker: Worker, check: string | null): Promise<Answered> {
    const unasked = { worker, inTime: null, checks: [] };
    if (this.#isFrozen) return Promise.resolve(unasked);
    return new Promise((resolve, reject) => {
      const letOff = () => resolve(unasked);
      this.#asking.add(letOff);
      this.#ask(worker, check)
        .then(resolve, reject)
        .finally(() => this.#asking.delete(letOff));
    });
  }

  async #ask(worker: Worker, check: string | null): Promise<Answered> {
    const askedMs = monotonicMs();
    const answered = await this.#askNow(worker, check);
    return answered.inTime === false && worker.stoodStillSince(askedMs) ? { ...answered, inTime: null } : answered;
  }

  async #askNow(worker: Worker, check: string | null): Promise<Answered> {
    const { slot } = worker;
    if (worker.phase === 'booting' || worker.phase === 'stopping') return { worker, inTime: null, checks: [] };
    // A program without a channel is taken at its word: it lives.
    if (!worker.hasChannel) return { worker, inTime: true, checks: [] };
    if (worker.checks.size === 0 || (check !== null && !worker.checks.has(check))) {
      return { worker, inTime: check === null ? (await worker.measure()) !== null : null, checks: [] };
    }
    const results = await worker.check(
      check === null ? null : [check],
      healthOf(this.#situation.config).checkTimeoutMs,
    );
    const checks = (results ?? []).map(({ name, status, ms, facts, error }) => ({
      name,
      slot,
      status,
      ms,
      facts,
      error,
    }));
    return { worker, inTime: results !== null, checks };
  }
}

/** Of one worker. */
function statusOf({ inTime, checks }: Answered): HealthStatus {
  return inTime === false ? 'down' : worst(checks.map(({ status }) => status));
}

function describe(answered: Answered): string {
  if (answered.inTime === false) return 'it did not answer in time';
  const bad = answered.checks.filter(({ status }) => status !== 'ok');
  if (bad.length === 0) return 'it answers';
  return bad.map(({ name, status, error }) => `${name} is ${status}${error === null ? '' : ` (${error})`}`).join(', ');
}

/** A worker that was asked and said nothing is down in the check that was asked for. */
function byName(answers: readonly Answered[]): HealthReport['checks'] {
  const names = new Set(answers.flatMap(({ checks }) => checks.map(({ name }) => name)));
  const of = (wanted: string) =>
    answers.flatMap(({ checks }) => checks.filter(({ name }) => name === wanted).map(({ name: _, ...rest }) => rest));
  return Object.fromEntries(
    [...names].sort().map((name) => {
      const workers = of(name);
      return [name, { status: together(workers.map(({ status }) => status)), workers }];
    }),
  );
}

/** Of several workers: down is what all are, or nobody would be asked who could still serve. */
function together(statuses: readonly HealthStatus[]): HealthStatus {
  if (statuses.every((status) => status === 'ok')) return 'ok';
  return statuses.every((status) => status === 'down') ? 'down' : 'degraded';
}

function worst(statuses: readonly HealthStatus[]): HealthStatus {
  return STATUSES[Math.max(0, ...statuses.map((status) => STATUSES.indexOf(status)))]!;
}
