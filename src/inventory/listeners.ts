/**
 * The bound sockets of the service. The supervisor owns them; workers accept on duplicates. One socket serves every
 * worker and every generation that asks for the same address, so its accept queue outlives all of them.
 *
 * A socket is closed only when no generation claims it any more. One that systemd or the config brought stays.
 */
import type { ListenAddress } from '../channel/messages.js';
import { type Fd, native, type SocketAddress } from '../native.js';
import { bindAddress } from './bind-address.js';
import { openBeside, setShare } from './canary-socket.js';
import { Descriptor } from './descriptor.js';
import { isInPlace, keepFile, removeFile, restoreFile, type SocketFile } from './socket-file.js';

export type ListenerOrigin = 'asked' | 'declared' | 'systemd';

/** What of a listener travels to the next supervisor beside its descriptor. */
export interface ListenerRecord {
  readonly name: string;
  /** As it was asked for; null until somebody asks for one that systemd brought, or that is all that was left. */
  readonly address: ListenAddress | null;
  readonly origin: ListenerOrigin;
  /** Of a Unix socket that was bound here: its file. */
  readonly file: SocketFile | null;
  /**
   * Its second socket, see canary-socket.ts: 'kept' here, or 'lost' with a supervisor that died, while workers may have
   * it still. Absent in what an older supervisor wrote, and for 'none'.
   */
  readonly canary?: 'none' | 'kept' | 'lost';
}

export interface Listener extends Omit<ListenerRecord, 'canary'> {
  readonly descriptor: Descriptor;
  canary: Descriptor | 'lost' | null;
}

/** How many listeners one service may have; an app that opens ports in a loop is refused. */
const MAX_LISTENERS = 256;

export class Listeners {
  readonly #byName = new Map<string, Listener>();
  readonly #pending = new Map<string, Promise<Listener>>();
  #next: number;

  readonly #keepDirectory: string;

  /** `keepDirectory` is a folder of our own, where second names of socket files are kept. */
  constructor(keepDirectory: string, next = 1) {
    this.#keepDirectory = keepDirectory;
    this.#next = next;
  }

  /** The number of the next unnamed listener, for a snapshot. */
  get next(): number {
    return this.#next;
  }

