/**
 * When the worker is ready, said once.
 *
 * 'listen': the entry has been evaluated, a managed server listens (or a UDP socket, for a service that has no other), and no `listen` is still waiting for its host name.
 * An app that listens later, after its database say, is ready when it does. 'load': the entry has been evaluated.
 * 'notify': the app says so (app-side.ts).
 */
import type { ReadyBy } from '../channel/messages.js';

export class Readiness {
  readonly #by: ReadyBy;
  readonly #datagramsAreEnough: boolean;
  readonly #send: (by: ReadyBy) => void;
  readonly #resolving = new Set<object>();
  #evaluated = false;
  #listening = false;
  #judging = false;
  #sent = false;

  constructor(by: ReadyBy, datagramsAreEnough: boolean, send: (by: ReadyBy) => void) {
    this.#by = by;
    this.#datagramsAreEnough = datagramsAreEnough;
    this.#send = send;
  }

  /** Whether it has been said. */
  get said(): boolean {
    return this.#sent;
  }

  evaluated(): void {
    this.#evaluated = true;
    this.#judge();
  }

  /** A `listen` that will take a while has begun. */
  listenBegun(server: object): void {
    this.#resolving.add(server);
  }

  /** It has come to an end, whether good or bad. */
  listenSettled(server: object): void {
    if (this.#resolving.delete(server)) this.#judge();
  }

  listening(): void {
    this.#listening = true;
    this.#judge();
  }

  /** A managed UDP socket is bound: that is all that can be waited for where the service has no other listener. */
  bound(): void {
    if (this.#datagramsAreEnough) this.listening();
  }

  notified(): void {
    if (this.#by === 'notify') this.#sayOnce();
  }

  /** A turn later, so that a `listen` called from the 'listening' handler of another belongs to the same start. */
  #judge(): void {
    if (this.#sent || this.#judging || this.#by === 'notify') return;
    this.#judging = true;
    setImmediate(() => {
      this.#judging = false;
      const listens = this.#by === 'load' || (this.#listening && this.#resolving.size === 0);
      if (this.#evaluated && listens) this.#sayOnce();
    });
  }

  #sayOnce(): void {
    if (this.#sent) return;
    this.#sent = true;
    this.#send(this.#by);
  }
}
