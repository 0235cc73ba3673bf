/**
 * What of node:dgram is not public API, in one place and tested on every Node version we support.
 *
 * - Nothing tells that a socket binds, so `bind` of the class is wrapped once, when the app loads the module. The wrapper
 *   only puts a shadow on the handle of the one socket: validation, name look-up, flags, errors and the 'listening' event
 *   stay Node's own.
 * - `socket[Symbol(state symbol)].handle` is the UDP handle. `handle.bind(ip, port, flags)` is where Node binds, after
 *   the look-up; `handle.open(fd)` takes a bound descriptor in its place. It sets SO_REUSEADDR, which libuv does to every
 *   descriptor that it opens. A handle reads from `recvStart` to `recvStop`, and can send all the while.
 */
import type dgram from 'node:dgram';
import { EventEmitter } from 'node:events';
import type { Fd } from '../native.js';
import { isLoaded, whenDefined } from './when-defined.js';

/** libuv's UV_UDP_IPV6ONLY, UV_UDP_REUSEADDR and UV_UDP_REUSEPORT, as `flags` carries them. */
const IPV6_ONLY = 1;
const REUSE_ADDRESS = 4;
const REUSE_PORT = 8;

export interface UdpHandle {
  open(fd: Fd): number;
  bind(ip: string, port: number, flags: number): number;
  recvStart(): number;
  recvStop(): number;
  send(...args: unknown[]): unknown;
  addMembership(...args: unknown[]): number;
  addSourceSpecificMembership(...args: unknown[]): number;
  close(callback?: () => void): void;
  ref(): void;
  unref(): void;
  hasRef(): boolean;
  onmessage?: unknown;
  onerror?: unknown;
}

export interface UdpBinding {
  readonly host: string;
  readonly port: number;
  readonly ipv6Only: boolean;
  readonly reuseAddress: boolean;
}

/** Answers with a bound descriptor, which the handle then owns; null lets Node bind by itself. */
export type OnBind = (socket: dgram.Socket, binding: UdpBinding, handle: UdpHandle) => Fd | null;

interface State {
  handle: UdpHandle | null;
}

/** Calls `onBind` whenever a socket comes to bind that others could share. Must be called before the app runs. */
export function watchUdpSockets(onBind: OnBind): void {
  const builtins = process as unknown as { getBuiltinModule(id: string): typeof dgram };
  if (isLoaded('dgram')) wrapBind(builtins.getBuiltinModule('node:dgram').Socket.prototype, onBind);
  // The name is one that no other class has; it is assigned after `bind`.
  else {
    whenDefined(EventEmitter.prototype, 'addSourceSpecificMembership', (prototype) => {
      const { bind } = prototype as Partial<dgram.Socket>;
      if (typeof bind === 'function') wrapBind(prototype as dgram.Socket, onBind);
    });
  }
}

function wrapBind(prototype: dgram.Socket, onBind: OnBind): void {
  const original = prototype.bind as (this: dgram.Socket, ...args: unknown[]) => dgram.Socket;
  // The parameters are those of Node's own, for whoever looks at its length.
  prototype.bind = function bind(this: dgram.Socket, _port?: unknown, _address?: unknown) {
    // biome-ignore lint/complexity/noArguments: what was not passed must stay so.
    const args = Array.from(arguments);
    try {
      if (isShareable(args[0])) offerAtBind(this, onBind);
    } catch {
      // A frozen socket, for one: it binds by itself.
    }
    return original.apply(this, args);
  } as dgram.Socket['bind'];
}

/**
 * `exclusive` means not to be shared, and is what Node itself binds with where a socket sends or connects before it was
 * bound. One that brings its own handle or descriptor is somebody else's.
 */
function isShareable(options: unknown): boolean {
  if (typeof options !== 'object' || options === null) return true;
  const { exclusive, fd, recvStart } = options as { exclusive?: unknown; fd?: unknown; recvStart?: unknown };
  return !exclusive && fd === undefined && recvStart === undefined;
}

function offerAtBind(socket: dgram.Socket, onBind: OnBind): void {
  const handle = stateOf(socket)?.handle;
  // What is bound already throws in Node, and what is binding too.
  if (!handle || isShadowed.has(handle)) return;
  isShadowed.add(handle);
  const own = Object.getOwnPropertyDescriptor(handle, 'bind');
  const bind = handle.bind;
  handle.bind = (host, port, flags) => {
    if (own === undefined) Reflect.deleteProperty(handle, 'bind');
    else Object.defineProperty(handle, 'bind', own);
    isShadowed.delete(handle);
    // Port 0 is an address that nobody else knows: what comes to it are the answers to what this very socket asks.
    const shared = port !== 0 && (flags & REUSE_PORT) === 0;
    const binding = {
      host,
      port,
      ipv6Only: (flags & IPV6_ONLY) !== 0,
      reuseAddress: (flags & REUSE_ADDRESS) !== 0,
    };
    const fd = shared ? onBind(socket, binding, handle) : null;
    return fd === null ? bind.call(handle, host, port, flags) : handle.open(fd);
  };
}

const isShadowed = new WeakSet<UdpHandle>();

/**
 * Gives the socket a handle of its own, bound by this process, in place of the shared one. 0, or the error of bind(2);
 * then nothing has changed. The old handle is the caller's to close.
 */
export function bindAlone(
  socket: dgram.Socket,
  old: UdpHandle,
  binding: UdpBinding,
  reads: boolean,
): UdpHandle | number {
  const state = stateOf(socket);
  if (state === null) return -1;
  const next = new (old.constructor as new () => UdpHandle)();
  // For udp6 these are the methods of IPv6 under the names of IPv4.
  for (const name of ['lookup', 'bind', 'connect', 'send'] as const) {
    const own = Object.getOwnPropertyDescriptor(old, name);
    if (own !== undefined) Object.defineProperty(next, name, own);
  }
  const flags = (binding.ipv6Only ? IPV6_ONLY : 0) | (binding.reuseAddress ? REUSE_ADDRESS : 0);
  const error = next.bind(binding.host, binding.port, flags);
  if (error !== 0) {
    next.close();
    return error;
  }
  for (const symbol of Object.getOwnPropertySymbols(old)) Reflect.set(next, symbol, Reflect.get(old, symbol));
  next.onmessage = old.onmessage;
  next.onerror = old.onerror;
  if (!old.hasRef()) next.unref();
  state.handle = next;
  if (reads) next.recvStart();
  return next;
}

function stateOf(socket: dgram.Socket): State | null {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  return symbol === undefined ? null : (Reflect.get(socket, symbol) as State);
}
