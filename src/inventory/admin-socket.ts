/**
 * The listening socket that load balancers ask on. It belongs to the inventory, as the control socket does: it goes from
 * one supervisor to the next and lies in the fd store meanwhile, so that who asks in between waits in its queue and is
 * neither refused nor reset.
 */
import { chmodSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type Address, formatAddress } from '../config/address.js';
import { type Fd, native } from '../native.js';
import { bindAddress } from './bind-address.js';
import { Descriptor } from './descriptor.js';
import { isBoundTo } from './listeners.js';
import { fileAt, isPlaced, removeFile, type SocketFile } from './socket-file.js';

/** What of it travels to the next supervisor beside the descriptor. */
export interface AdminRecord {
  /** As the config has it. */
  readonly listen: Address;
  /** Of a Unix socket with a file. */
  readonly file: SocketFile | null;
}

/** What answers on it: HTTP, or HAProxy's agent check. */
export type AdminKind = 'admin' | 'agent';

/** So many may wait while there is no supervisor. */
const BACKLOG = 128;

export class AdminSocket {
  readonly kind: AdminKind;
  readonly record: AdminRecord;
  readonly #descriptor: Descriptor;

  private constructor(kind: AdminKind, record: AdminRecord, fd: Fd) {
    this.kind = kind;
    this.record = record;
    this.#descriptor = new Descriptor(fd);
  }

  /** Bound and listening. Throws what bind(2), listen(2) or the look-up of a host's name throws. */
  static async bind(kind: AdminKind, listen: Address): Promise<AdminSocket> {
    const unix = listen.kind === 'unix';
    const fd = await bindAddress(unix ? listen : { ...listen, ipv6Only: false, reusePort: false, ordinal: 0 });
    const socket = new AdminSocket(kind, { listen, file: unix ? fileAt(listen.path) : null }, fd);
    try {
      // What is told there is for whoever asks; who can reach the file is a matter of its folder.
      if (socket.record.file !== null) chmodSync(socket.record.file.path, 0o666);
      native().listen(fd, BACKLOG);
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Takes the one that was inherited out of these; null where there is none. */
  static take(kind: AdminKind, fds: Map<string, Fd>, record: AdminRecord | null): AdminSocket | null {
    let taken: AdminSocket | null = null;
    for (const [name, fd] of [...fds]) {
      if (!name.startsWith(`${kind}.`)) continue;
      fds.delete(name);
      if (taken === null) taken = new AdminSocket(kind, record ?? recordOf(fd), fd);
      else native().close(fd);
    }
    return taken;
  }

  /** Lent. */
  get fd(): Fd {
    return this.#descriptor.fd;
  }

  /** Its name in a snapshot: another address is another name, since the fd store goes by names alone. */
  get name(): string {
    return adminName(this.kind, this.record);
  }

  isOf(listen: Address): boolean {
    if (isDeepStrictEqual(this.record.listen, listen)) return true;
    const asked = listen.kind === 'unix' ? listen : { ...listen, ipv6Only: false, reusePort: false, ordinal: 0 };
    return isBoundTo(native().socketName(this.fd), asked);
  }

  /** For good: who asks from here on is refused. */
  close(): void {
    this.#descriptor.close();
    if (this.record.file !== null) removeFile(this.record.file);
  }
}

export function adminName(kind: AdminKind, { listen }: AdminRecord): string {
  return `${kind}.${formatAddress(listen)}`;
}

/** Where nothing is on record but the descriptor. */
function recordOf(fd: Fd): AdminRecord {
  const name = native().socketName(fd);
  if (name.family !== 'unix') return { listen: { kind: 'tcp', host: name.address, port: name.port }, file: null };
  return { listen: { kind: 'unix', path: name.path }, file: isPlaced(name.path) ? fileAt(name.path) : null };
}
