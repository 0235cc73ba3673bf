/**
 * Takes over the app's `listen`: where Node is about to bind, the supervisor is asked for the listener of that address.
 *
 * The diagnostics channel tells when a `listen` begins; the question is asked when Node comes to bind (internals.ts), so
 * validation, name resolution, its errors, and everything that happens between are Node's own. Where the supervisor
 * refuses or does not answer, Node binds by itself and fails, or not, as without us: a second server on an address of
 * this very process gets its EADDRINUSE from the kernel.
 *
 * No subscriber may throw: Node would make it an uncaught exception of the app.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type EventEmitter, errorMonitor } from 'node:events';
import type net from 'node:net';
import { resolve } from 'node:path';
import type { Accepts, ListenAddress } from '../channel/messages.js';
import { type Fd, native } from '../native.js';
import type { Channel } from './channel.js';
import { GatedServer } from './gated-server.js';
import { type AcceptHandle, type Binding, type ClientHandle, whenBinding } from './internals.js';
import type { Readiness } from './readiness.js';

/** What `listen` was called with, as far as it does not come back when Node binds. */
interface ListenOptions {
  readonly host?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
  readonly fd?: unknown;
}

export class ManagedServers {
  readonly #channel: Channel;
  readonly #readiness: Readiness;
  readonly #onManaged: (server: net.Server, name: string) => void;
  /** Those that listen, by their servers, in the order of their listening. */
  readonly #gated = new Map<net.Server, GatedServer>();
  readonly #everManaged = new WeakSet<net.Server>();
  /** Addresses that can be listened on once, and are. */
  readonly #taken = new Map<string, GatedServer>();
  readonly #ordinals = new Map<string, number>();
  #open: Accepts | null = null;
  #ended = false;
  #divert: ((gate: GatedServer, client: ClientHandle) => boolean) | null = null;

  constructor(channel: Channel, readiness: Readiness, onManaged: (server: net.Server, name: string) => void) {
    this.#channel = channel;
    this.#readiness = readiness;
    this.#onManaged = onManaged;
    subscribe('tracing:net.server.listen:asyncStart', (message) => {
      try {
        const { server, options } = message as { server: net.Server; options: ListenOptions };
        this.#listenBegins(server, options);
      } catch {
        // A frozen server, for one: it binds by itself.
      }
    });
  }

  /** Whether the server's connections are ours to wait for, also after it has closed. */
  manages(server: net.Server): boolean {
    return this.#everManaged.has(server);
  }

  [Symbol.iterator](): IterableIterator<net.Server> {
    return this.#gated.keys();
  }

  /** The gate of a server that listens. */
  gateOf(server: net.Server): GatedServer | null {
    return this.#gated.get(server) ?? null;
  }

