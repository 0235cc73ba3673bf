/**
 * What an old generation held when its drain began, and what of it was still there when its last connection had gone:
 * timers, watchers, clients of other services. It is no verdict: an app may well give these up only at its SIGTERM.
 *
 * The first question is in the worker's channel before the order to drain, so it is answered first; the second delays
 * SIGTERM by its answer. Nobody is asked when the service stops.
 */
import type { Holdings } from '../channel/messages.js';
import type { Generation } from '../inventory/generation.js';
import type { Phase, Worker } from '../inventory/worker.js';

/** Its drain has begun before, by the word of a supervisor that is gone. */
const TOLD: ReadonlySet<Phase> = new Set(['draining', 'drained', 'stopping']);

export interface RemainsHost {
  readonly stopping: () => boolean;
  /** The worker may be told to end. */
  release(worker: Worker): void;
  /** It has answered both times. */
  found(worker: Worker, before: Holdings, left: Holdings): void;
}

export class Remains {
  readonly #host: RemainsHost;
  readonly #before = new WeakMap<Worker, Promise<Holdings | null>>();
  #asking = new Set<Worker>();

  constructor(host: RemainsHost) {
    this.#host = host;
  }

  /** Its workers are about to be told to drain. */
  begun({ workers, committedAtMs }: Generation): void {
    if (committedAtMs === null || this.#host.stopping()) return;
    for (const worker of workers.values()) {
      if (worker.hasChannel && !TOLD.has(worker.phase) && !this.#before.has(worker))
        this.#before.set(worker, worker.holdings());
    }
  }

  /** Whether it is still to be asked, or has not answered yet. */
  holds(worker: Worker): boolean {
    if (this.#asking.has(worker)) return !this.#host.stopping();
    const before = this.#before.get(worker);
    if (before === undefined || worker.phase !== 'drained' || this.#host.stopping()) return false;
    this.#before.delete(worker);
    this.#asking.add(worker);
    void this.#ask(worker, before);
    return true;
  }

  /** Somebody else is about to act. */
  freeze(): void {
    this.#asking = new Set();
  }

  async #ask(worker: Worker, first: Promise<Holdings | null>): Promise<void> {
    const [before, left] = await Promise.all([first, worker.holdings()]);
    if (!this.#asking.delete(worker)) return;
    if (before !== null && left !== null) this.#host.found(worker, before, left);
    this.#host.release(worker);
  }
}
