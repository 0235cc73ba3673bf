/**
 * Which ends of workers leave evidence, and how much of it: one in full for each way to end in a minute, so that a crash
 * loop does not write without end; the others are counted. What keeps it is loaded when the first worker has crashed, and
 * nothing waits for it: neither the worker that is started in its place, nor a takeover.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { crashReports, pidOfReport } from '../inventory/crash-folder.js';
import type { Generation } from '../inventory/generation.js';
import type { Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';
import { describeExit, type Exit } from '../process/process.js';
import type { Ended } from './crash-keeping.js';

const ONE_IN_MS = 60_000;
/** Ways to end that are told apart. */
const MAX_WAYS = 100;

export interface CrashesHost {
  readonly stateDirectory: string;
  readonly log: Log;
  /** Whether what workers print is in the journal. */
  readonly underJournal: boolean;
}

export class Crashes {
  readonly #host: CrashesHost;
  /** When one was kept last, and how many were not since then, by the way they ended. */
  readonly #ways = new Map<string, { atMs: number; skipped: number }>();

  /** Made when it is asked for first; undefined where it cannot be made. */
  #reports: string | null | undefined = null;

  constructor(host: CrashesHost) {
    this.#host = host;
  }

  /** The folder in which Node may leave a report of a worker that runs out of memory. */
  get reports(): string | undefined {
    if (this.#reports !== null) return this.#reports;
    const folder = crashReports(this.#host.stateDirectory);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#reports = folder;
    } catch {
      this.#reports = undefined;
    }
    return this.#reports;
  }

  /** A worker has ended, and what becomes of its slot is on record. */
  exited(generation: Generation, worker: Worker, exit: Exit): void {
    if (!isCrash(generation, worker, exit)) return;
    const process = generation.processOf(worker.slot).name;
    const cause = worker.killedBy ?? causeOf(generation, worker) ?? (this.#hasReport(worker, exit) ? 'heap' : null);
    const skipped = this.#admit(`${process} ${cause ?? exit.signal ?? exit.code}`);
    if (skipped === null) return;
    const { fatal, stack, measured, lastLines } = worker;
    const now = monotonicMs();
    const ended: Ended = {
      generation: generation.number,
      slot: worker.slot,
      process,
      pid: worker.process.pid,
      release: generation.release.label,
      how: describeExit(exit),
      code: exit.code,
      signal: exit.signal,
      cause,
      message: fatal,
      stack,
      uptimeMs: Math.round(now - worker.startedAtMs),
      skipped,
      lines: lastLines,
      memory:
        measured === null
          ? null
          : {
              rssBytes: measured.measures.rssBytes,
              heapUsedBytes: measured.measures.heapUsedBytes,
              agoMs: Math.round(now - measured.atMs),
            },
    };
    void import('./crash-keeping.js').then(({ keepCrash }) => keepCrash(ended, this.#host));
  }

  /** V8 aborts when its heap is full, and nothing else has Node leave a report of itself. */
  #hasReport({ process }: Worker, { signal }: Exit): boolean {
    if (signal !== 'SIGABRT') return false;
    try {
      return readdirSync(crashReports(this.#host.stateDirectory)).some((name) => pidOfReport(name) === process.pid);
    } catch {
      return false;
    }
  }

  /** How many like it were left out since the last one; null where this one is too. */
  #admit(way: string): number | null {
    const now = monotonicMs();
    const before = this.#ways.get(way);
    if (before !== undefined && now - before.atMs < ONE_IN_MS) {
      before.skipped++;
      return null;
    }
    if (before === undefined && this.#ways.size >= MAX_WAYS) this.#ways.delete([...this.#ways.keys()][0]!);
    this.#ways.set(way, { atMs: now, skipped: 0 });
    return before?.skipped ?? 0;
  }
}

/** Whether nobody has told it to end; one of a service that ends well by itself is judged by the rules of healing. */
function isCrash(generation: Generation, worker: Worker, { code }: Exit): boolean {
  if (worker.killedBy !== null) return true;
  if (worker.phase === 'stopping') return false;
  if (code !== 0) return true;
  return generation.role === 'incumbent' && generation.healing.slots.get(worker.slot)?.rest !== 'done';
}

/** Of an incumbent the rules have found out whether the kernel has killed it for memory. */
function causeOf({ role, healing }: Generation, { slot }: Worker): 'oom' | null {
  return role === 'incumbent' && healing.slots.get(slot)?.rule === 'oom' ? 'oom' : null;
}
