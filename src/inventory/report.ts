/**
 * The report of one reload: what it took, what became of the connections, and what it was in the end. Plain data: it is
 * on disk as it is here, travels to the next supervisor while the reload goes on, and is what `batond report` shows.
 *
 * A report is complete when the last generation that the reload sent away is gone, which may be long after its verdict.
 */
import type { DrainTally, Holdings } from '../channel/messages.js';
import type { TrialFigures } from '../health/figures.js';

import type { Remained } from './remained.js';
import type { Series } from './series.js';

export const REPORT_VERSION = 1;

/**
 * The parts of a reload in their order; 'rollback' in place of what did not come to be, 'verify' and 'hook' only where
 * the config asks for them, as 'canary', 'state' only where an app passes state on. A hook after the commit is a part too.
 */
export type ReportPhase =
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

/** Why connections ended that their clients had not given up. */
export type CutCause =
  /** Closed by their worker while idle. */
  | 'idle'
  /** Still open when upgrade.drain_timeout had passed and the worker was told to end. */
  | 'drainTimeout'
  /** Still open when no older generation was to run any more. */
  | 'noOldAfter';

/** A generation that the reload sent away: the one that served before, or after a rollback the candidate. */
export interface DrainReport {
  readonly generation: number;
  /** When it was told to, since the reload began; absent in what an older batond wrote. */
  readonly atMs?: number;
  /** From the order to drain until its last worker had ended; null while it goes on. */
  ms: number | null;
  /** Connections by what became of them, as the workers counted. */
  moved: number;
  finished: number;
  told: number;
  readonly cut: Record<CutCause, number>;
  /** Workers that were told to end before they had drained, had to be killed, or ended unasked: their counts are lost. */
  readonly workers: { timedOut: number; killed: number; lost: number };
  /** What held the workers that did not end in time; absent where all did. */
  held?: Held[];
  /** Of its workers that drained in time; absent where none has said. */
  remained?: Remained;
}

/** What held a worker that did not end in time, as far as it said. */
export interface Held {
  readonly slot: number;
  /** Before SIGTERM, which came by upgrade.drain_timeout or --no-old-after; or before SIGKILL. */
  readonly before: 'SIGTERM' | 'SIGKILL';
  /** Null where it did not answer. */
  readonly by: Holdings | null;
}

/** What the app passed on to the next generation. */
export interface StateReport {
  /** Of all workers together. */
  readonly bytes: number;
  /** Workers that gave something. */
  readonly workers: number;
  /** Of all workers, which save one after the other. */
  readonly saveMs: number;
  /** Of the worker that took longest, since they restore at the same time. */
  readonly restoreMs: number;
  /** States that could not be had, and that the app began without. */
  readonly lost: number;
}

/** What the workers of one generation counted while a step of a canary lasted. */
export interface CanaryCounts {
  readonly connections: number;
  readonly requests: number;
}

export interface CanaryReport {
  /** Thousandths of the new connections, or of the values of what was matched. */
  readonly share: number;
  /** "header x-canary: v2", "cookie sid"; null where it was chance. */
  readonly match: string | null;
  readonly ms: number;
  /** Those of workers that ended meanwhile are lost. */
  readonly candidate: CanaryCounts;
  readonly incumbent: CanaryCounts;
}

/** What a candidate counted on trial, and what it was compared with. */
export interface TrialReport {
  /** As long as it was to last, and as it did. */
  readonly forMs: number;
  readonly ms: number;
  /** What spoke against the candidate, in numbers; null where nothing did. */
  readonly failed: string | null;
  readonly candidate: TrialFigures;
  readonly incumbent: TrialFigures;
}

/** What is kept of the candidate, which failed. */
export interface EvidenceReport {
  /** Absolute. */
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** What was asked for and could not be had. */
  readonly missing: readonly { readonly what: string; readonly reason: string }[];
}

