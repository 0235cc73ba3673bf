/**
 * The inventory: all that makes the service live. A supervisor is replaceable because everything that it must not lose
 * is in here and can be written down as plain data with a list of named descriptors, and restored from the two.
 */

import type { RuleRecord } from '../circuit/rule.js';
import type { ReloadOutcome } from '../control/messages.js';
import type { AgeRecord } from '../health/growth.js';
import type { LedgerRecord } from '../metrics/ledger.js';
import { type Fd, native } from '../native.js';
import type { Release } from '../release/release.js';
import type { AdminRecord } from './admin-socket.js';
import type { Attempt } from './attempt.js';
import { Descriptor } from './descriptor.js';
import { Generation, type GenerationRecord } from './generation.js';
import { type ListenerRecord, Listeners, recordOf } from './listeners.js';
import type { ReporterRecord } from './report.js';
import { Worker, type WorkerEvents } from './worker.js';

export const SNAPSHOT_VERSION = 1;

export interface Snapshot {
  readonly version: number;
  readonly name: string;
  readonly nextGeneration: number;
  readonly nextListener: number;
  readonly listeners: readonly ListenerRecord[];
  readonly generations: readonly GenerationRecord[];
  readonly notifyPaths: Readonly<Record<string, string>>;
  /** Releases that were committed, the newest first. */
  readonly good: readonly Release[];
  readonly lastReload: ReloadOutcome | null;
  /** Milliseconds since the epoch: when the service was first started. */
  readonly serviceStartedAt: number;
  /** When whoever waits for the verdict of a reload began to wait, milliseconds of CLOCK_MONOTONIC. */
  readonly reloadSinceMs: number | null;
  /** What that reload asked for: see `ReloadOptions`. Absent, as all below, in what an older supervisor wrote. */
  readonly noOldAfterMs?: number | null;
  /** Clients that wait until the older generations are gone: their descriptors are `patient.<report>`. */
  readonly patient?: readonly { readonly report: number; readonly sinceMs: number }[];
  readonly reports?: ReporterRecord;
  /** The one under way. */
  readonly attempt?: Attempt | null;
  /** Which target of release.current was tried last: see `Target.identity`. */
  readonly tried?: string | null;
  /** Where load balancers ask: its descriptor is `admin.<address>`. */
  readonly admin?: AdminRecord | null;
  /** The same for HAProxy's agent check: its descriptor is `agent.<address>`. */
  readonly agent?: AdminRecord | null;
  /** Of [[degrade]], and where each stands. */
  readonly rules?: readonly RuleRecord[];
  /** Its descriptors are in the fd store, under the names of stored-names.ts. */
  readonly mirrored?: boolean;
  /** How many processes the kernel had killed for memory in the service's control group; null where nobody counts. */
  readonly oomKills?: number | null;
  /** What generations held when they were a minute old, the oldest first. */
  readonly ages?: readonly AgeRecord[];
  /** Until when SIGUSR1 has raised the level of the log, milliseconds of CLOCK_MONOTONIC; null while it has not. */
  readonly debugUntilMs?: number | null;
  /** What metrics keep; null where nobody has asked for any. */
  readonly metrics?: LedgerRecord | null;
  /** The `Config` with which the generation that serves is kept, as far as this batond understands it; in a file only where another one is in use, during a reload. */
  readonly config?: unknown;
}

/** What a takeover hands on and no file may ever hold. */
export interface Secrets {
  readonly tickets?: { readonly secret: string; readonly madeAtMs: number } | null;
}

/** Descriptors by name; the names are what a restore looks for, never the order. */
export type NamedFds = Map<string, Fd>;

export class Inventory {
  listeners: Listeners;
  readonly name: string;
  readonly generations = new Map<number, Generation>();
  nextGeneration = 1;
  good: Release[] = [];
  lastReload: ReloadOutcome | null = null;
  serviceStartedAt = Date.now();

  /** `runtimeDirectory` is the service's own, for names that must not be seen elsewhere. */
  constructor(name: string, runtimeDirectory: string) {
    this.name = name;
    this.listeners = new Listeners(runtimeDirectory);
  }

  workers(): Worker[] {
    return [...this.generations.values()].flatMap((generation) => [...generation.workers.values()]);
  }

  get incumbent(): Generation | null {
    return this.byRole('incumbent')[0] ?? null;
  }

  get candidate(): Generation | null {
    return this.byRole('candidate')[0] ?? null;
  }

