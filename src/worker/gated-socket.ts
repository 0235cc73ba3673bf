/**
 * One managed UDP socket of the app and its gate: bound from the start, and read only while it is open. What comes
 * meanwhile waits in the one socket that all workers share, where whoever reads next finds it; sending is always possible,
 * so a worker that reads no more answers what it has read.
 */
import type dgram from 'node:dgram';
import { bindAlone, type UdpBinding, type UdpHandle } from './internals-dgram.js';

export interface SocketEvents {
  /** The app closed the socket, or it is shared no more: once. */
  closed(): void;
  /** Perhaps `holdsLoop` has changed. */
  refChanged(): void;
}

/** EADDRINUSE, as the handle returns it. */
const IN_USE = -98;

export class GatedSocket {
  readonly name: string;
  readonly #socket: dgram.Socket;
  readonly #handle: UdpHandle;
  readonly #binding: UdpBinding;
  readonly #events: SocketEvents;
  /** Whether the app wants to read: Node says so after it has bound. */
  #wanted = false;
  #open = false;
  #closed = false;

  constructor(socket: dgram.Socket, handle: UdpHandle, binding: UdpBinding, name: string, events: SocketEvents) {
    this.#socket = socket;
    this.#handle = handle;
    this.#binding = binding;
    this.name = name;
    this.#events = events;
    this.#guard();
  }

  /** Whether a handle that reads would keep the process alive although this one does not. */
  get holdsLoop(): boolean {
    return this.#wanted && !this.#open && !this.#closed && this.#handle.hasRef();
  }

  open(): void {
    if (this.#open || this.#closed) return;
    this.#open = true;
    if (this.#wanted) this.#original('recvStart');
    this.#events.refChanged();
  }

  /** libuv reads a datagram and delivers it in one go: none is ever taken from the kernel and not given to the app. */
  pause(): void {
    if (!this.#open || this.#closed) return;
    this.#open = false;
    this.#original('recvStop');
    this.#events.refChanged();
  }

  /** From here on `sent` is called with each datagram that the app sends. */
  watchSends(sent: () => void): void {
    if (this.#closed) return;
    const send = this.#handle.send;
    this.#handle.send = (...args) => {
      sent();
      return send.apply(this.#handle, args);
    };
  }

  #guard(): void {
    const handle = this.#handle;
    Object.assign(handle, {
      recvStart: () => {
        this.#wanted = true;
        this.#events.refChanged();
        return this.#open ? (this.#original('recvStart') as number) : 0;
      },
      recvStop: () => {
        this.#wanted = false;
        this.#events.refChanged();
        return this.#original('recvStop') as number;
      },
      close: (callback?: () => void) => {
        this.#original('close', callback);
        this.#release();
      },
      ref: () => {
        this.#original('ref');
        this.#events.refChanged();
      },
      unref: () => {
        this.#original('unref');
        this.#events.refChanged();
      },
      addMembership: (...args: unknown[]) => this.#join('addMembership', args),
      addSourceSpecificMembership: (...args: unknown[]) => this.#join('addSourceSpecificMembership', args),
    } satisfies Partial<UdpHandle>);
  }

  /**
   * Groups are joined by a socket, not by a process: on a shared one the second generation would be told EADDRINUSE, and
   * every datagram would reach one worker where each expects a copy. Who joins a group has said with `reuseAddr` that the
   * port is everybody's, so it gets a socket of its own, as without us. Without `reuseAddr` there can be one only: there
   * having joined already is as good as joining.
   */
  #join(name: 'addMembership' | 'addSourceSpecificMembership', args: unknown[]): number {
    if (this.#binding.reuseAddress && !this.#closed) {
      const alone = bindAlone(this.#socket, this.#handle, this.#binding, this.#wanted);
      if (typeof alone !== 'number') {
        this.#original('close');
        this.#release();
        return alone[name](...args);
      }
    }
    const error = this.#original(name, ...args) as number;
    return error === IN_USE ? 0 : error;
  }

  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.refChanged();
    this.#events.closed();
  }

  /** The method of the handle's class, past a shadow. */
  #original(name: keyof UdpHandle, ...args: unknown[]): unknown {
    const method = Object.getPrototypeOf(this.#handle)[name] as (...args: unknown[]) => unknown;
    return method.apply(this.#handle, args);
  }
}
