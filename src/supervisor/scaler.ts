/**
 * Gives the generation that serves as many workers as are configured now. Further ones are started as one that crashed is
 * started again, and accept when they are ready. The highest of those that are too many drain as at a reload: what is idle
 * moves to the others, the rest is finished, SIGTERM, SIGKILL.
 *
 * Who is leaving is on record with the generation; a next supervisor gives it the whole of upgrade.drain_timeout again,
 * unless it replaces the generation, which is then told to drain as a whole.
 */
import type { Config } from '../config/config.js';
import type { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';
import type { Phase, Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { MAIN } from '../release/slots.js';
import { introduceLeaving } from './introduce.js';

export interface ScalerHost {
  readonly inventory: Inventory;
  readonly config: Config;
  readonly log: Log;
  /** Starts workers of slots that have none. */
  startMissing(): void;
  /** Puts on record what has changed, before anybody is told. */
  settle(): void;
}

/** A worker in one of these has accepted nothing, so there is nothing to wait for. */
const NEVER_ACCEPTED: ReadonlySet<Phase> = new Set(['booting', 'ready', 'trusted']);

export class Scaler {
  readonly #host: ScalerHost;
  readonly #timers = new Map<Worker, NodeJS.Timeout>();

  constructor(host: ScalerHost) {
    this.#host = host;
  }

  /** The configuration may ask for another number of workers. */
  apply(): void {
    const { inventory, config, log, settle, startMissing } = this.#host;
    const { incumbent } = inventory;
    if (incumbent === null) return;
    const wanted = [{ name: MAIN, workers: config.workers }, ...(config.processes ?? [])];
    const before = incumbent.processes;
    const scaled = wanted.filter(
      ({ name, workers }) => !this.#wouldForget(incumbent, name, workers) && incumbent.scale(name, workers),
    );
    if (scaled.length === 0) return;
    for (const { name, workers } of scaled) {
      const had = before.find((range) => range.name === name)?.slots.length;
      log.info(
        { event: 'scaled', generation: incumbent.number, process: name, workers, from: had },
        `${name} of generation ${incumbent.number} is to have ${workers} workers instead of ${had}`,
      );
    }
    settle();
    this.activate();
    startMissing();
  }

  /** What an app has given to nobody would be lost with its worker; a reload hands it on. */
  #wouldForget(incumbent: Generation, name: string, workers: number): boolean {
    const slots = incumbent.processes.find((range) => range.name === name)?.slots ?? [];
    const saves = slots.slice(workers).some((slot) => incumbent.workers.get(slot)?.state.saves === true);
    if (saves) {
      this.#host.log.info(
        { event: 'scale-waits', generation: incumbent.number, process: name, workers },
        `${name} is to have ${workers} workers, from the next reload on: those that would go have state`,
      );
    }
    return saves;
  }

  /** Goes on with those that are leaving. */
  activate(): void {
    const { incumbent } = this.#host.inventory;
    for (const slot of incumbent?.processes.flatMap(({ leaving }) => leaving) ?? []) {
      const worker = incumbent!.workers.get(slot);
      if (worker === undefined) incumbent!.forget(slot);
      else if (!this.#timers.has(worker)) this.#sendAway(incumbent!, worker);
    }
  }

  /** Acts no more; somebody else may be about to. */
  freeze(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** A worker that is leaving is in another phase. */
  moved(worker: Worker): void {
    if (worker.phase === 'drained') this.#stop(worker);
  }

  /** It has ended, and is out of its generation. */
  exited(generation: Generation, worker: Worker): void {
    this.#forget(worker);
    generation.forget(worker.slot);
  }

  #sendAway(generation: Generation, worker: Worker): void {
    const { drainTimeoutMs } = this.#host.config.upgrade;
    const isCore = generation.isCore(worker.slot);
    if (NEVER_ACCEPTED.has(worker.phase) || worker.phase === 'drained' || !isCore) {
      if (!isCore) worker.drain('move', 0);
      this.#stop(worker);
    } else if (worker.drainsBySignal) this.#stop(worker, drainTimeoutMs);
    else if (worker.phase !== 'stopping') {
      introduceLeaving(worker, generation);
      worker.drain('move', drainTimeoutMs);
      this.#timers.set(
        worker,
        setTimeout(() => this.#timeIsUp(worker), drainTimeoutMs),
      );
    } else this.#stop(worker);
  }

  #timeIsUp(worker: Worker): void {
    const { id, generation, slot } = worker;
    this.#host.log.warn(
      { event: 'drain-timeout', generation, slot, workers: 1 },
      `worker ${id}, which is one too many, still has connections after upgrade.drain_timeout: SIGTERM`,
    );
    this.#stop(worker);
  }

  #stop(worker: Worker, drainMs = 0): void {
    this.#forget(worker);
    const { id, generation, slot, process } = worker;
    worker.stop(this.#host.config.stop.killTimeoutMs + drainMs, () =>
      this.#host.log.warn(
        { event: 'kill', generation, slot, pid: process.pid },
        `worker ${id} did not end in time after SIGTERM: SIGKILL`,
      ),
    );
  }

  #forget(worker: Worker): void {
    clearTimeout(this.#timers.get(worker));
    this.#timers.delete(worker);
  }
}
