/**
 * Responses that go on for long, server-sent events for one: the head was sent here, the rest of the body comes from the
 * next generation over the same connection. The safe point is between two writes, when nothing waits.
 */
import type { ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { appSide } from './app-side.js';
import { claimName, type Kind } from './connections.js';
import { ContinuedResponse, type Framing } from './continued-response.js';
import { framingOf, isBetweenChunks, part } from './worker/response-internals.js';

export interface ResponsesDefinition<State> {
  /** What the new process needs to go on, in `state`; `null` is "not now", see `Kind.safe`. */
  save(response: ServerResponse | Writable): { readonly state?: State } | null;
  /**
   * Goes on with the response: writing, `end()` and 'close' are as with the first. A body of a known length is the
   * app's to count.
   */
  restore(response: Writable, state: State, server: Server): void;
}

interface Carried {
  readonly framing: Framing;
  readonly state: unknown;
}

/**
 * Defines a kind of HTTP/1.1 responses. Add one when its head has been sent, and write to the response itself: what a
 * compressing middleware holds cannot move. One that has left emits 'migrated' here and no 'close'; what is
 * written to it later goes nowhere, and the callback of the write has the error.
 */
export function responses<State = undefined>(
  name: string,
  definition: ResponsesDefinition<State>,
): Kind<ServerResponse | Writable> {
  claimName(name);
  const side = appSide()?.kinds;
  const bySocket = new WeakMap<Socket, ServerResponse | ContinuedResponse>();
  const follow = (socket: Socket, response: ServerResponse | ContinuedResponse) => {
    bySocket.set(socket, response);
    response.once('finish', () => {
      if (bySocket.get(socket) !== response) return;
      bySocket.delete(socket);
      side?.remove(socket);
    });
  };
  side?.define(name, {
    save: (socket) => {
      const response = bySocket.get(socket);
      const framing = response === undefined ? null : safeFraming(response, socket);
      const saved = framing === null ? null : definition.save(response!);
      if (framing === null || saved === null || safeFraming(response!, socket) === null) return null;
      const carried: Carried = { framing, state: saved.state };
      return { state: carried };
    },
    left: (socket) => {
      const response = bySocket.get(socket)!;
      bySocket.delete(socket);
      if (response instanceof ContinuedResponse) response.leave();
      else part(response, socket);
      process.nextTick(() => response.emit('migrated'));
    },
    restore: (socket, carried, server) => {
      const { framing, state } = carried as Carried;
      const response = new ContinuedResponse(socket, server, framing);
      follow(socket, response);
      definition.restore(response, state as State, server);
    },
  });
  const socketOf = (response: ServerResponse | Writable) => (response as { socket?: Socket | null }).socket ?? null;
  const withSocket = (response: ServerResponse | Writable, act: (socket: Socket) => void) => {
    const socket = socketOf(response);
    if (side !== undefined && socket !== null) act(socket);
  };
  return {
    add: (response) =>
      withSocket(response, (socket) => {
        if (bySocket.get(socket) !== response) follow(socket, response as ServerResponse | ContinuedResponse);
        side?.add(name, socket);
      }),
    remove: (response) => withSocket(response, (socket) => side?.remove(socket)),
    safe: (response) => withSocket(response, (socket) => side?.safe(socket)),
  };
}

/** `null` where the response is in the middle of something. */
function safeFraming(response: ServerResponse | ContinuedResponse, socket: Socket): Framing | null {
  if (response instanceof ContinuedResponse) {
    return response.writable && response.writableLength === 0 ? response.framing : null;
  }
  return isBetweenChunks(response, socket) ? framingOf(response) : null;
}