  /** The one that listens on that listener. */
  named(listener: string): GatedServer | null {
    for (const gated of this.#gated.values()) if (gated.name === listener) return gated;
    return null;
  }

  /** On which sockets what listens accepts; null where it does not. */
  get accepts(): Accepts | null {
    return this.#open;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The names of the listeners. */
  names(): string[] {
    return [...this.#gated.values()].map(({ name }) => name);
  }

  open(on: Accepts): void {
    if (this.#ended) return;
    this.#open = on;
    for (const gated of this.#gated.values()) gated.open(on);
  }

  /** Takes the descriptor: the second socket of that listener. */
  takeCanary(name: string, fd: Fd): void {
    const gated = this.named(name);
    if (gated === null || this.#ended) native().close(fd);
    else gated.takeCanary(fd);
  }

  /** Each new connection is shown to `take` first, with its gate; null ends that. */
  divert(take: ((gate: GatedServer, client: ClientHandle) => boolean) | null): void {
    this.#divert = take;
    for (const gated of this.#gated.values()) this.#divertOf(gated);
  }

  #divertOf(gated: GatedServer): void {
    const take = this.#divert;
    gated.divert(take === null ? null : (client) => take(gated, client));
  }

  pause(): void {
    this.#open = null;
    for (const gated of this.#gated.values()) gated.pause();
  }

  /** No server of this process accepts again. */
  end(): void {
    this.#open = null;
    this.#ended = true;
    for (const gated of this.#gated.values()) gated.end();
  }

  #listenBegins(server: net.Server, options: ListenOptions): void {
    let gated: GatedServer | null = null;
    whenBinding(
      server,
      (binding) => {
        try {
          gated = this.#takeOver(server, binding);
        } catch {
          gated = null;
        }
        return gated?.handle ?? null;
      },
      (handle: AcceptHandle | null) => {
        try {
          if (gated !== null) this.#adopted(gated, handle);
        } finally {
          this.#readiness.listenSettled(server);
        }
      },
    );
    if (isResolvedFirst(options)) {
      this.#readiness.listenBegun(server);
      // A name that does not resolve ends in an 'error' and nothing else; the monitor does not count as handling it.
      (server as EventEmitter).once(errorMonitor, () => this.#readiness.listenSettled(server));
    }
  }

  #takeOver(server: net.Server, binding: Binding): GatedServer | null {
    const key = keyOf(binding);
    const once = binding.kind === 'unix' || (binding.port !== 0 && !binding.reusePort);
    if (once && this.#taken.has(key)) return null;
    const ordinal = once ? 0 : (this.#ordinals.get(key) ?? 0);
    const listener = this.#ask(addressOf(binding, ordinal), binding.backlog);
    if (listener === null) return null;
    // The supervisor knows better what is the same address ("::" and none, say), and names it.
    if (once && this.#isListening(listener.name)) {
      native().close(listener.fd);
      return null;
    }
    const gated = new GatedServer(server, listener.name, listener.fd, {
      refChanged: () => this.#keepAlive(),
      closed: () => {
        if (this.#gated.get(server) === gated) this.#gated.delete(server);
        if (this.#taken.get(key) === gated) this.#taken.delete(key);
        this.#keepAlive();
        this.#channel.send({ type: 'unlisten', name: gated.name });
      },
    });
    if (once) this.#taken.set(key, gated);
    else this.#ordinals.set(key, ordinal + 1);
    return gated;
  }

  #ask(address: ListenAddress, backlog: number): { name: string; fd: Fd } | null {
    // Node passes any number on, and the kernel makes do; the protocol wants one that makes sense.
    const size = Number.isSafeInteger(backlog) && backlog > 0 ? Math.min(backlog, 0x7fff_ffff) : 511;
    const answer = this.#channel.ask((id) => ({ type: 'listen', id, address, backlog: size }));
    if (answer === null || answer.fd === null) return null;
    if (answer.message.type === 'listener') return { name: answer.message.name, fd: answer.fd };
    native().close(answer.fd);
    return null;
  }

  #adopted(gated: GatedServer, handle: AcceptHandle | null): void {
    if (handle === null) {
      for (const [key, holder] of this.#taken) if (holder === gated) this.#taken.delete(key);
      if (!gated.isClosed) gated.discard();
      return;
    }
    this.#gated.set(gated.server, gated);
    if (this.#divert !== null) this.#divertOf(gated);
    this.#everManaged.add(gated.server);
    this.#onManaged(gated.server, gated.name);
    this.#channel.send({ type: 'listening', name: gated.name });
    if (this.#open !== null) gated.open(this.#open);
    else if (this.#ended) gated.end();
    this.#keepAlive();
    this.#readiness.listening();
  }

  #isListening(name: string): boolean {
    for (const gated of this.#gated.values()) if (gated.name === name) return true;
    return false;
  }

  #keepAlive(): void {
    let holds = false;
    for (const gated of this.#gated.values()) holds ||= gated.holdsLoop;
    this.#channel.keepAlive(holds, this);
  }
}

function keyOf(binding: Binding): string {
  if (binding.kind === 'unix') return `unix ${absolute(binding.path)}`;
  return `${binding.host ?? ''} ${binding.port} ${binding.ipv6Only} ${binding.reusePort}`;
}

function addressOf(binding: Binding, ordinal: number): ListenAddress {
  if (binding.kind === 'unix') return { kind: 'unix', path: absolute(binding.path) };
  const { host, port, ipv6Only, reusePort } = binding;
  return { kind: 'tcp', host, port, ipv6Only, reusePort, ordinal };
}

/** Abstract names begin with a NUL and are no paths. */
function absolute(path: string): string {
  return path.startsWith('\0') ? path : resolve(path);
}

/** Whether Node resolves a host name before it binds; anything else binds, or throws, within the call of `listen`. */
function isResolvedFirst({ host, port, fd }: ListenOptions): boolean {
  if (!host || typeof fd === 'number') return false;
  if (port === null || port === undefined) return port === null;
  const isNumber = typeof port === 'number' || (typeof port === 'string' && port.trim() !== '');
  return isNumber && Number(port) === Number(port) >>> 0 && Number(port) <= 0xffff;
}