  byRole(role: Generation['role']): Generation[] {
    return [...this.generations.values()].filter((generation) => generation.role === role);
  }

  /** Closes the listeners that no generation claims any more. */
  sweepListeners(): void {
    this.listeners.keepOnly(new Set([...this.generations.values()].flatMap((generation) => [...generation.claimed])));
  }

  snapshot(): { readonly state: Snapshot; readonly fds: NamedFds } {
    const fds: NamedFds = new Map();
    const notifyPaths: Record<string, string> = {};
    for (const { name, descriptor, canary } of this.listeners.all()) {
      fds.set(`listener.${name}`, descriptor.fd);
      if (canary instanceof Descriptor) fds.set(`canary.${name}`, canary.fd);
    }
    for (const worker of this.workers()) {
      const { pidfd, channel, notify, pipes } = worker.descriptors;
      fds.set(`pidfd.${worker.id}`, pidfd);
      if (pipes !== null) {
        fds.set(`out.${worker.id}`, pipes.out);
        fds.set(`err.${worker.id}`, pipes.err);
      }
      if (channel !== null) fds.set(`channel.${worker.id}`, channel);
      if (notify !== null) {
        fds.set(`notify.${worker.id}`, notify.fd);
        notifyPaths[worker.id] = notify.path;
      }
    }
    const state: Snapshot = {
      version: SNAPSHOT_VERSION,
      name: this.name,
      nextGeneration: this.nextGeneration,
      nextListener: this.listeners.next,
      listeners: this.listeners.all().map(recordOf),
      generations: [...this.generations.values()].map((generation) => generation.record),
      notifyPaths,
      good: this.good,
      lastReload: this.lastReload,
      serviceStartedAt: this.serviceStartedAt,
      reloadSinceMs: null,
    };
    return { state, fds };
  }

  /** The names of the descriptors that a snapshot speaks of and that are not among these. */
  static missing(state: Snapshot, names: ReadonlySet<string>): string[] {
    return requiredNames(state).filter((name) => !names.has(name));
  }

  /** Rebuilds the inventory whatever its source; it takes the descriptors, and closes those that nothing speaks of. */
  static restore(state: Snapshot, fds: NamedFds, runtimeDirectory: string, events: WorkerEvents): Inventory {
    const take = (name: string): Fd => {
      const fd = fds.get(name);
      if (fd === undefined) throw new Error(`the inventory lacks the descriptor ${name}`);
      fds.delete(name);
      return fd;
    };
    const inventory = new Inventory(state.name, runtimeDirectory);
    inventory.listeners = new Listeners(runtimeDirectory, state.nextListener);
    inventory.nextGeneration = state.nextGeneration;
    inventory.good = [...state.good];
    inventory.lastReload = state.lastReload;
    inventory.serviceStartedAt = state.serviceStartedAt;
    for (const record of state.listeners) {
      const canary = record.canary === 'kept' ? take(`canary.${record.name}`) : null;
      inventory.listeners.adopt(record, take(`listener.${record.name}`), canary);
    }
    for (const record of state.generations) {
      const generation = new Generation(record);
      inventory.generations.set(generation.number, generation);
      for (const worker of record.workers) {
        const path = state.notifyPaths[worker.id];
        const descriptors = {
          pidfd: take(`pidfd.${worker.id}`),
          channel: path === undefined ? take(`channel.${worker.id}`) : null,
          notify: path === undefined ? null : { fd: take(`notify.${worker.id}`), path },
          pipes: worker.piped === true ? { out: take(`out.${worker.id}`), err: take(`err.${worker.id}`) } : null,
        };
        generation.workers.set(worker.slot, new Worker(worker, descriptors, events));
      }
    }
    for (const fd of fds.values()) native().close(fd);
    return inventory;
  }
}

function requiredNames(state: Snapshot): string[] {
  return [
    ...state.listeners.map(({ name }) => `listener.${name}`),
    ...state.listeners.filter(({ canary }) => canary === 'kept').map(({ name }) => `canary.${name}`),
    ...state.generations.flatMap(({ workers }) =>
      workers.flatMap(({ id, piped }) => [
        `pidfd.${id}`,
        state.notifyPaths[id] === undefined ? `channel.${id}` : `notify.${id}`,
        ...(piped === true ? [`out.${id}`, `err.${id}`] : []),
      ]),
    ),
  ];
}
