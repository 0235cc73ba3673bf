/**
 * The rest of an HTTP/1.1 response whose head another process has sent: what is written is framed as that head said.
 * When it ends, the connection ends with it, or it goes back to the server for the client's next request.
 */
import type { Server, Socket } from 'node:net';
import { Writable } from 'node:stream';
import { makeIdle } from './worker/internals.js';

export interface Framing {
  readonly chunked: boolean;
  readonly last: boolean;
}

type Done = (error?: Error | null) => void;

export class ContinuedResponse extends Writable {
  readonly framing: Framing;
  readonly #socket: Socket;
  readonly #server: Server;
  #left = false;
  readonly #onClose = () => this.destroy();
  readonly #onEnd = () => this.#socket.end();

  constructor(socket: Socket, server: Server, framing: Framing) {
    super({ decodeStrings: true });
    this.framing = framing;
    this.#socket = socket;
    this.#server = server;
    socket.on('close', this.#onClose);
    // As Node does: a client that has said its last word gets no more than what is on its way.
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onClose);
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Parts it from the connection, which lives on elsewhere: no 'close' is emitted. */
  leave(): void {
    this.#left = true;
    this.destroy();
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    return event === 'close' && this.#left ? false : super.emit(event, ...args);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    // An empty chunk would be the end of the body.
    if (chunk.length === 0) {
      done();
      return;
    }
    if (!this.framing.chunked) {
      this.#socket.write(chunk, done);
      return;
    }
    this.#socket.cork();
    this.#socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    this.#socket.write(chunk);
    this.#socket.write('\r\n', 'latin1', done);
    this.#socket.uncork();
  }

  override _final(done: Done): void {
    const end = this.framing.chunked ? '0\r\n\r\n' : '';
    this.#socket.write(end, 'latin1', (error) => {
      if (error == null) this.#release();
      done(error);
    });
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#unlisten();
    // Ended halfway, like any response that is destroyed: the client must not take it for whole.
    if (!this.writableFinished && !this.#left) this.#socket.destroy();
    done(error);
  }

  #release(): void {
    this.#unlisten();
    if (this.framing.last) {
      this.#socket.end();
      return;
    }
    this.#server.emit('connection', this.#socket);
    makeIdle(this.#socket, this.#server);
  }

  #unlisten(): void {
    this.#socket.off('close', this.#onClose);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('error', this.#onClose);
  }
}
