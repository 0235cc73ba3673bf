/**
 * Keeps the report of each reload that is not complete: hears what happens, measures the phases, and writes the file at
 * the verdict and again when the drain is over. A disk that fails is said, and stops nothing.
 *
 * Memory and descriptors are looked at when a phase begins, never by a timer: a report must cost nothing between reloads.
 * What goes on meanwhile is recorded beside it, by series-recorder.ts.
 */
import type { DrainTally, Holdings } from '../channel/messages.js';
import type { ReloadOutcome } from '../control/messages.js';
import type { Generation } from '../inventory/generation.js';
import { addRemained } from '../inventory/remained.js';
import {
  addTally,
  beginDrain,
  type CanaryReport,
  type CutCause,
  type DrainReport,
  type EvidenceReport,
  endDrain,
  enterPhase,
  type Held,
  isComplete,
  newReport,
  type OpenReport,
  type Report,
  type ReporterRecord,
  type ReportPhase,
  type StateReport,
  type TrialReport,
  totals,
} from '../inventory/report.js';
import type { ReportFiles } from '../inventory/report-files.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';
import { openFiles } from '../process/open-files.js';
import { resident } from '../process/resident.js';
import type { RollState } from '../roll/roll.js';

/** Null: it goes on as it is called already. */
const PHASES: Record<RollState, ReportPhase | null> = {
  steady: null,
  booting: 'boot',
  probing: 'probe',
  // Only where it has steps: see `canarying`.
  canarying: null,
  // Only where there is state: see `passing`.
  restoring: null,
  switching: 'switch',
  soaking: 'soak',
  committing: 'commit',
  rollingBack: 'rollback',
};

export class Reporter {
  readonly #files: ReportFiles;
  readonly #log: Log;
  readonly #workerPids: () => number[];
  readonly #onVerdict: (report: Report) => void;
  readonly #onComplete: (report: Report) => void;
  readonly #onBegun: () => void;
  #open: OpenReport[] = [];
  #last = 0;
  /** The one whose verdict is still to come. */
  #current: OpenReport | null = null;
  /** By pid: the most that the process ever had when it was last looked at; empty before the first look of a reload. */
  #highest = new Map<number, number>();

  constructor(options: {
    readonly files: ReportFiles;
    readonly log: Log;
    readonly workerPids: () => number[];
    readonly onVerdict: (report: Report) => void;
    /** Nothing more will come: every generation that the reload sent away is gone. */
    readonly onComplete: (report: Report) => void;
    readonly onBegun: () => void;
  }) {
    this.#files = options.files;
    this.#log = options.log;
    this.#workerPids = options.workerPids;
    this.#onVerdict = options.onVerdict;
    this.#onComplete = options.onComplete;
    this.#onBegun = options.onBegun;
  }

