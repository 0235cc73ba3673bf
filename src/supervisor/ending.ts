/**
 * The ends of a supervisor: a stop drains everything and ends with the last worker, a departure leaves everything to the
 * next one, and a service that is lost ends with the status that says why.
 */
import type { ControlServer } from '../control/server.js';
import { BatondError, EXIT } from '../errors.js';
import type { Mirror } from '../inventory/mirror.js';
import type { Deployment } from './deployment.js';
import type { Doors } from './doors.js';
import type { Drainer } from './drainer.js';
import type { Handover } from './handover.js';
import type { HealthKeeper } from './health-keeper.js';
import type { Leftovers } from './leftovers.js';
import type { Probes } from './probes.js';
import type { Restarter } from './restarter.js';
import type { Roller } from './roller.js';
import type { Scaler } from './scaler.js';
import type { Situation } from './situation.js';

/** Beyond the deadlines of the drain and of the kill: what the end itself may take. */
const STOP_MARGIN_MS = 5_000;
/** How long systemd may take to receive our last words. */
const LAST_WORDS_MS = 5_000;

export interface EndingHost {
  readonly admin: Doors;
  readonly deployment: Deployment;
  readonly drainer: Drainer;
  readonly handover: Handover;
  readonly health: HealthKeeper;
  readonly leftovers: Leftovers;
  readonly mirror: Mirror;
  readonly probes: Probes;
  readonly restarter: Restarter;
  readonly roller: Roller;
  readonly scaler: Scaler;
  control(): Pick<ControlServer, 'close'> | null;
  /** Nothing is begun unasked any more. */
  stopWatching(cause: BatondError): void;
  announce(): void;
}

export class Ending {
  readonly #situation: Situation;
  readonly #host: EndingHost;
  #end: (status: number) => void = () => {};
  /** Resolves with the exit status when this process has nothing left to do. */
  readonly ended = new Promise<number>((resolve) => {
    this.#end = resolve;
  });

  constructor(situation: Situation, host: EndingHost) {
    this.#situation = situation;
    this.#host = host;
  }

  /** This process alone, at once: somebody else has everything, or will find it. */
  end(status: number): void {
    this.#end(status);
  }

  /**
   * Ends this process alone: everything is on record, and systemd starts the next one at once. A stop where systemd has
   * fewer descriptors than it was given: it keeps none, or not as many.
   */
  leave(stored: number): void {
    const { handover, mirror } = this.#host;
    const { options, inventory, stopping } = this.#situation;
    if (handover.yielding) {
      handover.passOn('SIGTERM');
      return;
    }
    if (stopping || mirror.problem !== null || stored < mirror.stored.size) {
      this.stop();
      return;
    }
    const workers = inventory.workers().length;
    options.log.info({ event: 'leave', workers }, `restarting: ${workers} workers serve on until the next is here`);
    mirror.flush();
    const told = options.notifier.sent(LAST_WORDS_MS);
    void Promise.all([told, this.#host.admin.finished()]).then(() => this.#end(EXIT.ok));
  }

  /** Drains and ends everything; the second time at once. */
  stop(): void {
    const { deployment, handover, restarter, roller } = this.#host;
    const { log } = this.#situation.options;
    if (handover.yielding) {
      handover.passOn('SIGTERM');
      return;
    }
    if (this.#situation.stopping) {
      log.warn({ event: 'stop-now' }, 'told to stop again: ending every worker at once');
      for (const worker of this.#situation.inventory.workers()) worker.process.kill();
      return;
    }
    this.#situation.stopping = true;
    log.info({ event: 'stop' }, 'stopping: no new connections, what is in flight is finished');
    const cause = new BatondError('STOPPING', { name: this.#situation.config.name });
    this.#host.stopWatching(cause);
    handover.abort(cause);
    deployment.stop(cause);
    roller.abort(cause);
    this.sayStopping();
    restarter.freeze();
    this.#sendAway();
    this.#host.announce();
    this.finishIfEmpty();
  }

  /** Everything at once, and systemd is not to start it again: whoever said SIGQUIT wants it to have ended. */
  quit(): void {
    this.#situation.exitStatus = EXIT.done;
    if (!this.#situation.stopping) this.stop();
    this.stop();
  }

  /** As a stop, but never a second one, which would cut what is in flight; a successor sees it by itself. */
  hostGone(): void {
    if (!this.#situation.stopping && !this.#host.handover.yielding) this.stop();
  }

  endAllWith(status: number): void {
    this.#situation.stopping = true;
    this.#situation.exitStatus = status;
    this.#host.restarter.freeze();
    this.#sendAway();
    this.finishIfEmpty();
  }

  /** The unit's TimeoutStopSec= is from the day of its installation; the deadlines are those of the config now. */
  sayStopping(): void {
    const { config } = this.#situation;
    const { notifier } = this.#situation.options;
    notifier.stopping();
    notifier.extendTimeout((config.upgrade.drainTimeoutMs + config.stop.killTimeoutMs + STOP_MARGIN_MS) * 1_000);
  }

  finishIfEmpty(): void {
    const { options, inventory, stopping, exitStatus } = this.#situation;
    if (!stopping || inventory.generations.size > 0) return;
    this.#host.control()?.close();
    this.#host.admin.close();
    this.#host.mirror.clear();
    options.log.info({ event: 'stopped' }, 'stopped');
    options.events.clear();
    const told = [options.notifier.sent(LAST_WORDS_MS), options.lines.delivered(LAST_WORDS_MS)];
    void Promise.all(told).then(() => this.#end(exitStatus));
  }

  #sendAway(): void {
    this.#host.health.freeze();
    this.#host.probes.freeze();
    this.#host.scaler.freeze();
    this.#host.leftovers.release();
    const { generations, listeners } = this.#situation.inventory;
    for (const generation of [...generations.values()]) this.#host.drainer.drain(generation, 'close');
    // Who connects from here on is refused at once, instead of waiting for the last worker to end and being reset then.
    listeners.closeAll();
    this.#host.mirror.flush();
  }
}
