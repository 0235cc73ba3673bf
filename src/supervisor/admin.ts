/**
 * The admin listener, as far as the supervisor has to do with it: its socket belongs to the inventory, what answers on it
 * is loaded where one is configured, and it is served on whatever socket was inherited until the one that the config
 * names is there. A socket that cannot be had refuses a start or a reload, and never ends a service that runs.
 */
import { type Address, formatAddress } from '../config/address.js';
import { BatondError } from '../errors.js';
import { type AdminKind, type AdminRecord, AdminSocket } from '../inventory/admin-socket.js';
import type { NamedFds } from '../inventory/inventory.js';
import type { Log } from '../log.js';
import type { Fd } from '../native.js';

const KEYS: Readonly<Record<AdminKind, string>> = { admin: 'admin.listen', agent: 'admin.agent' };

/** Longer than any of its connections lasts by itself. */
const FINISH_MS = 3_000;

/** What answers on the socket: `AdminServer`, `AgentServer`. */
export interface Answering {
  listen(fd: Fd): void;
  pause(): void;
  idle(): Promise<void>;
}

export interface AdminHost {
  readonly kind: AdminKind;
  /** Null: none is configured. */
  readonly listen: Address | null;
  readonly log: Log;
  /** Loads what answers. */
  server(): Promise<Answering>;
  /** The socket is another one. */
  changed(): void;
}

export class Admin {
  readonly #host: AdminHost;
  #socket: AdminSocket | null = null;
  #server: Answering | null = null;
  #serves = false;
  #closed = false;
  #problem: string | null = null;
  /** One after the other: what loads and binds waits for what did before. */
  #work: Promise<void> = Promise.resolve();

  constructor(host: AdminHost) {
    this.#host = host;
  }

  /** What the status says; null where all is well. */
  get problem(): string | null {
    return this.#problem;
  }

  /** What is to be handed on: a name and a descriptor, lent. */
  give(fds: NamedFds): AdminRecord | null {
    if (this.#socket === null) return null;
    fds.set(this.#socket.name, this.#socket.fd);
    return this.#socket.record;
  }

  /** Takes what was inherited. */
  take(fds: NamedFds, record: AdminRecord | null): void {
    this.#socket = AdminSocket.take(this.#host.kind, fds, record);
  }

  /** Serves on what there is; who waits in its queue is answered. */
  resume(): void {
    this.#serves = true;
    if (this.#socket !== null) this.#then(() => this.#listen());
  }

  /** Accepts no more. */
  pause(): void {
    this.#serves = false;
    this.#server?.pause();
  }

  /**
   * Sees to it that the socket is the one of the config. Throws LISTENER_NOT_BOUND; then all is as it was. What is known
   * to be missing already refuses nothing more, or nobody could go back to a good release for the want of it.
   */
  async bind(): Promise<void> {
    const { listen } = this.#host;
    if (listen === null && this.#socket === null) return;
    const missed = this.#problem !== null;
    const binding = this.#work.then(() => this.#replace(listen));
    this.#work = binding.catch(() => {});
    await (missed ? this.#work : binding);
  }

  /** The same where nobody could be refused: what fails is said in the log and in the status. */
  bindIfPossible(): void {
    this.#then(() => this.#replace(this.#host.listen));
  }

  /** Resolves when nothing is being bound or loaded. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Resolves when whoever was accepted has been answered, or has had time enough. */
  async finished(): Promise<void> {
    this.pause();
    const server = this.#server;
    if (server === null) return;
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FINISH_MS);
    });
    await Promise.race([server.idle(), enough]);
    clearTimeout(timer);
  }

  /** For good: the service has ended. */
  close(): void {
    this.#closed = true;
    this.pause();
    this.#socket?.close();
    this.#socket = null;
  }

  #then(act: () => Promise<void>): void {
    this.#work = this.#work.then(act).catch((error: Error) => {
      this.#problem = `Nothing is served on ${KEYS[this.#host.kind]}: ${error.message}.`;
      this.#host.log.error({ event: 'admin', err: error }, this.#problem);
      this.#host.changed();
    });
  }

  /** The new one is there before the old one goes. */
  async #replace(listen: Address | null): Promise<void> {
    const old = this.#socket;
    if (this.#closed || (listen !== null && old?.isOf(listen) === true)) return;
    let next: AdminSocket | null = null;
    if (listen !== null) {
      try {
        next = await AdminSocket.bind(this.#host.kind, listen);
      } catch (error) {
        const facts = { name: `${this.#host.kind} (${formatAddress(listen)})`, reason: (error as Error).message };
        throw new BatondError('LISTENER_NOT_BOUND', facts, error);
      }
    }
    if (this.#closed) {
      next?.close();
      return;
    }
    this.#server?.pause();
    this.#server = null;
    this.#socket = next;
    this.#problem = null;
    // On record before anybody is answered on it: a supervisor that dies now leaves it to the next one.
    this.#host.changed();
    old?.close();
    if (next !== null) await this.#listen();
  }

  async #listen(): Promise<void> {
    if (this.#server === null) {
      const server = await this.#host.server();
      this.#server ??= server;
    }
    if (this.#serves && this.#socket !== null && !this.#closed) this.#server.listen(this.#socket.fd);
  }
}
