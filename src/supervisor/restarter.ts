/**
 * Keeps the incumbent generation alive: a worker that ends without having been told to is started again, after a pause
 * that doubles at each crash in a row and is spread by chance.
 *
 * Two things end that: a young generation that keeps crashing is given up for the last good release, and when every
 * slot has used up its crashes the generation is lost, and with it the unit.
 */
import type { Config } from '../config/config.js';
import { probesOf } from '../config/health.js';
import type { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';
import type { Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';
import { describeExit, type Exit } from '../process/process.js';

/** So many crashes of one slot in a row make a young generation be given up: enough to tell them from one bad moment. */
const CRASHES_TO_REGRET = 3;

export interface RestarterHost {
  readonly inventory: Inventory;
  readonly config: Config;
  readonly log: Log;
  startWorker(generation: Generation, slot: number): void;
  /** Goes back to the last good release. False where there is none to go back to. */
  regret(generation: Generation, reason: string): boolean;
  lost(generation: Generation, reason: string): void;
}

export class Restarter {
  readonly #host: RestarterHost;
  readonly #pauses = new Map<string, NodeJS.Timeout>();
  readonly #boots = new Map<string, NodeJS.Timeout>();

  constructor(host: RestarterHost) {
    this.#host = host;
  }

  /** A worker of the incumbent has ended, and is out of its generation. */
  crashed(generation: Generation, worker: Worker, exit: Exit): void {
    const { config, log } = this.#host;
    this.arrived(worker);
    const livedMs = monotonicMs() - worker.startedAtMs;
    const inARow = livedMs >= config.restart.stableMs ? 1 : (generation.crashes.get(worker.slot) ?? 0) + 1;
    generation.crashes.set(worker.slot, inARow);
    const how = `${describeExit(exit)}${worker.fatal === null ? '' : `: ${worker.fatal}`}`;
    log.warn(
      {
        event: 'crash',
        generation: generation.number,
        slot: worker.slot,
        pid: worker.process.pid,
        inARow,
        livedMs,
        ...exit,
      },
      `worker ${worker.id} ${how}`,
    );
    const reason = `its workers keep ending, the last one ${how}`;
    const age = monotonicMs() - (generation.committedAtMs ?? 0);
    if (inARow >= CRASHES_TO_REGRET && age < config.upgrade.regretMs && this.#host.regret(generation, reason)) {
      this.#startLater(generation, worker.slot, inARow);
    } else if (isSpent(generation, config.restart.limit)) {
      this.#host.lost(generation, reason);
    } else {
      this.#startLater(generation, worker.slot, inARow);
    }
  }

  /** A worker that was started again is ready, or has ended: its boot has no deadline any more. */
  arrived(worker: Worker): void {
    const timer = this.#boots.get(worker.id);
    if (timer !== undefined) clearTimeout(timer);
    this.#boots.delete(worker.id);
  }

  /** Sees that every slot of the incumbent has a worker: after a takeover, or when one crashed in the moment of commit. */
  activate(): void {
    const generation = this.#host.inventory.incumbent;
    if (generation === null) return;
    const { startup } = probesOf(this.#host.config);
    for (let slot = 0; slot < generation.slots; slot++) {
      const worker = generation.workers.get(slot);
      if (worker === undefined) this.#startLater(generation, slot, generation.crashes.get(slot) ?? 0);
      else if (worker.phase === 'booting' || (worker.phase === 'ready' && startup !== null)) this.#watchBoot(worker);
    }
  }

  /** Starts nothing any more; somebody else may be about to. */
  freeze(): void {
    for (const timer of [...this.#pauses.values(), ...this.#boots.values()]) clearTimeout(timer);
    this.#pauses.clear();
    this.#boots.clear();
  }

  #startLater(generation: Generation, slot: number, inARow: number): void {
    const key = `${generation.number}.${slot}`;
    if (this.#pauses.has(key)) return;
    const timer = setTimeout(
      () => {
        this.#pauses.delete(key);
        this.#start(generation, slot, inARow);
      },
      pauseMs(this.#host.config, inARow),
    );
    this.#pauses.set(key, timer);
  }

  #start(generation: Generation, slot: number, inARow: number): void {
    if (generation.role !== 'incumbent' || generation.workers.has(slot)) return;
    try {
      this.#host.startWorker(generation, slot);
    } catch (error) {
      // No process could be made (memory, pids, descriptors, or the release is gone): the same pause, then again.
      generation.crashes.set(slot, inARow + 1);
      const { number } = generation;
      this.#host.log.error(
        { event: 'start-failed', generation: number, slot, err: error },
        `slot ${slot} could not be started again: ${(error as Error).message}`,
      );
      if (isSpent(generation, this.#host.config.restart.limit)) this.#host.lost(generation, (error as Error).message);
      else this.#startLater(generation, slot, inARow + 1);
      return;
    }
    const worker = generation.workers.get(slot);
    if (worker !== undefined) this.#watchBoot(worker);
  }

  #watchBoot(worker: Worker): void {
    const { config, log } = this.#host;
    const timer = setTimeout(() => {
      log.warn(
        { event: 'boot-timeout', generation: worker.generation, slot: worker.slot },
        `worker ${worker.id} was not ready within upgrade.ready_timeout: SIGKILL`,
      );
      worker.process.kill();
    }, config.upgrade.readyTimeoutMs);
    this.#boots.set(worker.id, timer);
  }
}

function isSpent(generation: Generation, limit: number): boolean {
  for (let slot = 0; slot < generation.slots; slot++) {
    if ((generation.crashes.get(slot) ?? 0) < limit) return false;
  }
  return true;
}

/** Exponential back-off with ±25 % of chance, so that slots which fell together do not rise together. */
function pauseMs(config: Config, inARow: number): number {
  const { delayMs, delayMaxMs } = config.restart;
  const grown = Math.min(delayMaxMs, delayMs * 2 ** Math.max(0, inARow - 1));
  return grown * (0.75 + Math.random() / 2);
}
