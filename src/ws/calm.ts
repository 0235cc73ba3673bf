/**
 * Lets a WebSocket come to rest whose listeners are at work all the time, because the next message comes before the last
 * is answered: it is read no further for a moment. Not for longer, because a listener may be waiting for a message.
 */
import type { Socket } from 'node:net';

const CALM_MS = 1_000;

export class Calm {
  readonly #calmed = new WeakMap<Socket, NodeJS.Timeout>();

  /** What comes stays in the socket, until this has lasted too long; then it is read for as long again. */
  keep(socket: Socket): void {
    if (this.#calmed.has(socket)) return;
    socket.pause();
    const timer = setTimeout(() => {
      socket.resume();
      const pause = setTimeout(() => this.#calmed.delete(socket), CALM_MS);
      pause.unref();
    }, CALM_MS);
    timer.unref();
    this.#calmed.set(socket, timer);
  }

  end(socket: Socket): void {
    clearTimeout(this.#calmed.get(socket));
    this.#calmed.delete(socket);
  }
}
