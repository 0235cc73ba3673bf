/**
 * Everything here that is not Node's public API, in one place and tested on every Node version we support.
 *
 * What is built on, and why it may be (the same in 20, 22, 24 and 26):
 * - `server._listen2(address, port, addressType, backlog, fd, flags)` is where `listen` binds, after all validation and
 *   name resolution. Node keeps that name for those who wrap it, and says so in its source. Where `server._handle` is
 *   set already it adopts that handle instead of binding: this is how its own cluster workers listen.
 * - `net._createServerHandle(null, null, null, fd)` makes an accept handle of a descriptor, bound and not listening, as
 *   node:cluster does for its shared handles. An accept handle accepts from its `listen()` on, so holding back this one
 *   call is the whole gate, and `address()`, `ref()` and passing the server to a child process work on the real thing.
 *   (A plain object in its place crashes Node when a server is sent to a child.)
 * - libuv cannot stop listening, so a pause closes the handle and puts a new one in its place. uv__server_io accepts
 *   one connection and hands it over at once: none is ever accepted and not delivered when JS runs.
 */
import net from 'node:net';
import { type Fd, native } from '../native.js';

/** libuv's UV_TCP_IPV6ONLY and UV_TCP_REUSEPORT, as `flags` carries them. */
const IPV6_ONLY = 1;
const REUSE_PORT = 2;

/** `SocketType.SERVER` of Node's TCP and Pipe wraps: how the handle is named in traces. */
const SERVER_HANDLE = 1;

export interface AcceptHandle {
  listen(backlog: number): number;
  close(callback?: () => void): void;
  ref(): void;
  unref(): void;
  hasRef(): boolean;
  /** TCP only; the address of a Unix socket is the path that the server remembers. */
  getsockname?(out: SocketName): number;
  onconnection?: unknown;
}

/** A connection as the accept handle hands it over, before it is read. */
export interface ClientHandle {
  readonly fd?: Fd;
  close(): void;
}

type OnConnection = (this: AcceptHandle, error: number, client: ClientHandle | undefined) => void;

/**
 * Shows each new connection to `take` first, for as long as the returned function has not been called. What it does not
 * take goes on as always.
 */
export function interceptConnections(handle: AcceptHandle, take: (client: ClientHandle) => boolean): () => void {
  const onward = handle.onconnection as OnConnection;
  const intercepted: OnConnection = (error, client) => {
    if (error !== 0 || client === undefined || !take(client)) onward.call(handle, error, client);
  };
  handle.onconnection = intercepted;
  return () => {
    if (handle.onconnection === intercepted) handle.onconnection = onward;
  };
}

/** What the accept handle does with a new connection. */
export function passConnection(handle: AcceptHandle, client: ClientHandle): void {
  (handle.onconnection as OnConnection).call(handle, 0, client);
}

export interface SocketName {
  address?: string;
  family?: string;
  port?: number;
}

/** What Node is about to bind. */
export type Binding =
  | { readonly kind: 'tcp'; host: string | null; port: number; ipv6Only: boolean; reusePort: boolean; backlog: number }
  | { readonly kind: 'unix'; path: string; backlog: number };

type Listen2 = (
  this: net.Server,
  address: string | null,
  port: number | null,
  addressType: number | null,
  backlog: number | undefined,
  fd: number | undefined,
  flags: number | undefined,
) => void;

interface ServerInside {
  _handle: AcceptHandle | null;
  _listen2: Listen2;
}

interface NetInside {
  _createServerHandle(address: null, port: null, addressType: null, fd: Fd): AcceptHandle | number;
}

const inside = (server: net.Server): ServerInside => server as unknown as ServerInside;

/**
 * Calls `offer` once, when the server's `listen` that has just begun comes to bind. A handle that it returns is adopted;
 * for `null` Node binds by itself. Not called where the app brought its own handle or descriptor.
 * `adopted` follows when Node has listened on the handle.
 */
