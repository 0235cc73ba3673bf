/**
 * Whoever waits for the verdict of a reload: one connection with a stream of JSON lines, which can change hands.
 *
 * The head is sent when the reload has been admitted; from then on the connection is nothing but lines, so the next
 * supervisor needs only the descriptor.
 */
import type { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { type Credentials, type Fd, native } from '../native.js';
import type { ReloadLine } from './messages.js';

/** What waits here for a client that does not read. A whole reload is a few kilobytes. */
const MAX_UNREAD_BYTES = 256 * 1024;

export class ReloadClient {
  /** Who asks. */
  readonly peer: Credentials;
  readonly #socket: Socket;
  readonly #begin: () => void;
  #onGone: (() => void) | null = null;
  #begun = false;
  #over = false;

  private constructor(socket: Socket, peer: Credentials, begin: () => void) {
    this.peer = peer;
    this.#socket = socket;
    this.#begin = begin;
    // A client never sends more than its request: the end of the stream is its going away.
    socket.on('error', () => {});
    socket.on('end', () => this.#gone());
    socket.on('close', () => this.#gone());
  }

  static answering(response: ServerResponse, socket: Socket, peer: Credentials): ReloadClient {
    return new ReloadClient(socket, peer, () => {
      response.useChunkedEncodingByDefault = false;
      response.writeHead(200, { 'content-type': 'application/x-ndjson', connection: 'close' });
      response.flushHeaders();
    });
  }

  /** Goes on with a connection that another supervisor has begun to answer. */
  static adopt(fd: Fd): ReloadClient {
    const peer = native().peerCredentials(fd);
    const client = new ReloadClient(new Socket({ fd, readable: true, writable: true }), peer, () => {});
    client.#begun = true;
    client.#socket.resume();
    return client;
  }

  /** Called once when the client goes away before the verdict; at once where it has gone already. */
  set onGone(callback: (() => void) | null) {
    this.#onGone = callback;
    if (callback !== null && this.#socket.destroyed && !this.#over) callback();
  }

  /** The connection's descriptor, lent, for the next supervisor; null where the client has gone. */
  get fd(): Fd | null {
    const handle = (this.#socket as unknown as { _handle: { fd: number } | null })._handle;
    return handle === null || handle.fd < 0 ? null : handle.fd;
  }

  /** `isLast` ends the stream after it. */
  line(line: ReloadLine, isLast = line.event === 'verdict'): void {
    if (!this.#begun) this.#begin();
    this.#begun = true;
    if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify(line)}\n`);
    // Beyond what the kernel's buffer holds: it does not read, and must not make this process grow.
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#socket.destroy();
    if (isLast) {
      this.#over = true;
      this.#socket.end();
    }
  }

  #gone(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onGone?.();
  }
}
