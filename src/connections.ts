/**
 * What an app says about connections that are more than HTTP requests, so that a reload hands them to the next
 * generation, open: raw TCP and upgraded sockets (`kind`), and responses that go on for long (`responses`).
 *
 * Both processes define the kind at their start. Old: `save` gives what the other needs. New: `restore` goes on with it.
 * Outside batond, or under one that cannot move connections, all of it does nothing and nothing is kept.
 */
import type { Server, Socket } from 'node:net';
import { appSide } from './app-side.js';

export interface Handover<State> {
  /** Anything that the structured clone algorithm takes: no functions, no sockets. */
  readonly state?: State;
  /** Bytes that you have read and not used, half a line say: the other process reads them before anything else. */
  readonly unread?: Uint8Array;
}

export interface KindDefinition<State> {
  /**
   * Called when the connection may leave, and perhaps again later. `null` is "not now", while an answer is being
   * prepared for instance: call `safe(socket)` when it is better. Nothing is asked while writes are waiting.
   */
  save(socket: Socket): Handover<State> | null;
  /** A connection has come from another process. What it sent meanwhile is in the socket: listen for 'data' as usual. */
  restore(socket: Socket, state: State, server: Server): void;
}

/** The connections of one kind. */
export interface Kind<Connection> {
  /** From here on the connection may leave; one that came by `restore` is in already. */
  add(connection: Connection): void;
  /** The connection stays here to its end. */
  remove(connection: Connection): void;
  /** Asks again about a connection for which `save` said "not now". */
  safe(connection: Connection): void;
}

const names = new Set<string>();

/** A name stands for one kind of connection of a program, whatever its version: the other process knows it by that. */
export function claimName(name: string): void {
  if (typeof name !== 'string' || name === '' || name === 'http') {
    throw new TypeError(`a kind of connection needs a name, not ${JSON.stringify(name)}`);
  }
  if (names.has(name)) throw new TypeError(`the kind of connection "${name}" has been defined already`);
  names.add(name);
}

/**
 * Defines a kind of sockets: of a `net` server, or upgraded ones. When one has left, it is destroyed here and emits
 * 'migrated' in place of 'close': stop its timers there, and write no more.
 */
export function kind<State = undefined>(name: string, definition: KindDefinition<State>): Kind<Socket> {
  claimName(name);
  const side = appSide()?.kinds;
  side?.define(name, {
    silent: true,
    save: (socket) => definition.save(socket),
    left: (socket) => {
      // After the move, so that a listener that throws or writes cannot disturb it.
      process.nextTick(() => socket.emit('migrated'));
    },
    restore: (socket, state, server) => definition.restore(socket, state as State, server),
  });
  return {
    add: (socket) => side?.add(name, socket),
    remove: (socket) => side?.remove(socket),
    safe: (socket) => side?.safe(socket),
  };
}
