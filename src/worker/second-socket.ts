/**
 * The second socket of a listener, as one server of the app accepts on it. What it accepts goes to the server by the
 * way of the first socket's handle, so that Node, node:cluster and the app see an ordinary connection.
 *
 * It never keeps the process alive: where the first would, it or the channel does.
 */
import { type Fd, native } from '../native.js';
import { type AcceptHandle, openDuplicate, original } from './internals.js';

export class SecondSocket {
  readonly #fd: Fd;
  #handle: AcceptHandle | null = null;

  /** Takes the descriptor. */
  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** `first` is asked at each connection, because a pause puts another handle in its place. */
  open(backlog: number, first: () => AcceptHandle): void {
    if (this.#handle !== null) return;
    const handle = openDuplicate(this.#fd);
    handle.onconnection = (error: number, client: unknown) => {
      const handler = first() as unknown as { onconnection(error: number, client: unknown): void };
      handler.onconnection(error, client);
    };
    const error = original(handle, 'listen')(backlog) as number;
    if (error !== 0) {
      original(handle, 'close')();
      throw new Error(`cannot accept on a second socket: error ${error}`);
    }
    original(handle, 'unref')();
    this.#handle = handle;
  }

  /** What nobody has accepted yet stays in the socket, where another worker takes it. */
  pause(): void {
    if (this.#handle !== null) original(this.#handle, 'close')();
    this.#handle = null;
  }

  close(): void {
    this.pause();
    native().close(this.#fd);
  }
}
