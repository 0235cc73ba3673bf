/** Answers workers that want to listen, and binds what the config declares. */
import type { ListenAddress } from '../channel/messages.js';
import type { ListenerConfig } from '../config/config.js';
import { BatondError } from '../errors.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Inventory } from '../inventory/inventory.js';
import type { Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';

export class Listening {
  readonly #log: Log;
  readonly #inventory: () => Inventory;
  readonly #settle: () => void;
  readonly #underWay = new Set<Promise<void>>();

  /** `settle` puts on record what has changed: a worker must not have a listener that nobody would know of. */
  constructor(log: Log, inventory: () => Inventory, settle: () => void) {
    this.#log = log;
    this.#inventory = inventory;
    this.#settle = settle;
  }

  /** A worker waits for the answer, blocking; a refusal makes its own `listen` fail as it would without us. */
  answer(worker: Worker, id: number, address: ListenAddress, backlog: number): void {
    const work = this.#inventory()
      .listeners.acquire(address, backlog)
      .then(({ name, descriptor }) => {
        this.#inventory().generations.get(worker.generation)?.claim(name, worker.slot);
        this.#settle();
        worker.answerListen(id, name, descriptor.fd);
      })
      .catch((error: NodeJS.ErrnoException) => {
        this.#log.warn(
          { event: 'listen-refused', generation: worker.generation, slot: worker.slot, code: error.code },
          `worker ${worker.id} asked for a listener that cannot be had: ${error.message}`,
        );
        worker.refuseListen(id, error.code ?? 'EINVAL');
      })
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /** A worker listens: where the listener has a second socket, it gets that too, before it is told what to accept on. */
  begun(worker: Worker, name: string): void {
    const canary = this.#inventory().listeners.get(name)?.canary;
    if (canary instanceof Descriptor) worker.giveCanary(name, canary.fd);
  }

  /** Throws LISTENER_NOT_BOUND. */
  async bindDeclared(listeners: readonly ListenerConfig[]): Promise<void> {
    for (const { name, address, backlog } of listeners) {
      try {
        await this.#inventory().listeners.acquire(asAsked(address), backlog, name);
      } catch (error) {
        throw new BatondError('LISTENER_NOT_BOUND', { name, reason: (error as Error).message }, error);
      }
    }
  }

  /** Resolves when nobody waits for an answer any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
  }
}

function asAsked(address: ListenerConfig['address']): ListenAddress {
  if (address.kind === 'unix') return address;
  return { ...address, ipv6Only: false, reusePort: false, ordinal: 0 };
}
