/**
 * 'batond/ws': live WebSockets of a `ws` server, version 8, keep working across a reload.
 *
 *     const wss = new WebSocketServer({ server });
 *     migratableWebSockets(wss, { save: (ws) => sessions.get(ws) });
 *     wss.on('connection', (ws, request, saved) => sessions.set(ws, saved ?? newSession(request)));
 *
 * It moves between two messages; a frame that is half there travels along, and so does what the client's compression
 * refers back to. It waits while a message is compressed, sent, or has come only in some of its fragments;
 * while a listener of 'message' that returned a promise is at work; while it is paused; while somebody holds it. What
 * has not moved when the drain nears its end is closed with 1012 (service restart), each at its own moment; TLS never
 * moves. Outside batond nothing of this happens.
 *
 * Here a WebSocket that has moved is closed and gone from `clients`, but says 'migrated' and not 'close': the client is
 * still there. What is sent on it fails like on any that is closed. There it is a new WebSocket of the same server's
 * class and options, and a 'connection' with a request that has the url and headers of the first.
 */
import { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import { appSide } from './app-side.js';
import { claimName } from './connections.js';
import { Calm } from './ws/calm.js';
import { Farewell } from './ws/farewell.js';
import type { History } from './ws/history.js';
import * as internals from './ws/internals.js';
import type { AnyWebSocket, AnyWebSocketServer } from './ws/types.js';

export interface MigratableOptions<WebSocket, Data> {
  /** Tells apart several servers of one program; the same in every version of it. By default 'ws' with the server's path. */
  readonly name?: string;
  /**
   * What the new process needs to know of it, as far as the structured clone algorithm takes it. `null` is "not now": it
   * is asked again after the next message or when what was held is released.
   */
  readonly save?: (ws: WebSocket) => Data | null;
  /**
   * Goes on with one that has come. No message is emitted before it has returned, or its promise is fulfilled. By
   * default the server emits 'connection' with the data as third argument.
   */
  readonly restore?: (ws: WebSocket, data: Data, request: IncomingMessage) => void | Promise<void>;
}

export interface MigratableWebSockets<WebSocket> {
  /** For one that the server emits no 'connection' of, after your own `handleUpgrade`. */
  add(ws: WebSocket, request: IncomingMessage): void;
  /** It stays here until the function that is returned is called: a callback that will answer is on its way. */
  hold(ws: WebSocket): () => void;
}

interface Carried {
  readonly agreed: internals.Agreed;
  readonly request: Pick<IncomingMessage, 'url' | 'headers' | 'rawHeaders'>;
  readonly data: unknown;
}

interface Member<WebSocket> {
  readonly ws: WebSocket;
  readonly request: Carried['request'];
  readonly history: History | undefined;
  /** Of the server itself, which keeps its `clients` by them. */
  readonly trackers: readonly (() => void)[];
  /** How many are at work on it. */
  holds: number;
}

export function migratableWebSockets<WebSocket extends AnyWebSocket, Data = unknown>(
  wss: AnyWebSocketServer<WebSocket>,
  options: MigratableOptions<WebSocket, Data> = {},
): MigratableWebSockets<WebSocket> {
  const { path } = wss.options as { path?: string | null };
  const name = options.name ?? `ws${path ?? ''}`;
  claimName(name);
  const side = appSide()?.kinds;
  if (side === undefined) return { add: () => {}, hold: () => () => {} };

  const members = new Map<Socket, Member<WebSocket>>();
  const known = new WeakSet<WebSocket>();
  const calm = new Calm();
  const farewell = new Farewell((ws) => {
    const socket = internals.socketOf(ws);
    return socket !== null && members.has(socket);
  });

  const add = (ws: WebSocket, request: Carried['request'], history?: Uint8Array) => {
    const socket = internals.socketOf(ws);
    if (known.has(ws) || socket == null || ws.readyState !== internals.OPEN) return;
    known.add(ws);
    // TLS has its state in this process, so that connection stays.
    const kept = internals.fits(ws) && !('encrypted' in socket) ? internals.keepHistory(ws, history) : null;
    if (kept !== null) {
      const { url, headers, rawHeaders } = request;
      const trackers = wss.clients?.has(ws) ? (ws.listeners('close').slice(0, 1) as (() => void)[]) : [];
      const member: Member<WebSocket> = {
        ws,
        request: { url, headers, rawHeaders },
        history: kept,
        trackers,
        holds: 0,
      };
      members.set(socket, member);
      ws.on('close', () => members.delete(socket));
      holdWhileListening(member, () => side.safe(socket));
      side.add(name, socket);
    }
    farewell.add(ws);
  };

  const save = (socket: Socket) => {
    const member = members.get(socket);
    if (member === undefined) return null;
    const { ws, history, request, holds } = member;
    if (ws.readyState !== internals.OPEN || ws.isPaused) return null;
    if (internals.isSending(ws)) {
      internals.whenSent(ws, () => side.safe(socket));
      return null;
    }
    const unread = internals.unreadOf(ws);
    if (holds > 0) {
      if (unread !== null) calm.keep(socket);
      return null;
    }
    const data = unread === null ? null : options.save?.(ws);
    if (data === null || unread === null || internals.isSending(ws)) return null;
    const agreed = { protocol: ws.protocol, deflate: internals.deflateParamsOf(ws), history: history?.bytes() };
    const carried: Carried = { agreed, request, data };
    return { state: carried, unread };
  };

  const left = (socket: Socket) => {
    const { ws, trackers } = members.get(socket)!;
    members.delete(socket);
    farewell.remove(ws);
    calm.end(socket);
    internals.detach(ws);
    ws.send = failToSend;
    for (const tracker of trackers) Reflect.apply(tracker, ws, []);
    process.nextTick(() => ws.emit('migrated'));
  };

  const restore = (socket: Socket, state: unknown, _server: Server) => {
    const { agreed, request: first, data } = state as Carried;
    const ws = internals.attach(wss, socket, agreed) as WebSocket | null;
    if (ws === null) {
      socket.destroy();
      return;
    }
    const request = Object.assign(new IncomingMessage(socket), { method: 'GET', httpVersion: '1.1', ...first });
    add(ws, request, agreed.history);
    if (options.restore === undefined) {
      wss.emit('connection', ws, request, data);
      return;
    }
    const restored = options.restore(ws, data as Data, request);
    if (restored instanceof Promise) waitFor(restored, ws);
  };

  side.define(name, { save, left, restore, silent: true });
  // First of all listeners: nobody has sent anything yet, or waits for anything.
  wss.prependListener('connection', (ws: WebSocket, request: IncomingMessage) => add(ws, request));
  return {
    add,
    hold: (ws) => {
      const socket = internals.socketOf(ws);
      const member = socket === null ? undefined : members.get(socket);
      return member === undefined || socket === null ? () => {} : hold(member, () => side.safe(socket));
    },
  };
}

function hold(member: Member<unknown>, released: () => void): () => void {
  member.holds++;
  let over = false;
  return () => {
    if (over) return;
    over = true;
    member.holds--;
    released();
  };
}

/**
 * Emits by itself what an event emitter would, to see what the listeners of 'message' return: one that is asynchronous
 * will most likely answer, and must find its connection. A rejection stays as unhandled as it was.
 */
function holdWhileListening(member: Member<AnyWebSocket>, changed: () => void): void {
  const { ws } = member;
  const emit = ws.emit.bind(ws);
  ws.emit = (event: unknown, ...args: unknown[]): boolean => {
    if (event !== 'message') {
      const heard = emit(event, ...args);
      if (event === 'pong' || event === 'ping') changed();
      return heard;
    }
    const listeners = ws.rawListeners('message');
    for (const listener of listeners) {
      const result: unknown = Reflect.apply(listener, ws, args);
      if (!(result instanceof Promise)) continue;
      const release = hold(member, changed);
      result.then(release, (error) => {
        release();
        throw error;
      });
    }
    changed();
    return listeners.length > 0;
  };
}

/** In place of `send` on a WebSocket that has moved: the callback hears of it, and without one the log does, once. */
function failToSend(...args: unknown[]): void {
  const callback = args.find((argument) => typeof argument === 'function') as ((error: Error) => void) | undefined;
  const error = Object.assign(new Error('the WebSocket has moved to another process'), { code: 'BATOND_MIGRATED' });
  if (callback !== undefined) process.nextTick(callback, error);
  else if (!warned) {
    warned = true;
    process.emitWarning('a message was sent on a WebSocket that has moved to another process, and is lost: hold() it', {
      code: 'BATOND_MIGRATED',
    });
  }
}

let warned = false;

async function waitFor(restored: Promise<void>, ws: AnyWebSocket): Promise<void> {
  ws.pause();
  try {
    await restored;
    ws.resume();
  } catch (error) {
    ws.close(1012, 'service restart');
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}
