/**
 * What a supervisor that was killed left behind, where nothing of it is in the fd store: then no other adopts it. It falls to the host, which is its subreaper, and nobody speaks to it
 * any more: a Node worker sees its channel close and drains by itself, any other program has to be told, and what has
 * not gone by then is killed. Nothing stays for good, and above all no listener.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WORKER_ENVIRONMENT } from '../channel/messages.js';

export interface OrphansOptions {
  readonly runtimeDirectory: string;
  /** The host's own, which only supervisors are told. */
  readonly notifySocket: string;
  /** How long they may go on with what they have in hand. */
  readonly drainTimeoutMs: number;
}

export class Orphans {
  readonly #options: OrphansOptions;
  readonly #pids = new Map<number, NodeJS.Timeout>();

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#pids.size;
  }

  /** A successor whose predecessor died has nothing to take over, and may be unable to notice. */
  killSuccessors(): void {
    for (const pid of childrenOfOurs()) if (this.#kindOf(pid) === 'supervisor') signal(pid, 'SIGKILL');
  }

  /** Looks for workers after the death of a main process that no other can adopt; answers how many are new. */
  adopt(): number {
    const before = this.#pids.size;
    for (const pid of childrenOfOurs()) {
      const kind = this.#kindOf(pid);
      if (kind === null || kind === 'supervisor' || this.#pids.has(pid)) continue;
      if (kind === 'command') signal(pid, 'SIGTERM');
      this.#pids.set(
        pid,
        setTimeout(() => killGroup(pid), this.#options.drainTimeoutMs),
      );
    }
    return this.#pids.size - before;
  }

  /** A child of the host has ended: what it left in its group ends with it. */
  reaped(pid: number): void {
    const timer = this.#pids.get(pid);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#pids.delete(pid);
    // The number of a group is nobody else's while it has members; without any this finds nothing.
    signal(-pid, 'SIGKILL');
  }

  killAll(): void {
    for (const pid of this.#pids.keys()) killGroup(pid);
  }

  /** By what it was started with, proc_pid_environ(5): a name says nothing, and others may be children here too. */
  #kindOf(pid: number): 'supervisor' | 'node' | 'command' | null {
    const variables = environmentOf(pid);
    if (variables.includes(`NOTIFY_SOCKET=${this.#options.notifySocket}`)) return 'supervisor';
    if (variables.some((one) => one.startsWith(`${WORKER_ENVIRONMENT}=`))) return 'node';
    const socket = `NOTIFY_SOCKET=${join(this.#options.runtimeDirectory, 'notify-')}`;
    return variables.some((one) => one.startsWith(socket)) ? 'command' : null;
  }
}

/** Also while it has ended and is not reaped yet. */
export function isOurChild(pid: number): boolean {
  return childrenOfOurs().includes(pid);
}

/** Of each thread, since an orphan falls to any that lives, proc_pid_task(5). */
function childrenOfOurs(): number[] {
  return readdirSync('/proc/self/task').flatMap((thread) => {
    const text = readFileSync(`/proc/self/task/${thread}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  });
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** The number is certain: it stays that of our child until we have reaped it. */
function killGroup(pid: number): void {
  signal(-pid, 'SIGKILL');
  signal(pid, 'SIGKILL');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended, or it leads no group.
  }
}