export interface Report {
  readonly version: typeof REPORT_VERSION;
  readonly number: number;
  /** 'regret': nobody asked; a generation that kept crashing was given up for the last good release. */
  readonly kind: 'reload' | 'rollback' | 'regret';
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** The generation that served when it began. */
  readonly from: number | null;
  /** What asked for it in the words of W3C Trace Context; absent where it did not say. */
  readonly traceparent?: string;
  /** The generation that was to replace it; null where the takeover failed before. */
  to: number | null;
  release: string | null;
  /** Null while it is under way, and for ever where the supervisor died in the middle. */
  verdict: { readonly ok: boolean; readonly code: string | null; readonly message: string } | null;
  /** From its start to the verdict. */
  durationMs: number | null;
  readonly phases: { readonly phase: ReportPhase; readonly ms: number }[];
  readonly drains: DrainReport[];
  /** Absent where there was none to pass on. */
  state?: StateReport;
  /** The steps that came to their end; absent where there was none. */
  canary?: readonly CanaryReport[];
  /** Absent where there was none, or it had hardly begun. */
  soak?: TrialReport;
  /** Absent where none was asked for, or it is still being gathered. */
  evidence?: EvidenceReport;
  /** How the generations went on meanwhile; absent in what an older batond wrote. */
  series?: Series;
  /** The highest that was seen, looked at when a phase begins, at the end, and whenever state has moved. */
  readonly peak: {
    /**
     * Resident memory of the supervisors and all workers, and state on its way; what they share is counted for each of
     * them. What a process had between two looks counts where it was its highest ever.
     */
    rssBytes: number;
    /** Open descriptors of the same processes. */
    fds: number;
  };
}

/** A report that is not complete, with the marks (milliseconds of CLOCK_MONOTONIC) that its lengths are measured from. */
export interface OpenReport {
  readonly report: Report;
  readonly sinceMs: number;
  phase: { readonly name: ReportPhase; readonly sinceMs: number } | null;
  /** By the number of the generation. */
  readonly drainSinceMs: Record<number, number>;
}

/** What of the reports travels to the next supervisor. */
export interface ReporterRecord {
  /** The number of the newest report. */
  readonly last: number;
  readonly open: readonly OpenReport[];
  /** Of the supervisor that says it. */
  readonly pid: number;
}

export function newReport(
  number: number,
  kind: Report['kind'],
  from: number | null,
  nowMs: number,
  traceparent?: string,
): OpenReport {
  const report: Report = {
    version: REPORT_VERSION,
    number,
    kind,
    startedAt: Date.now(),
    from,
    ...(traceparent !== undefined && { traceparent }),
    to: null,
    release: null,
    verdict: null,
    durationMs: null,
    phases: [],
    drains: [],
    peak: { rssBytes: 0, fds: 0 },
  };
  return { report, sinceMs: nowMs, phase: null, drainSinceMs: {} };
}

/** Ends the phase under way and begins the next, or none. */
export function enterPhase(open: OpenReport, name: ReportPhase | null, nowMs: number): void {
  if (open.phase?.name === name) return;
  if (open.phase !== null) open.report.phases.push({ phase: open.phase.name, ms: rounded(nowMs - open.phase.sinceMs) });
  open.phase = name === null ? null : { name, sinceMs: nowMs };
}

export function beginDrain(open: OpenReport, generation: number, nowMs: number): void {
  if (open.drainSinceMs[generation] !== undefined) return;
  open.drainSinceMs[generation] = nowMs;
  open.report.drains.push({
    generation,
    atMs: rounded(nowMs - open.sinceMs),
    ms: null,
    moved: 0,
    finished: 0,
    told: 0,
    cut: { idle: 0, drainTimeout: 0, noOldAfter: 0 },
    workers: { timedOut: 0, killed: 0, lost: 0 },
  });
}

export function addTally(drain: DrainReport, tally: DrainTally): void {
  drain.moved += tally.moved;
  drain.finished += tally.finished;
  drain.told += tally.told;
  drain.cut.idle += tally.cut;
}

export function endDrain(open: OpenReport, generation: number, nowMs: number): void {
  const drain = open.report.drains.find((one) => one.generation === generation);
  if (drain !== undefined) drain.ms ??= rounded(nowMs - (open.drainSinceMs[generation] ?? nowMs));
}

export function isComplete({ verdict, drains }: Report): boolean {
  return verdict !== null && drains.every(({ ms }) => ms !== null);
}

export interface ConnectionTotals {
  readonly moved: number;
  readonly finished: number;
  readonly told: number;
  readonly cut: number;
}

export function totals({ drains }: Report): ConnectionTotals {
  const sum = (of: (drain: DrainReport) => number) => drains.reduce((all, drain) => all + of(drain), 0);
  return {
    moved: sum(({ moved }) => moved),
    finished: sum(({ finished }) => finished),
    told: sum(({ told }) => told),
    cut: sum(({ cut }) => cut.idle + cut.drainTimeout + cut.noOldAfter),
  };
}

const rounded = (ms: number) => Math.round(ms * 10) / 10;
