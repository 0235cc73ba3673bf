/**
 * One process from its clone to its exit, known by pidfd alone, whether it is our child or was adopted from another
 * supervisor. It leads its own session and process group; what it started and left in the group ends with it.
 */
import { constants } from 'node:os';
import { Descriptor } from '../inventory/descriptor.js';
import { type Fd, native, type SpawnOptions, type Watcher } from '../native.js';
import { SIGNAL_NAMES } from '../signals.js';

/** How a process ended. Both are null where nobody can tell: an adopted process on a kernel before Linux 6.15. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How long somebody else's child may stay unreaped before its exit status counts as unknown. */
const REAP_TIMEOUT_MS = 2_000;

export class Process {
  readonly pid: number;
  readonly #pidfd: Descriptor;
  readonly #onExit: (exit: Exit) => void;
  #watcher: Watcher | null;
  #timer: NodeJS.Timeout | null = null;
  /** Set while it has ended and its parent has not reaped it: stops waiting for that. */
  #stopReaping: (() => void) | null = null;
  #reaping = false;

  constructor(pid: number, pidfd: Fd, onExit: (exit: Exit) => void) {
    this.pid = pid;
    this.#pidfd = new Descriptor(pidfd);
    this.#onExit = onExit;
    this.#watcher = native().watch(pidfd, { readable: true, writable: false }, () => this.#ended());
  }

  static spawn(options: SpawnOptions, onExit: (exit: Exit) => void): Process {
    const { pid, pidfd } = native().spawn(options);
    return new Process(pid, pidfd, onExit);
  }

  /** The number of the pidfd, lent: to be passed on in a takeover. */
  get pidfd(): Fd {
    return this.#pidfd.fd;
  }

  get alive(): boolean {
    return this.#watcher !== null;
  }

  /** pidfd_send_signal(2): never hits another process that got the same number. */
  signal(name: NodeJS.Signals): void {
    if (this.alive) native().pidfdSignal(this.#pidfd.fd, constants.signals[name]);
  }

  /** SIGTERM now; SIGKILL to the whole group when it is still there after the deadline. */
  stop(killTimeoutMs: number, onKill: () => void = () => {}): void {
    if (!this.alive || this.#timer !== null) return;
    this.signal('SIGTERM');
    this.killAfter(killTimeoutMs, onKill);
  }

  /** SIGKILL to the whole group when it is still there after the deadline; it has been told to go already. */
  killAfter(killTimeoutMs: number, onKill: () => void = () => {}): void {
    if (!this.alive || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      onKill();
      this.kill();
    }, killTimeoutMs);
  }

  /** SIGKILL to the process and its group. */
  kill(): void {
    if (!this.alive) return;
    this.#killGroup();
    this.signal('SIGKILL');
  }

  /**
   * Looks away, and back: an exit in between is seen at `resume`, here or by whoever holds the pidfd then. Until then it
   * is told to nobody and the pidfd stays open, also of one that has ended already and waits for its reaper.
   */
  pause(): void {
    this.#watcher?.update({ readable: false, writable: false });
    this.#stopReaping?.();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  resume(): void {
    this.#watcher?.update({ readable: true, writable: false });
    if (this.#reaping && this.#stopReaping === null) this.#waitForReaper();
  }

  /** Lets go of it without a word: somebody else watches it from here on. */
  release(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#stopReaping?.();
    this.#reaping = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#pidfd.close();
  }

  /** The leader has ended but, until it is reaped, its number and so its group's cannot be anybody else's. */
  #ended(): void {
    this.#watcher?.close();
    this.#watcher = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#killGroup();
    const exit = this.#exitStatus();
    if (exit !== null) this.#settle(exit);
    else this.#waitForReaper();
  }

  /**
   * The kernel remembers the exit status of somebody else's child once its parent has reaped it, which hangs the pidfd
   * up (Linux 6.9). It is readable all the while, so only the hang-up is waited for.
   */
  #waitForReaper(): void {
    this.#reaping = true;
    const settle = () => {
      this.#stopReaping?.();
      this.#settle(this.#exitStatus());
    };
    const watcher = native().watch(this.#pidfd.fd, { readable: false, writable: true }, settle);
    const timer = setTimeout(settle, REAP_TIMEOUT_MS);
    this.#stopReaping = () => {
      watcher.close();
      clearTimeout(timer);
      this.#stopReaping = null;
    };
  }

  #settle(exit: Exit | null): void {
    this.#reaping = false;
    this.#pidfd.close();
    this.#onExit(exit ?? { code: null, signal: null });
  }

  /** Null where its parent has not reaped it yet. */
  #exitStatus(): Exit | null {
    try {
      return named(native().pidfdWait(this.#pidfd.fd));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECHILD') throw error;
    }
    try {
      const info = native().pidfdInfo(this.#pidfd.fd);
      return info === null ? { code: null, signal: null } : named(info.exit);
    } catch {
      return { code: null, signal: null };
    }
  }

  /** One that was reaped before we looked has left its number, and so that of its group, to whoever comes next. */
  #killGroup(): void {
    if (!native().pidfdSignal(this.#pidfd.fd, 0) && isTaken(this.pid)) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // Nobody is left in the group.
    }
  }
}

function isTaken(pid: number): boolean {
  const fd = native().pidfdOpen(pid);
  if (fd !== null) native().close(fd);
  return fd !== null;
}

function named(status: { code: number | null; signal: number | null } | null): Exit | null {
  if (status === null) return null;
  const signal = status.signal === null ? null : (SIGNAL_NAMES.get(status.signal) ?? null);
  return { code: status.code, signal };
}

/** "exited with status 3", for the middle of a sentence. */
export function describeExit(exit: Exit): string {
  if (exit.signal !== null) return `was killed by ${exit.signal}`;
  if (exit.code !== null) return `exited with status ${exit.code}`;
  return 'ended, nobody can tell how,';
}
