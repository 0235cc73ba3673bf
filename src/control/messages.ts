/**
 * What is said on the control socket: HTTP over a Unix socket (`curl --unix-socket control.sock http://batond/v1/status`).
 *
 * Which requests there are is in routes.ts, and what each of them answers in api.ts. A reload is answered with a stream
 * of JSON lines, `ReloadLine`, the last one the verdict, or `old-gone` where the end of the old generations was asked for.
 *
 * The stream of a reload ends with the connection and is not chunked, so that the connection can change hands in the
 * middle: the next supervisor writes the rest. If the client goes away before the commit, the reload is abandoned.
 */
import type { Measures } from '../channel/messages.js';
import type { Tier } from '../config/config.js';
import type { Pending } from '../config/in-force.js';
import type { Level } from '../health/levels.js';
import type { HistoryEntry } from '../inventory/history-file.js';
import type { ConnectionTotals } from '../inventory/report.js';
import type { Phase } from '../inventory/worker.js';
import type { ManagedBy } from '../systemd/managed-by.js';

export interface ReloadOutcome {
  readonly ok: boolean;
  /** A code of the table in errors.ts; null when it went well. */
  readonly code: string | null;
  readonly message: string;
  /** The exit status of `batond reload`. */
  readonly exitStatus: number;
  /** The generation that serves now. */
  readonly generation: number | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly durationMs: number;
}

export type ReloadStep =
  | 'takeover'
  | 'verify'
  | 'hook'
  | 'boot'
  | 'probe'
  | 'canary'
  | 'state'
  | 'switch'
  | 'soak'
  | 'commit'
  | 'rollback';

export type ReloadLine =
  | { readonly event: 'step'; readonly step: ReloadStep; readonly message: string; readonly atMs: number }
  | ({ readonly event: 'verdict' } & ReloadOutcome)
  /** Only where it was asked for: no older generation runs any more. */
  | {
      readonly event: 'old-gone';
      /** Connections that were still open when their worker was told to end, as far as workers said. */
      readonly cut: number;
      /** Workers that had to be killed. */
      readonly killed: number;
      readonly message: string;
      readonly atMs: number;
    };

export interface ReloadOptions {
  /** After so many milliseconds from the commit no older generation runs; null leaves each its own deadline. */
  readonly noOldAfterMs: number | null;
  /** Begins it whatever speaks against that: no room, UNHEALTHY, a freeze window, upgrade.min_interval. */
  readonly force: boolean;
  /** Of what asks for it, as W3C Trace Context has it. */
  readonly traceparent?: string;
}

export interface RollbackOptions {
  /** The generation whose release is to serve again; null is the last good one. */
  readonly to: number | null;
  /** As in `ReloadOptions`. */
  readonly force: boolean;
  readonly traceparent?: string;
}

export interface EventOptions {
  /** Nothing before then, in milliseconds since the epoch; null is all that is kept. */
  readonly sinceMs: number | null;
  /** Stays for what happens from now on. */
  readonly follow: boolean;
}

export interface HistoryRow extends Omit<HistoryEntry, 'release' | 'root'> {
  /** Null, as the two below, where the release could not even be resolved. */
  readonly label: string | null;
  /** The folder of the release, resolved; known where `release.current` led to it. */
  readonly directory: string | null;
  /** The entry, or the command line. */
  readonly runs: string | null;
  /** Whether it could be run again. */
  readonly isThere: boolean;
}

export interface ReportSummary {
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly from: number | null;
  readonly to: number | null;
  readonly release: string | null;
  /** Null where there was no verdict yet. */
  readonly ok: boolean | null;
  readonly code: string | null;
  readonly durationMs: number | null;
  /** Of the longest drain; null while one goes on. */
  readonly drainMs: number | null;
  readonly connections: ConnectionTotals;
}

export type HealthStatus = 'ok' | 'degraded' | 'down';

/** One check of one worker, as its app has answered. */
export interface CheckHealth {
  readonly slot: number;
  readonly status: HealthStatus;
  readonly ms: number;
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
  readonly error: string | null;
}

export interface WorkerHealth {
  readonly slot: number;
  /** As `WorkerStatus.process`. */
  readonly process?: string;
  /** Null, as the two below, where the slot has no worker at the moment. */
  readonly pid: number | null;
  readonly phase: Phase | null;
  readonly uptimeMs: number | null;
  readonly level: Level;
  /** Whether it answered in time; null where it was not asked. */
  readonly answered: boolean | null;
}