export function whenBinding(
  server: net.Server,
  offer: (binding: Binding) => AcceptHandle | null,
  adopted: (handle: AcceptHandle | null) => void,
): void {
  const listen2: Listen2 = (address, port, addressType, backlog, fd, flags) => {
    Reflect.deleteProperty(server, '_listen2');
    let handle: AcceptHandle | null = null;
    if (typeof fd !== 'number' && inside(server)._handle === null) {
      handle = offer(bindingOf(address, port, addressType, backlog, flags));
    }
    if (handle !== null) inside(server)._handle = handle;
    const bound = handle === null ? { address, addressType } : boundTo(address, addressType, handle);
    inside(server)._listen2.call(server, bound.address, port, bound.addressType, backlog, fd, flags);
    adopted(handle !== null && inside(server)._handle === handle ? handle : null);
  };
  Object.defineProperty(server, '_listen2', { value: listen2, configurable: true, writable: true, enumerable: false });
}

function bindingOf(
  address: string | null,
  port: number | null,
  addressType: number | null,
  backlog: number | undefined,
  flags: number | undefined,
): Binding {
  // The same number that Node passes to listen(2), which the kernel rounds up to 512.
  const size = backlog || 511;
  if (addressType === -1) return { kind: 'unix', path: address ?? '', backlog: size };
  const bits = flags ?? 0;
  return {
    kind: 'tcp',
    host: address || null,
    port: port ?? 0,
    ipv6Only: (bits & IPV6_ONLY) !== 0,
    reusePort: (bits & REUSE_PORT) !== 0,
    backlog: size,
  };
}

/** Node makes the server's `_connectionKey` of these two, and would have found out the wildcard by binding it. */
function boundTo(address: string | null, addressType: number | null, handle: AcceptHandle) {
  if (address) return { address, addressType };
  const name: SocketName = {};
  handle.getsockname?.(name);
  return { address: name.address ?? null, addressType: name.family === 'IPv4' ? 4 : 6 };
}

/** An accept handle that owns the descriptor and does not accept yet. Throws where the descriptor is no socket. */
export function openHandle(fd: Fd): AcceptHandle {
  const handle = (net as unknown as NetInside)._createServerHandle(null, null, null, fd);
  if (typeof handle === 'number') throw new Error(`cannot adopt descriptor ${fd}: error ${handle}`);
  return handle;
}

/** The same of a duplicate: the descriptor stays the caller's. */
export function openDuplicate(fd: Fd): AcceptHandle {
  const duplicate = native().dup(fd);
  try {
    return openHandle(duplicate);
  } catch (error) {
    native().close(duplicate);
    throw error;
  }
}

/** A handle of the same kind without a descriptor, for a server that will never accept again but still has an address. */
export function emptyHandle(like: AcceptHandle): AcceptHandle {
  const name: SocketName = {};
  const hasName = like.getsockname?.(name) === 0;
  const handle = new (like.constructor as new (type: number) => AcceptHandle)(SERVER_HANDLE);
  if (hasName) {
    handle.getsockname = (out) => {
      Object.assign(out, name);
      return 0;
    };
  }
  return handle;
}

/** Shadows methods of one handle, for as long as `restore` has not been called. */
export function shadow(handle: AcceptHandle, methods: Partial<AcceptHandle>): () => void {
  Object.assign(handle, methods);
  return () => {
    for (const name of Object.keys(methods)) Reflect.deleteProperty(handle, name);
  };
}

/** The method of the handle's class, past a shadow. */
export function original<K extends 'listen' | 'close' | 'ref' | 'unref'>(handle: AcceptHandle, name: K) {
  const method = (Object.getPrototypeOf(handle) as AcceptHandle)[name] as (...args: unknown[]) => unknown;
  return (...args: unknown[]) => method.apply(handle, args);
}

/**
 * Puts `next` in the place of `old`, with its owner, its listener and whether it keeps the loop alive. A primary of
 * node:cluster has taken the handle off its server and holds it by itself: for such a holder `old` goes on as a front.
 */
