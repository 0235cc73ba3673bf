/**
 * What can move to another process beside idle HTTP/1 connections: the kinds that the app, or a library for it, has
 * defined, and which connection is of which kind. The mover knows them as `Kinds`, the app as `KindsSide`.
 *
 * `save` is one synchronous stretch with what the mover does around it: the descriptor is duplicated and the old socket
 * destroyed before anything can be read. So a connection is saved only when nothing waits to be written, and what was
 * read and not yet used travels along.
 */
import type net from 'node:net';
import { deserialize, serialize } from 'node:v8';
import { MAX_SAVED_BYTES } from '../channel/peer-messages.js';
import { holdsHalfCharacter } from './internals.js';
import type { Kinds, Migratable } from './kinds.js';
import type { Saved } from './offer-packet.js';

/** What a kind's `save` gives: both parts reach `restore` in the other process, the bytes through the socket. */
export interface Handover {
  /** Anything that the structured clone algorithm takes. */
  readonly state?: unknown;
  /** Bytes that were read from the socket and not used: the other process reads them first. */
  readonly unread?: Uint8Array | undefined;
}

export interface KindHandlers {
  /** `null`: not now. Changes nothing, because the connection may have to stay after all. */
  save(socket: net.Socket): Handover | null;
  /** The connection is about to leave: the socket is destroyed before anything else can happen. */
  left?(socket: net.Socket): void;
  /** A connection of this kind has come; reading has not begun. */
  restore(socket: net.Socket, state: unknown, server: net.Server): void;
  /** The app's own listeners do not hear the 'close' of a socket that has left. */
  readonly silent?: boolean;
}

/** What the library finds on `globalThis`: another version of this package may be on the other side of it. */
export interface KindsSide {
  define(name: string, handlers: KindHandlers): void;
  add(name: string, socket: net.Socket): void;
  remove(socket: net.Socket): void;
  /** It may be worthwhile to ask `save` again. */
  safe(socket: net.Socket): void;
}

/** Listeners of our own, which hear a 'close' that the app's do not. */
export const bookkeeping = new WeakSet<object>();

const NOTHING = new Uint8Array();

export class MigratableKinds implements Kinds, KindsSide {
  readonly #onSafe: () => void;
  readonly #kinds = new Map<string, KindHandlers>();
  readonly #members = new WeakMap<net.Socket, string>();
  /** Sockets whose last write will ask for another look. */
  readonly #flushing = new WeakSet<net.Socket>();
  readonly #warned = new Set<string>();

  /** `onSafe`: a connection that could not be saved perhaps can be now. */
  constructor(onSafe: () => void) {
    this.#onSafe = onSafe;
  }

  define(name: string, handlers: KindHandlers): void {
    this.#kinds.set(name, handlers);
  }

  add(name: string, socket: net.Socket): void {
    this.#members.set(socket, name);
    this.#onSafe();
  }

  remove(socket: net.Socket): void {
    this.#members.delete(socket);
  }

  safe(socket: net.Socket): void {
    if (this.#members.has(socket)) this.#onSafe();
  }

  knows(kind: string): boolean {
    return this.#kinds.has(kind);
  }

  of(socket: net.Socket): Migratable | null {
    const kind = this.#members.get(socket);
    const handlers = kind === undefined ? undefined : this.#kinds.get(kind);
    if (kind === undefined || handlers === undefined) return null;
    return { kind, save: () => this.#save(kind, handlers, socket) };
  }

  restore(kind: string, socket: net.Socket, server: net.Server, { state, unread }: Saved): void {
    try {
      if (unread !== undefined && unread.length > 0) socket.unshift(unread);
      this.#members.set(socket, kind);
      const value = state === undefined || state.length === 0 ? undefined : deserialize(state);
      this.#kinds.get(kind)!.restore(socket, value, server);
    } catch (error) {
      // One connection is lost by it, not the process with all the others.
      this.#warn(kind, 'restore', error);
      socket.destroy();
    }
  }

  #save(kind: string, handlers: KindHandlers, socket: net.Socket): Saved | null {
    if (!socket.readable || !socket.writable || socket.connecting || holdsHalfCharacter(socket)) return null;
    if (socket.writableLength > 0) {
      this.#lookWhenWritten(socket);
      return null;
    }
    try {
      const handover = handlers.save(socket);
      // An app may well say its last word in `save`.
      if (handover === null || socket.destroyed || socket.writableLength > 0) return null;
      const state = handover.state === undefined ? undefined : serialize(handover.state);
      if (socket.readableLength > 0 && socket.readableEncoding !== null) return null;
      const size = (state?.length ?? 0) + (handover.unread?.length ?? 0) + socket.readableLength;
      if (size > MAX_SAVED_BYTES) {
        throw new RangeError(`${size} bytes are too much for one connection (${MAX_SAVED_BYTES})`);
      }
      this.#members.delete(socket);
      const unread = Buffer.concat([handover.unread ?? NOTHING, takeBuffered(socket)]);
      if (handlers.silent === true) silence(socket);
      handlers.left?.(socket);
      return { state, unread: unread.length === 0 ? undefined : unread };
    } catch (error) {
      this.#warn(kind, 'save', error);
      return null;
    }
  }

  /** An empty write is over when all before it are, and sends nothing. */
  #lookWhenWritten(socket: net.Socket): void {
    if (this.#flushing.has(socket)) return;
    this.#flushing.add(socket);
    socket.write('', () => {
      this.#flushing.delete(socket);
      this.safe(socket);
    });
  }

  /** Once a kind and act: the app would be told the same of every connection. */
  #warn(kind: string, act: 'save' | 'restore', error: unknown): void {
    if (this.#warned.has(kind + act)) return;
    this.#warned.add(kind + act);
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.emitWarning(`${act} of a connection of kind "${kind}" failed: ${reason}`, { code: 'BATOND_KIND' });
  }
}

/** What the stream itself holds, being paused. It would emit as 'data' what is read, which nobody must hear any more. */
function takeBuffered(socket: net.Socket): Uint8Array {
  if (socket.readableLength === 0) return NOTHING;
  socket.removeAllListeners('data');
  return (socket.read() as Buffer | null) ?? NOTHING;
}

function silence(socket: net.Socket): void {
  for (const listener of socket.rawListeners('close')) {
    const { listener: wrapped } = listener as { listener?: object };
    if (!bookkeeping.has(wrapped ?? listener)) socket.removeListener('close', listener as () => void);
  }
}
