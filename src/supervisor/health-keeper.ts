/**
 * Keeps the levels: hears what went wrong with a worker, asks again when that could have become better, says each change
 * once, and gives a young generation up that stays UNHEALTHY.
 *
 * It has a timer only while some failure is in a window, or while the service is UNHEALTHY. All that it knows is on
 * record with the generation, so the next supervisor goes on with it.
 */
import type { HealthConfig } from '../config/config.js';
import {
  type Health,
  type Level,
  nextLookMs,
  type Sample,
  sampled,
  serviceLevel,
  WELL,
  worse,
} from '../health/levels.js';
import { newTrust, reckon, trustRatio } from '../health/trust.js';
import type { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';
import type { Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';

/** The shortest time from one look to the next, so that good samples are of different moments. */
const LOOK_EVERY_MS = 1_000;

export interface HealthKeeperHost {
  readonly inventory: Inventory;
  readonly rules: HealthConfig;
  /** `upgrade.regret`: how long a generation counts as young. */
  readonly regretMs: number;
  readonly log: Log;
  /** How it is now; null where nothing can be said, as of one that is starting. */
  look(worker: Worker): Promise<Sample | null>;
  /** Goes back to the last good release. False where there is none, or no time for it. */
  regret(generation: Generation, reason: string): boolean;
  /** What the status says has changed, or what is to be put on record. */
  changed(): void;
}

export class HealthKeeper {
  readonly #host: HealthKeeperHost;
  #active = false;
  #looking: NodeJS.Timeout | null = null;
  #regretting: NodeJS.Timeout | null = null;
  /** Raised by each freeze: what was asked before it changes nothing after it. */
  #season = 0;
  #lastLookMs = Number.NEGATIVE_INFINITY;
  /** What was said last of the service. */
  #told: Level | null = null;

  constructor(host: HealthKeeperHost) {
    this.#host = host;
  }

  /** Of the service. */
  get level(): Level {
    const { incumbent } = this.#host.inventory;
    if (incumbent === null) return 'UNHEALTHY';
    // A slot that has done what it had to do is missed by nobody.
    const meant = incumbent.coreSlots.filter((slot) => incumbent.healing.slots.get(slot)?.rest !== 'done');
    const main = serviceLevel(
      meant.filter((slot) => incumbent.isMain(slot)).map((slot) => this.levelOf(incumbent, slot)),
      this.accepting,
    );
    // What runs beside a main program that is well makes the service DEGRADED, and no worse.
    const isWell = meant.every((slot) => this.levelOf(incumbent, slot) === 'OK');
    return isWell ? main : worse(main, 'DEGRADED');
  }

  /** One that is not started again stays as ill as its end was. */
  levelOf(generation: Generation, slot: number): Level {
    if (generation.healing.slots.get(slot)?.rest === 'kept') return 'UNHEALTHY';
    return healthOf(generation, slot).level;
  }

  /** How many workers accept, of whatever generation serves: in a reload they are the candidate's for a while. */
  get accepting(): number {
    return this.#host.inventory
      .workers()
      .filter(
        ({ generation, slot, phase }) =>
          phase === 'open' && mayServe(this.#host.inventory.generations.get(generation), slot),
      ).length;
  }

  /** Of the generation that serves, 0 to 1; null while none does. */
  get trust(): number | null {
    const trust = this.#host.inventory.incumbent?.health?.trust;
    return trust === undefined ? null : trustRatio(trust, monotonicMs());
  }

  /** What the status says of it; null while all is well. */
  get sentence(): string | null {
    const { incumbent } = this.#host.inventory;
    if (incumbent === null || this.#told === null || this.#told === 'OK') return null;
    const ill = incumbent.coreSlots
      .map((slot) => [slot, this.levelOf(incumbent, slot)] as const)
      .filter(([, level]) => level !== 'OK')
      .map(([slot, level]) => `worker ${slot} ${level}`);
    const why = this.accepting === 0 ? 'no worker accepts' : ill.join(', ');
    return `It is ${this.#told}${why === '' ? '' : `: ${why}`}.`;
  }

  /** A sample of a slot of the generation that serves; others are judged by their roll. `why` is for the journal. */
  sample(generation: Generation, slot: number, sample: Sample, why: string): void {
    if (generation.role !== 'incumbent') return;
    const before = healthOf(generation, slot);
    const now = monotonicMs();
    const health = sampled(before, sample, now, this.#host.rules.levels);
    if (health !== before) keep(generation, slot, health, now);
    if (health.level !== before.level) {
      const { number } = generation;
      const fields = { event: 'level', generation: number, slot, health: health.level, before: before.level };
      const text = `worker g${number}s${slot} is ${health.level}, it was ${before.level}: ${why}`;
      if (worse(health.level, before.level) === health.level) this.#host.log.warn(fields, text);
      else this.#host.log.info(fields, text);
    }
    if (health === before) return;
    this.update();
    this.#host.changed();
  }

  /** Something has happened that may change how well the service is. */
  update(): void {
    if (!this.#active) return;
    const { inventory, log } = this.#host;
    const { incumbent } = inventory;
    if (incumbent === null) return;
    const now = monotonicMs();
    incumbent.health ??= { slots: [], trust: newTrust(now), unhealthySinceMs: null };
    const { level } = this;
    const before = this.#told ?? level;
    this.#told = level;
    const { health } = incumbent;
    if (health.trust.healthy !== (level === 'OK')) {
      incumbent.health = { ...incumbent.health, trust: reckon(health.trust, now, level === 'OK') };
    }
    if ((health.unhealthySinceMs !== null) !== (level === 'UNHEALTHY')) {
      incumbent.health = { ...incumbent.health, unhealthySinceMs: level === 'UNHEALTHY' ? now : null };
    }
    if (level !== before) {
      const { sentence } = this;
      const fields = { event: 'service-level', generation: incumbent.number, health: level, before, trust: this.trust };
      const text = `the service is ${level}, it was ${before}${sentence === null ? '' : `: ${sentence}`}`;
      if (worse(level, before) === level) log.warn(fields, text);
      else log.info(fields, text);
      this.#host.changed();
    }
    this.#armLook(incumbent);
    this.#armRegret(incumbent);
  }

  /** Acts from here on. */
  activate(): void {
    this.#active = true;
    this.update();
  }

  /** Acts no more; somebody else may be about to. */
  freeze(): void {
    this.#active = false;
    this.#season++;
    for (const timer of [this.#looking, this.#regretting]) if (timer !== null) clearTimeout(timer);
    this.#looking = null;
    this.#regretting = null;
  }

  #armLook(generation: Generation): void {
    if (this.#looking !== null) clearTimeout(this.#looking);
    this.#looking = null;
    const now = monotonicMs();
    const due = [...generation.workers.keys()].flatMap(
      (slot) => nextLookMs(healthOf(generation, slot), now, this.#host.rules.levels) ?? [],
    );
    if (due.length === 0) return;
    const atMs = Math.max(Math.min(...due), this.#lastLookMs + LOOK_EVERY_MS);
    this.#looking = setTimeout(() => void this.#look(generation), Math.max(0, atMs - now));
  }

  async #look(generation: Generation): Promise<void> {
    this.#looking = null;
    const season = this.#season;
    this.#lastLookMs = monotonicMs();
    const due = [...generation.workers.values()].filter(({ slot }) => {
      const at = nextLookMs(healthOf(generation, slot), this.#lastLookMs, this.#host.rules.levels);
      return at !== null && at <= this.#lastLookMs;
    });
    const samples = await Promise.all(due.map(async (worker) => [worker, await this.#host.look(worker)] as const));
    if (season !== this.#season) return;
    for (const [{ slot }, sample] of samples) {
      if (sample !== null)
        this.sample(generation, slot, sample, sample === 'good' ? 'all was well of late' : 'it was asked');
    }
    if (generation.role === 'incumbent') this.#armLook(generation);
  }

  #armRegret(generation: Generation): void {
    if (this.#regretting !== null) clearTimeout(this.#regretting);
    this.#regretting = null;
    const since = generation.health?.unhealthySinceMs ?? null;
    if (since === null || generation.committedAtMs === null) return;
    const { rules, regretMs } = this.#host;
    const atMs = since + rules.regretAfterMs;
    if (atMs > generation.committedAtMs + regretMs) return;
    this.#regretting = setTimeout(() => this.#regret(generation), Math.max(0, atMs - monotonicMs()));
  }

  #regret(generation: Generation): void {
    this.#regretting = null;
    if (generation.role !== 'incumbent' || this.level !== 'UNHEALTHY') return;
    const { rules, regretMs, regret } = this.#host;
    const reason = `the service was UNHEALTHY for ${rules.regretAfterMs / 1_000} s (health.regret_after)`;
    if (regret(generation, reason) || generation.health === null) return;
    // A reload is under way, or there is nothing to go back to: asked again while it is young.
    const again = monotonicMs() + rules.regretAfterMs;
    if (again > (generation.committedAtMs ?? 0) + regretMs) return;
    this.#regretting = setTimeout(() => this.#regret(generation), rules.regretAfterMs);
  }
}

/** Whether a worker of the slot that accepts does so for the service. */
function mayServe(generation: Generation | undefined, slot: number): boolean {
  return generation?.role !== 'draining' && generation?.isMain(slot) === true;
}

function healthOf(generation: Generation, slot: number): Health {
  return generation.health?.slots.find((one) => one.slot === slot) ?? WELL;
}

/** What is well is forgotten: a record of a service that was never ill has nothing but its trust. */
function keep(generation: Generation, slot: number, health: Health, nowMs: number): void {
  const record = generation.health ?? { slots: [], trust: newTrust(nowMs), unhealthySinceMs: null };
  const others = record.slots.filter((one) => one.slot !== slot);
  generation.health = { ...record, slots: health === WELL ? others : [...others, { slot, ...health }] };
}
