/**
 * One managed server of the app and its gate: the app believes that it listens from the start; connections are accepted
 * only while it is open.
 *
 *   closed gate --open--> open --pause--> closed gate         --end--> accepts never again, still has its address
 *
 * Where the listener has a second socket, for a share of its connections, `open` says on which of the two it accepts.
 *
 * A descriptor of the listener is kept beside the accept handle, so that a pause can close the one and `open` make the
 * next from the other. A gated handle does not keep the event loop alive although the app's listening server would, so
 * the channel does it in its place.
 */
import type net from 'node:net';
import type { Accepts } from '../channel/messages.js';
import { type Fd, native } from '../native.js';
import {
  type AcceptHandle,
  type ClientHandle,
  emptyHandle,
  giveConnection,
  interceptConnections,
  openDuplicate,
  original,
  passConnection,
  replaceHandle,
  shadow,
} from './internals.js';
import { SecondSocket } from './second-socket.js';

export interface GateEvents {
  /** The app closed the server: once, in whatever state. */
  closed(): void;
  /** Perhaps `holdsLoop` has changed. */
  refChanged(): void;
}

export class GatedServer {
  readonly server: net.Server;
  readonly name: string;
  readonly #events: GateEvents;
  /** Our own descriptor of the listener; `null` once it will not be needed again. */
  #fd: Fd | null;
  #handle: AcceptHandle;
  #restore: () => void = () => {};
  #backlog = 511;
  #open = false;
  /** What was said last; null while it is paused. */
  #accepts: Accepts | null = null;
  #second: SecondSocket | null = null;
  #divert: ((client: ClientHandle) => boolean) | null = null;
  #endIntercept: () => void = () => {};
  #closed = false;

  /** Takes the descriptor. Throws, and closes it, where it cannot be made an accept handle of. */
  constructor(server: net.Server, name: string, fd: Fd, events: GateEvents) {
    this.server = server;
    this.name = name;
    this.#fd = fd;
    this.#events = events;
    try {
      this.#handle = openDuplicate(fd);
    } catch (error) {
      native().close(fd);
      throw error;
    }
    this.#guard();
  }

  get handle(): AcceptHandle {
    return this.#handle;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Whether an accept handle in our handle's place would keep the process alive although this one does not. */
  get holdsLoop(): boolean {
    return !this.#open && !this.#closed && this.#handle.hasRef();
  }

  /** From here on connections are accepted, on these sockets alone. What waits in the others stays there. */
  open(on: Accepts): void {
    if (this.#closed || this.#fd === null) return;
    this.#accepts = on;
    if (on === 'canary') this.#close();
    else this.#openFirst();
    this.#openSecond();
  }

  /** Connections that nobody has accepted yet stay with the listener, where another worker takes them. */
  pause(): void {
    this.#accepts = null;
    this.#second?.pause();
    this.#close();
  }

  /** Takes the descriptor: the listener's second socket. One that is there already is the same. */
  takeCanary(fd: Fd): void {
    if (this.#closed || this.#fd === null || this.#second !== null) {
      native().close(fd);
      return;
    }
    this.#second = new SecondSocket(fd);
    this.#openSecond();
  }

  /** Pauses for good, without keeping the listener: a port that everyone else has given up must not stay bound here. */
  end(): void {
    if (this.#closed || this.#fd === null) return;
    this.#swap(emptyHandle(this.#handle));
    this.#giveUpFds();
  }

  /** Gives the server a connection that another process accepted, whether the gate is open or not. Takes the descriptor. */
  give(fd: Fd, announced: boolean): net.Socket | null {
    return this.#undiverted(() => giveConnection(this.server, this.#handle, fd, announced));
  }

  /** An HTTP/1 server without TLS. */
  get speaksHttp(): boolean {
    return 'closeIdleConnections' in this.server && !('setSecureContext' in this.server);
  }

  /** Shows each connection to `take` first, which may keep it; null ends that. */
  divert(take: ((client: ClientHandle) => boolean) | null): void {
    this.#divert = take;
    this.#intercept();
  }

  /** What was taken by a diversion, and is the server's after all. */
  accept(client: ClientHandle): void {
    this.#undiverted(() => passConnection(this.#handle, client));
  }

  /** Where Node did not adopt the handle after all. */
  discard(): void {
    this.#closed = true;
    original(this.#handle, 'close')();
    this.#giveUpFds();
  }

  #openFirst(): void {
    if (this.#open) return;
    const error = original(this.#handle, 'listen')(this.#backlog) as number;
    if (error !== 0) throw new Error(`cannot accept on ${this.name}: error ${error}`);
    this.#open = true;
    this.#events.refChanged();
  }

  #close(): void {
    if (this.#open && !this.#closed && this.#fd !== null) this.#swap(openDuplicate(this.#fd));
  }

  #openSecond(): void {
    if (this.#accepts === null || this.#accepts === 'main') this.#second?.pause();
    else this.#second?.open(this.#backlog, () => this.#handle);
  }

  #intercept(): void {
    this.#endIntercept();
    this.#endIntercept = this.#divert === null ? () => {} : interceptConnections(this.#handle, this.#divert);
  }

  #undiverted<T>(deliver: () => T): T {
    this.#endIntercept();
    try {
      return deliver();
    } finally {
      this.#intercept();
    }
  }

  #swap(next: AcceptHandle): void {
    const old = this.#handle;
    this.#endIntercept();
    this.#restore();
    replaceHandle(this.server, old, next);
    original(old, 'close')();
    this.#handle = next;
    this.#open = false;
    this.#intercept();
    this.#guard();
    this.#events.refChanged();
  }

  /** Shadows what Node calls on the handle, as far as it must not happen yet or has to be known. */
  #guard(): void {
    const handle = this.#handle;
    this.#restore = shadow(handle, {
      listen: (backlog) => {
        this.#backlog = backlog;
        return 0;
      },
      close: (callback) => {
        original(handle, 'close')(callback);
        this.#onClose();
      },
      ref: () => {
        original(handle, 'ref')();
        this.#events.refChanged();
      },
      unref: () => {
        original(handle, 'unref')();
        this.#events.refChanged();
      },
    });
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#giveUpFds();
    this.#events.refChanged();
    this.#events.closed();
  }

  #giveUpFds(): void {
    this.#second?.close();
    this.#second = null;
    if (this.#fd !== null) native().close(this.#fd);
    this.#fd = null;
  }
}