  get record(): ReporterRecord {
    return { last: this.#last, open: this.#open, pid: process.pid };
  }

  /** Goes on with what the predecessor had begun. It still lives, and its memory counts. */
  restore(record: ReporterRecord): void {
    this.#last = record.last;
    this.#open = [...record.open];
    this.#current = this.#open.find(({ report }) => report.verdict === null) ?? null;
    this.#sample([record.pid]);
  }

  begin(kind: Report['kind'], from: number | null, traceparent?: string): void {
    this.#last = Math.max(this.#last, this.#files.numbers().at(-1) ?? 0) + 1;
    this.#current = newReport(this.#last, kind, from, monotonicMs(), traceparent);
    this.#highest.clear();
    this.#open.push(this.#current);
    this.#onBegun();
  }

  /** Those that are not complete. */
  get open(): readonly OpenReport[] {
    return this.#open;
  }

  /** The number of the reload under way; null where there is none. */
  get number(): number | null {
    return this.#current?.report.number ?? null;
  }

  takeover(): void {
    this.#enter('takeover');
  }

  /** What surrounds the roll: see Deployment. */
  surrounding(phase: 'verify' | 'hook'): void {
    this.#enter(phase);
  }

  entered(state: RollState, candidate: Generation | null): void {
    if (this.#current === null) return;
    if (candidate !== null) {
      this.#current.report.to = candidate.number;
      this.#current.report.release = candidate.release.label;
    }
    const phase = PHASES[state];
    if (phase !== null) this.#enter(phase);
  }

  /** The app's state is being passed on; so many bytes of it are in neither process. */
  passing(state: StateReport, onTheWayBytes: number): void {
    if (this.#current === null) return;
    this.#current.report.state = state;
    enterPhase(this.#current, 'state', monotonicMs());
    this.#sample([], onTheWayBytes);
  }

  /** A canary begins, or one of its steps is over. */
  canarying(step: CanaryReport | null): void {
    if (this.#current === null) return;
    const { report } = this.#current;
    if (step !== null) report.canary = [...(report.canary ?? []), step];
    this.#enter('canary');
  }

  /** What a trial came to, or as far as it came. */
  soaked(soak: TrialReport): void {
    if (this.#current !== null) this.#current.report.soak = soak;
  }

  verdict({ ok, code, message }: ReloadOutcome): void {
    const current = this.#current;
    if (current === null) return;
    const now = monotonicMs();
    enterPhase(current, null, now);
    this.#sample([]);
    this.#current = null;
    current.report.verdict = { ok, code, message };
    current.report.durationMs = Math.round((now - current.sinceMs) * 10) / 10;
    this.#onVerdict(current.report);
    this.#settle(current);
  }

  /** The reload under way sends this generation away, or hastens what an older reload sent away. */
  drains(generation: number): void {
    if (this.#current !== null) beginDrain(this.#current, generation, monotonicMs());
  }

  drained(generation: number, tally: DrainTally): void {
    this.#each(generation, (drain) => addTally(drain, tally));
  }

  /** A worker was told to end although connections were still open; null where it did not say how many. */
  timedOut(generation: number, cause: CutCause, connections: number | null): void {
    this.#each(generation, (drain) => {
      drain.workers.timedOut++;
      drain.cut[cause] += connections ?? 0;
    });
  }

  /** It did not end in time, and this is why. A worker is asked twice at most. */
  held(generation: number, held: Held): void {
    this.#each(generation, (drain) => {
      drain.held = [...(drain.held ?? []), held];
    });
  }

  /** A worker that drained in time has said what it held before, and what is left of it. */
  remained(generation: number, before: Holdings, left: Holdings): void {
    this.#each(generation, (drain) => {
      drain.remained = addRemained(drain.remained, before, left);
    });
  }

  /** What is kept of a candidate; it may come when the report is complete, because nothing was left to drain. */
  evidence(generation: number, evidence: EvidenceReport): void {
    const open = this.#open.find(({ report }) => report.to === generation);
    if (open !== undefined) {
      open.report.evidence = evidence;
      if (open.report.verdict !== null) this.#write(open.report);
      return;
    }
    const report = this.#files.read(this.#last);
    if (report?.to !== generation) return;
    report.evidence = evidence;
    this.#write(report);
  }

  killed(generation: number): void {
    this.#each(generation, ({ workers }) => {
      workers.killed++;
    });
  }

  /** A worker ended while it drained, without having been told to. */
  lost(generation: number): void {
    this.#each(generation, ({ workers }) => {
      workers.lost++;
    });
  }

  gone(generation: number): void {
    const now = monotonicMs();
    for (const open of this.#open.filter(({ drainSinceMs }) => drainSinceMs[generation] !== undefined)) {
      endDrain(open, generation, now);
      this.#settle(open);
    }
  }

  #enter(phase: ReportPhase): void {
    if (this.#current === null) return;
    enterPhase(this.#current, phase, monotonicMs());
    this.#sample([]);
  }

  #each(generation: number, change: (drain: DrainReport) => void): void {
    for (const { report } of this.#open) {
      const drain = report.drains.find((one) => one.generation === generation);
      if (drain !== undefined) change(drain);
    }
  }

  /** Writes it where its verdict is known, and lets go of it when nothing more will come. */
  #settle(open: OpenReport): void {
    const { report } = open;
    if (report.verdict === null) return;
    this.#write(report);
    if (!isComplete(report)) return;
    this.#open = this.#open.filter((other) => other !== open);
    this.#summarize(report);
    this.#onComplete(report);
  }

  #write(report: Report): void {
    try {
      this.#files.write(report);
    } catch (error) {
      const { message } = error as Error;
      this.#log.error(
        { event: 'report-unwritable', err: error },
        `report ${report.number} could not be written: ${message}`,
      );
    }
  }

  #summarize(report: Report): void {
    const { moved, finished, told, cut } = totals(report);
    const { number, verdict, to, from, durationMs, phases, drains, state, peak } = report;
    const drainMs = Math.max(0, ...drains.map(({ ms }) => ms ?? 0));
    const fields = {
      event: 'report',
      report: number,
      code: verdict?.code ?? undefined,
      generation: to ?? undefined,
      from,
      durationMs,
      drainMs,
      ...Object.fromEntries(phases.map(({ phase, ms }) => [`${phase}Ms`, ms])),
      moved,
      finished,
      told,
      cut,
      stateBytes: state?.bytes,
      stateSaveMs: state?.saveMs,
      stateRestoreMs: state?.restoreMs,
      stateLost: state?.lost,
      peakRssBytes: peak.rssBytes,
      peakFds: peak.fds,
    };
    const megabytes = Math.round(peak.rssBytes / 2 ** 20);
    this.#log.info(
      fields,
      `report ${number}: ${verdict?.ok === true ? 'done' : 'failed'} in ${Math.round(durationMs ?? 0)} ms, ` +
        `drained in ${Math.round(drainMs)} ms; connections: ${moved} moved, ${finished} finished, ${told} told, ` +
        `${cut} cut; at most ${megabytes} MB and ${peak.fds} descriptors`,
    );
  }

  #sample(others: readonly number[], besideBytes = 0): void {
    if (this.#current === null) return;
    const { peak } = this.#current.report;
    const pids = [process.pid, ...others, ...this.#workerPids()];
    const sum = (of: (pid: number) => number | null) => pids.reduce((all, pid) => all + (of(pid) ?? 0), 0);
    const isFirst = this.#highest.size === 0;
    peak.rssBytes = Math.max(peak.rssBytes, besideBytes + sum((pid) => this.#mostSince(pid, isFirst)));
    peak.fds = Math.max(peak.fds, sum(openFiles));
  }

  /** What it has, or more where it had more since the last look and never as much before. */
  #mostSince(pid: number, isFirst: boolean): number | null {
    const found = resident(pid);
    if (found === null) return null;
    const before = isFirst ? found.highestBytes : (this.#highest.get(pid) ?? 0);
    this.#highest.set(pid, found.highestBytes);
    return found.highestBytes > before ? found.highestBytes : found.bytes;
  }
}