export function replaceHandle(server: net.Server, old: AcceptHandle, next: AcceptHandle): void {
  for (const symbol of Object.getOwnPropertySymbols(old)) Reflect.set(next, symbol, Reflect.get(old, symbol));
  if (!old.hasRef()) original(next, 'unref')();
  if (inside(server)._handle === old) {
    next.onconnection = old.onconnection;
    inside(server)._handle = next;
    return;
  }
  next.onconnection = (error: number, client: unknown) =>
    (old as unknown as { onconnection(error: number, client: unknown): void }).onconnection(error, client);
  Object.assign(old, {
    close: (callback?: () => void) => next.close(callback),
    ref: () => next.ref(),
    unref: () => next.unref(),
    hasRef: () => next.hasRef(),
    ...(next.getsockname && { getsockname: (out: SocketName) => next.getsockname!(out) }),
  });
}

/** The descriptor of a connection; -1 once it is closed. */
export function descriptorOf(socket: net.Socket): Fd {
  return (socket as unknown as { _handle: { fd?: number } | null })._handle?.fd ?? -1;
}

/** Whether bytes wait in libuv for the socket to take them, those of an HTTP/2 session included. */
export function hasUnwritten(socket: net.Socket): boolean {
  return ((socket as unknown as { _handle: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 1) > 0;
}

/** The server that accepted a connection, as Node notes it on the socket. */
export function acceptedBy(socket: net.Socket): net.Server | null {
  return (socket as unknown as { server?: net.Server | null }).server ?? null;
}

/** `SocketType.SOCKET` of Node's TCP and Pipe wraps. */
const CONNECTION_HANDLE = 0;

interface ConnectionHandle {
  open(fd: Fd): number;
  close(): void;
  readonly writeQueueSize?: number;
}

interface SocketInside {
  readonly _handle: ConnectionHandle | null;
  readonly _server?: net.Server | null;
  readonly encrypted?: boolean;
  /** Of a TLS socket: the one that carries it. */
  readonly _parent?: net.Socket | null;
  parser?: Parser | null;
}

interface Parser {
  incoming: unknown;
  onIncoming: ((...args: unknown[]) => unknown) | null;
  execute(data: Buffer): unknown;
}

const within = (socket: net.Socket): SocketInside => socket as unknown as SocketInside;

/**
 * Gives a connection to the server as if it had just been accepted, by calling what the accept handle calls; owns the
 * descriptor from here on. A closed server takes it too, as one that was accepted a moment before. `null` where the
 * app's server does not want it (`blockList`), or where it is no connection of this kind. Over `maxConnections` it is
 * taken: it has been taken once already. Unless it is `announced` there is no 'connection' event: it is only counted,
 * and belongs to who asked for it.
 */
export function giveConnection(
  server: net.Server,
  accepting: AcceptHandle,
  fd: Fd,
  announced: boolean,
): net.Socket | null {
  const handle = new (accepting.constructor as new (type: number) => ConnectionHandle)(CONNECTION_HANDLE);
  if (handle.open(fd) !== 0) {
    native().close(fd);
    return null;
  }
  const { maxConnections } = server;
  const full = isFull(server, 0);
  if (full) server.maxConnections = Number.POSITIVE_INFINITY;
  const hidden = announced ? null : hideConnection(server);
  try {
    (accepting as unknown as { onconnection(error: number, handle: ConnectionHandle): void }).onconnection(0, handle);
  } finally {
    hidden?.();
    if (full) server.maxConnections = maxConnections;
  }
  const owners = Object.getOwnPropertySymbols(handle).map((symbol) => Reflect.get(handle, symbol) as unknown);
  return owners.find((owner): owner is net.Socket => owner instanceof net.Socket) ?? null;
}

function hideConnection(server: net.Server): () => void {
  const own = Object.getOwnPropertyDescriptor(server, 'emit');
  const { emit } = server;
  server.emit = function (this: net.Server, event: string, ...args: unknown[]) {
    return event === 'connection' || (Reflect.apply(emit, this, [event, ...args]) as boolean);
  } as typeof emit;
  return () => {
    if (own === undefined) Reflect.deleteProperty(server, 'emit');
    else Object.defineProperty(server, 'emit', own);
  };
}

/** Whether the server would drop a connection, with so many more on their way to it. */
export function isFull(server: net.Server, coming: number): boolean {
  const { maxConnections, _connections } = server as net.Server & { _connections: number };
  return typeof maxConnections === 'number' && _connections + coming >= maxConnections;
}

/**
 * Whether HTTP/1 requests on this connection are read by the server that accepted it, unencrypted, and by nobody else.
 * A 'data' or 'readable' listener beside Node's own is the app reading the bytes itself. Listeners of other events are
 * kept for bookkeeping ('close', 'timeout'), and have their 'close' when the connection moves.
 */
export function isPlainHttp(socket: net.Socket): boolean {
  const { _server, encrypted, parser } = within(socket);
  if (encrypted === true || !parser || _server !== acceptedBy(socket)) return false;
  return socket.listenerCount('data') <= 1 && socket.listenerCount('readable') === 0;
}

/** Nothing waits in this process to be written or to be read, and neither direction has ended. */
export function isSettled(socket: net.Socket): boolean {
  const handle = within(socket)._handle;
  if (handle === null || socket.destroyed || !socket.readable || !socket.writable) return false;
  return socket.readableLength === 0 && socket.writableLength === 0 && (handle.writeQueueSize ?? 0) === 0;
}

/** The socket that was accepted: of a TLS socket the one below it. */
export function carrierOf(socket: net.Socket): net.Socket {
  return within(socket)._parent ?? socket;
}

/** The shortest whole request; nobody gets to see it. */
const PRETENDED_REQUEST = Buffer.from('GET / HTTP/1.1\r\n\r\n');

/** What Node adds to `keepAliveTimeout` unless the server has a `keepAliveTimeoutBuffer`. */
const KEEP_ALIVE_BUFFER_MS = 1_000;

const madeIdle = new WeakSet<net.Socket>();

/** Whether anything was ever asked on a connection, here or where it came from: Node 26 counts one without as idle too. */
export function hasBeenUsed(socket: net.Socket): boolean {
  return socket.bytesRead > 0 || madeIdle.has(socket);
}

/**
 * Makes a connection that has just been given to an HTTP server what it was where it came from: idle between two
 * requests. To Node it is one that owes its first request, so it would be answered 408 after `headersTimeout` and
 * `closeIdleConnections` would not find it. A parser becomes idle by completing a message, so it is shown one that
 * goes nowhere. The keep-alive timer, which Node starts after an answer, is started here and ended as Node does.
 */
export function makeIdle(socket: net.Socket, server: net.Server): void {
  const { parser } = within(socket);
  if (!parser?.onIncoming) return;
  madeIdle.add(socket);
  const { onIncoming } = parser;
  parser.onIncoming = () => 0;
  parser.execute(PRETENDED_REQUEST);
  parser.incoming = null;
  const { keepAliveTimeout, keepAliveTimeoutBuffer, timeout } = server as Partial<HttpTimeouts>;
  if (keepAliveTimeout) socket.setTimeout(keepAliveTimeout + (keepAliveTimeoutBuffer ?? KEEP_ALIVE_BUFFER_MS));
  parser.onIncoming = (...args) => {
    parser.onIncoming = onIncoming;
    if (keepAliveTimeout) socket.setTimeout(timeout ?? 0);
    return onIncoming(...args);
  };
}

interface HttpTimeouts {
  readonly keepAliveTimeout: number;
  readonly keepAliveTimeoutBuffer: number;
  readonly timeout: number;
}

/** Whether a stream with an encoding has read the first bytes of a character whose others have not come. */
export function holdsHalfCharacter(socket: net.Socket): boolean {
  const { decoder } = (socket as unknown as { _readableState: { decoder?: { lastNeed?: number } | null } })
    ._readableState;
  return (decoder?.lastNeed ?? 0) > 0;
}

/**
 * Of what kind the standard streams are that Node has made handles of, by the names of getActiveResourcesInfo(): it lists
 * them, although they hold nobody. None where this Node does not tell the handles themselves any more.
 */
export function standardStreams(): string[] {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles?(): unknown[] };
  const handles = (_getActiveHandles?.call(process) ?? []) as { fd?: unknown; isTTY?: unknown }[];
  const streams = handles.filter((handle) => handle?.fd === 0 || handle?.fd === 1 || handle?.fd === 2);
  return streams.map(({ isTTY }) => (isTTY === true ? 'TTYWrap' : 'PipeWrap'));
}