/** What `/healthz` answers. */
export interface HealthReport {
  /** ok and degraded are 200, down is 503. */
  readonly status: HealthStatus;
  /** Of the service, by what has been of late. */
  readonly level: Level;
  readonly name: string;
  /** Null, as the three below, while nothing serves yet. */
  readonly generation: number | null;
  readonly release: string | null;
  /** The part of its time in service in which the generation was OK, 0 to 1. */
  readonly trust: number | null;
  /** Since its commit. */
  readonly uptimeMs: number | null;
  readonly accepting: number;
  readonly workers: readonly WorkerHealth[];
  /** By the names that the app has registered. */
  readonly checks: Readonly<
    Record<string, { readonly status: HealthStatus; readonly workers: readonly CheckHealth[] }>
  >;
  /** Of batond. */
  readonly version: string;
}

/** What `/readyz` answers. */
export interface Readiness {
  readonly ready: boolean;
  readonly accepting: number;
  readonly stopping: boolean;
}

export interface WorkerStatus {
  readonly slot: number;
  /** "main", or the name of its [[service.process]]; absent where an older supervisor answers. */
  readonly process?: string;
  readonly pid: number;
  readonly phase: Phase;
  readonly uptimeMs: number;
  readonly rssBytes: number | null;
  /** What a program that is not Node says of itself (STATUS=); absent in what an older supervisor says. */
  readonly said?: string | null;
  /** Null for a program that is not Node, or a worker that did not answer in time. */
  readonly measures: Measures | null;
}

/** How the requests of a generation ended since the start of its workers; of programs that are not Node nobody knows. */
export interface AnswersStatus {
  /** Answers of 5xx. */
  readonly errors: number;
  /** Broken off before they were complete. */
  readonly aborted: number;
  /** Null where nothing was answered yet. */
  readonly medianMs: number | null;
  readonly p99Ms: number | null;
}

/** A slot whose last worker ended unasked. */
export interface SlotStatus {
  readonly slot: number;
  /** As `WorkerStatus.process`. */
  readonly process?: string;
  /**
   * What it is about: it is started again soon, kept for a person, done, or runs with `on_dependency_failure`; or it is
   * of an auxiliary process and held until that of an older generation has ended, which is no rule and has no time.
   */
  readonly state: 'waiting' | 'kept' | 'done' | 'standby' | 'held';
  /** The rule that was followed, and how the worker ended. */
  readonly rule: string;
  readonly reason: string;
  /** Since when. */
  readonly forMs: number;
  /** Until it is started again; null where it is not. */
  readonly dueInMs: number | null;
}

export interface ProcessStatus {
  readonly name: string;
  readonly tier: Tier;
  /** How many of it are meant to run. */
  readonly workers: number;
  /** The entry, or the command line. */
  readonly runs: string;
}

export interface GenerationStatus {
  readonly number: number;
  readonly role: 'candidate' | 'incumbent' | 'draining';
  readonly release: string;
  readonly entry: string;
  /** All that run, the main program first; absent where an older supervisor answers. */
  readonly processes?: readonly ProcessStatus[];
  readonly workers: readonly WorkerStatus[];
  /** Absent in what an older supervisor says; null where no worker could say. */
  readonly answers?: AnswersStatus | null;
  /** Absent where an older supervisor answers. */
  readonly slots?: readonly SlotStatus[];
  /** Milliseconds left until its workers are told to go; null while it does not drain. */
  readonly drainLeftMs: number | null;
}

/** Why a service does not run with what its configuration says. */
export interface ConfigProblem {
  /** A code of the table in errors.ts. */
  readonly code: string;
  readonly message: string;
  /** When the configuration in use was found good, in milliseconds since the epoch. */
  readonly configOf: number;
}

export interface Status {
  readonly version: 1;
  readonly name: string;
  readonly state: 'starting' | 'serving' | 'reloading' | 'stopping';
  /** Null where no systemd manages the service. */
  readonly managedBy: ManagedBy | null;
  readonly supervisor: { readonly pid: number; readonly version: string; readonly uptimeMs: number };
  readonly generations: readonly GenerationStatus[];
  readonly listeners: readonly { readonly name: string; readonly address: string; readonly origin: string }[];
  /** Absent in what an older supervisor says. */
  readonly health?: { readonly level: Level; readonly trust: number | null };
  /** How many hundredths of its traffic load balancers should send: see [[degrade]]. An older supervisor does not say it. */
  readonly weight?: number;
  readonly lastReload: ReloadOutcome | null;
  /** Null where the configuration in use is that of the last start or reload. */
  readonly configProblem: ConfigProblem | null;
  /** What of its file has yet to come into force, by a reload or a restart. An older supervisor does not say it. */
  readonly configPending?: readonly Pending[];
  /** The sentence that systemd shows too. */
  readonly summary: string;
}
