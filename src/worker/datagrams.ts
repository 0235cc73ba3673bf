/**
 * Takes over the app's UDP sockets: where Node is about to bind one, the supervisor is asked for the socket of that
 * address, which all workers of all generations share. With several workers each datagram reaches one of them.
 *
 * Left alone is what cannot be shared: port 0, `exclusive`, `reusePort`, and what the app brings itself. A socket that is
 * bound and then connected is connected for every worker: it is the one case that is not as without us.
 */
import type dgram from 'node:dgram';
import type { ListenAddress } from '../channel/messages.js';
import { type Fd, native } from '../native.js';
import type { Channel } from './channel.js';
import { GatedSocket } from './gated-socket.js';
import { type UdpBinding, type UdpHandle, watchUdpSockets } from './internals-dgram.js';
import type { Readiness } from './readiness.js';

/** Nobody can know which datagrams ask for an answer: the last is taken for sent when none was for so long. */
const SILENCE_MS = 500;

/** What sends all the time, asked or not, is waited for no longer than this. */
const ANSWERED_MS = 5_000;

export class ManagedDatagrams {
  readonly #channel: Channel;
  readonly #readiness: Readiness;
  readonly #sockets = new Set<GatedSocket>();
  #open = false;
  #ended = false;
  #endedAt = 0;
  #lastSend = 0;

  constructor(channel: Channel, readiness: Readiness) {
    this.#channel = channel;
    this.#readiness = readiness;
    watchUdpSockets((socket, binding, handle) => this.#takeOver(socket, binding, handle));
  }

  /** The names of the listeners. */
  names(): string[] {
    return [...this.#sockets].map(({ name }) => name);
  }

  open(): void {
    if (this.#ended) return;
    this.#open = true;
    for (const socket of this.#sockets) socket.open();
  }

  pause(): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Reads no more. May be asked again. */
  end(): void {
    this.pause();
    if (this.#ended) return;
    this.#ended = true;
    this.#endedAt = performance.now();
    this.#lastSend = this.#endedAt;
    for (const socket of this.#sockets) {
      socket.watchSends(() => {
        this.#lastSend = performance.now();
      });
    }
  }

  /** Calls back when what was read before `end` is answered, as far as anybody can tell; at once where nothing is bound. */
  whenAnswered(callback: () => void): void {
    const now = performance.now();
    const until = Math.min(this.#lastSend + SILENCE_MS, this.#endedAt + ANSWERED_MS);
    if (this.#sockets.size === 0 || now >= until) callback();
    else setTimeout(() => this.whenAnswered(callback), until - now + 1);
  }

  #takeOver(socket: dgram.Socket, binding: UdpBinding, handle: UdpHandle): Fd | null {
    const listener = this.#ask({
      kind: 'udp',
      host: binding.host,
      port: binding.port,
      ipv6Only: binding.ipv6Only,
      reuseAddress: binding.reuseAddress,
    });
    if (listener === null) return null;
    // A second socket on the address of this very process: the kernel says what becomes of it.
    if ([...this.#sockets].some(({ name }) => name === listener.name)) {
      native().close(listener.fd);
      return null;
    }
    const gated = new GatedSocket(socket, handle, binding, listener.name, {
      refChanged: () => this.#keepAlive(),
      closed: () => {
        this.#sockets.delete(gated);
        this.#keepAlive();
        this.#channel.send({ type: 'unlisten', name: gated.name });
      },
    });
    this.#sockets.add(gated);
    if (this.#open) gated.open();
    this.#channel.send({ type: 'listening', name: gated.name });
    this.#readiness.bound();
    return listener.fd;
  }

  #ask(address: ListenAddress): { name: string; fd: Fd } | null {
    const answer = this.#channel.ask((id) => ({ type: 'listen', id, address, backlog: 0 }));
    if (answer === null || answer.fd === null) return null;
    if (answer.message.type === 'listener') return { name: answer.message.name, fd: answer.fd };
    native().close(answer.fd);
    return null;
  }

  #keepAlive(): void {
    this.#channel.keepAlive(
      [...this.#sockets].some((socket) => socket.holdsLoop),
      this,
    );
  }
}