  all(): Listener[] {
    return [...this.#byName.values()];
  }

  get(name: string): Listener | undefined {
    return this.#byName.get(name);
  }

  /** Takes over a descriptor that was inherited with what is known of it, and that of its second socket. */
  adopt(record: ListenerRecord, fd: Fd, canary: Fd | null = null): void {
    const lost = record.canary === 'lost' ? ('lost' as const) : null;
    const second = canary === null ? lost : takeBackShare(fd, canary);
    this.#byName.set(record.name, { ...record, descriptor: new Descriptor(fd), canary: second });
  }

  /** Sees that it has a second socket, without a share yet. Throws with a reason where it can have none. */
  openCanary(listener: Listener): Descriptor {
    if (listener.canary === 'lost') throw new Error('its second socket was lost with a supervisor that died');
    if (listener.address?.kind === 'unix') throw new Error('a Unix socket cannot share its path with a second one');
    listener.canary ??= new Descriptor(openBeside(listener.descriptor.fd));
    return listener.canary;
  }

  /** From here on so many thousandths of the new connections of these, or of all, wait in their second sockets. */
  setShares(share: number, listeners: Iterable<Listener> = this.#byName.values()): void {
    for (const { descriptor, canary } of listeners) {
      if (canary instanceof Descriptor) setShare(descriptor.fd, share);
    }
  }

  /**
   * The listener of an address: the one that is there, one that systemd brought and that is bound to it, or a new one.
   * Throws what bind(2) or the name look-up throws (EADDRINUSE, EACCES, ENOTFOUND, ...).
   */
  async acquire(address: ListenAddress, backlog: number, declaredName: string | null = null): Promise<Listener> {
    const key = keyOf(address);
    for (const listener of this.#byName.values()) {
      if (listener.address === null || keyOf(listener.address) !== key) continue;
      // Many apps remove the socket's file before they listen: the file goes, the socket stays.
      if (listener.file !== null && !isInPlace(listener.file)) restoreFile(listener.file);
      return listener;
    }
    const inherited = this.#matchInherited(address);
    if (inherited !== undefined) {
      const known = { ...inherited, address, name: declaredName ?? inherited.name };
      this.#byName.delete(inherited.name);
      this.#byName.set(known.name, known);
      return known;
    }
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    if (this.#byName.size >= MAX_LISTENERS) throw Object.assign(new Error('too many listeners'), { code: 'EMFILE' });
    const making = this.#make(address, backlog, declaredName);
    this.#pending.set(key, making);
    try {
      return await making;
    } finally {
      this.#pending.delete(key);
    }
  }

  /** Closes what was asked for and is claimed no more. */
  keepOnly(claimed: ReadonlySet<string>): void {
    for (const listener of this.#byName.values()) {
      // One without an address is what is left of a service that nobody can tell about; it is asked for yet.
      if (listener.address === null) continue;
      if (listener.origin === 'asked' && !claimed.has(listener.name)) this.#close(listener);
    }
  }

  /** Closes what was left and nobody has asked for. */
  closeUnasked(): void {
    for (const listener of this.#byName.values()) {
      if (listener.address === null && listener.origin !== 'systemd') this.#close(listener);
    }
  }

  closeAll(): void {
    for (const listener of this.#byName.values()) this.#close(listener);
  }

  async #make(address: ListenAddress, backlog: number, declaredName: string | null): Promise<Listener> {
    const descriptor = new Descriptor(await bindAddress(address));
    try {
      if (address.kind !== 'udp') native().listen(descriptor.fd, backlog);
      const name = declaredName ?? `listener-${this.#next++}`;
      const origin = declaredName === null ? 'asked' : 'declared';
      const file = address.kind === 'unix' ? keepFile(address.path, this.#keepDirectory, name) : null;
      const listener: Listener = { name, address, origin, file, descriptor, canary: null };
      this.#byName.set(name, listener);
      return listener;
    } catch (error) {
      descriptor.close();
      throw error;
    }
  }

  #matchInherited(address: ListenAddress): Listener | undefined {
    return this.all().find((listener) => {
      if (listener.address !== null) return false;
      if (isDatagram(listener) !== (address.kind === 'udp')) return false;
      return isBoundTo(native().socketName(listener.descriptor.fd), address);
    });
  }

  #close(listener: Listener): void {
    this.#byName.delete(listener.name);
    if (listener.file !== null) removeFile(listener.file);
    if (listener.canary instanceof Descriptor) {
      listener.canary.close();
      // systemd keeps the first: the next start finds it as this one has.
      if (listener.origin === 'systemd') native().setReusePort(listener.descriptor.fd, false);
    }
    listener.descriptor.close();
  }
}

/** Whoever gave it a share may have died before it took it back. Where the two do not belong together it counts as lost. */
function takeBackShare(listener: Fd, canary: Fd): Descriptor | 'lost' {
  try {
    setShare(listener, 0);
    return new Descriptor(canary);
  } catch {
    native().close(canary);
    return 'lost';
  }
}

/** What of it travels. */
export function recordOf({ name, address, origin, file, canary }: Listener): ListenerRecord {
  const second = canary instanceof Descriptor ? 'kept' : (canary ?? 'none');
  return { name, address, origin, file, canary: second };
}

/** Two requests with the same key want the same socket. */
function keyOf(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix ${address.path}`;
  if (address.kind === 'udp') {
    return JSON.stringify(['udp', address.host, address.port, address.ipv6Only, address.reuseAddress]);
  }
  const { host, port, ipv6Only, reusePort, ordinal } = address;
  return JSON.stringify([host, port, ipv6Only, reusePort, ordinal]);
}

export function isBoundTo(name: SocketAddress, address: ListenAddress): boolean {
  if (name.family === 'unix') return address.kind === 'unix' && name.path === address.path;
  if (address.kind === 'unix' || name.port !== address.port || address.port === 0) return false;
  if (address.host === null) return name.address === '::' || name.address === '0.0.0.0';
  return name.address === address.host;
}

/** UDP: it is bound and read, nobody listens or accepts. */
export function isDatagram({ descriptor }: Listener): boolean {
  return native().socketInfo(descriptor.fd).type === 'dgram';
}

/** "[::]:3000", "udp 0.0.0.0:514", "/run/shop.sock", "@abstract": for people. */
export function describeListener(listener: Listener): string {
  const name = native().socketName(listener.descriptor.fd);
  if (isDatagram(listener) && name.family !== 'unix') return `udp ${addressText(name)}`;
  if (name.family === 'unix') return name.path.replace(/^\0/, '@');
  return addressText(name);
}

function addressText(name: Exclude<SocketAddress, { family: 'unix' }>): string {
  return name.family === 'ipv6' ? `[${name.address}]:${name.port}` : `${name.address}:${name.port}`;
}
