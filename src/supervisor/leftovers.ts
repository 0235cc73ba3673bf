/**
 * Workers that serve and that nothing is known of but their descriptors, after a live state file was lost. They are
 * left alone until others serve; then a channel is closed, at which its worker drains by itself, and a program without
 * one gets SIGTERM.
 */
import { constants } from 'node:os';
import { Descriptor } from '../inventory/descriptor.js';
import type { NamedFds } from '../inventory/inventory.js';
import { factsOf } from '../inventory/stored-names.js';
import { native } from '../native.js';

export class Leftovers {
  readonly #byName = new Map<string, Descriptor>();

  /** Takes the descriptors, by their stored names. */
  take(fds: NamedFds): void {
    for (const [name, fd] of fds) this.#byName.set(name, new Descriptor(fd));
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Lent, by their stored names. */
  get fds(): NamedFds {
    return new Map([...this.#byName].map(([name, { fd }]) => [name, fd]));
  }

  get pids(): number[] {
    return [...this.#byName.keys()].flatMap((name) => factsOf(name)?.pid ?? []);
  }

  /** Lets them go. */
  release(): void {
    const workerOf = (name: string) => {
      const facts = factsOf(name);
      return `${facts?.id}.${facts?.pid}`;
    };
    const names = [...this.#byName.keys()];
    const channelled = new Set(names.filter((name) => factsOf(name)?.kind === 'channel').map(workerOf));
    for (const [name, descriptor] of this.#byName) {
      const isCommand = factsOf(name)?.kind === 'pidfd' && !channelled.has(workerOf(name));
      if (isCommand) native().pidfdSignal(descriptor.fd, constants.signals.SIGTERM);
      descriptor.close();
    }
    this.#byName.clear();
  }
}
