/** What the supervisor tells whoever asks: its status in full and in a sentence, what was run, reports, and metrics. */
import type { Answer } from '../admin/routes.js';
import { describePending } from '../config/pending-words.js';
import type { HistoryRow, ReportSummary, Status } from '../control/messages.js';
import { BatondError } from '../errors.js';
import type { Crash, CrashSummary } from '../inventory/crash-files.js';
import { describeListener } from '../inventory/listeners.js';
import type { Mirror } from '../inventory/mirror.js';
import type { Report } from '../inventory/report.js';
import type { ReportFiles } from '../inventory/report-files.js';
import type { LedgerRecord } from '../metrics/ledger.js';
import { monotonicMs } from '../process/monotonic.js';
import { managedBy } from '../systemd/managed-by.js';
import { VERSION } from '../version.js';
import type { Admitter } from './admitter.js';
import type { Degrading } from './degrading.js';
import type { Deployment } from './deployment.js';
import type { Doors } from './doors.js';
import type { Handover } from './handover.js';
import type { HealthKeeper } from './health-keeper.js';
import type { History } from './history.js';
import type { Metrics } from './metrics.js';
import type { Reloads } from './reloads.js';
import { summaryOf } from './report-words.js';
import type { Reporter } from './reporter.js';
import type { Roller } from './roller.js';
import type { Situation } from './situation.js';
import { describeProblem } from './start-config.js';
import { generationStatus } from './status.js';
import { summarize } from './summary.js';

export interface AnswersHost {
  readonly admin: Doors;
  readonly admitter: Admitter;
  readonly degrading: Degrading;
  readonly deployment: Deployment;
  readonly handover: Handover;
  readonly health: HealthKeeper;
  readonly history: History;
  readonly mirror: Mirror;
  readonly reloads: Reloads;
  readonly reporter: Reporter;
  readonly reports: ReportFiles;
  readonly roller: Roller;
}

export class Answers {
  readonly #situation: Situation;
  readonly #host: AnswersHost;
  readonly #startedAtMs = monotonicMs();
  /** Loaded when somebody asks for metrics, and in each supervisor after that one. */
  #metrics: Metrics | null = null;
  #loading: Promise<Metrics> | null = null;
  #recorded: LedgerRecord | null = null;

  constructor(situation: Situation, host: AnswersHost) {
    this.#situation = situation;
    this.#host = host;
  }

  async status(): Promise<Status> {
    const { configPending, inventory, options } = this.#situation;
    const generations = await Promise.all(
      [...inventory.generations.values()].map((one) => generationStatus(one, inventory)),
    );
    return {
      version: 1,
      name: this.#situation.config.name,
      state: this.state,
      managedBy: managedBy(options.env),
      supervisor: { pid: process.pid, version: VERSION, uptimeMs: monotonicMs() - this.#startedAtMs },
      generations,
      listeners: inventory.listeners.all().map((listener) => ({
        name: listener.name,
        address: describeListener(listener),
        origin: listener.origin,
      })),
      health: { level: this.#host.health.level, trust: this.#host.health.trust },
      weight: this.weight,
      lastReload: inventory.lastReload,
      configProblem: this.#situation.configProblem,
      configPending,
      summary: this.summary(),
    };
  }

  /** How many hundredths of its traffic load balancers should send. */
  get weight(): number {
    return this.downBecause === null ? this.#host.degrading.weight : 0;
  }

  /** Why it serves nobody; null while it does. */
  get downBecause(): 'stopping' | 'starting' | null {
    const { stopping, inventory } = this.#situation;
    if (stopping) return 'stopping';
    return inventory.incumbent === null ? 'starting' : null;
  }

  /** How things stand, in sentences. */
  summary(): string {
    const { admin, admitter, degrading, deployment, handover, health, mirror, roller } = this.#host;
    const { configPending, configProblem, inventory, options, stopping } = this.#situation;
    const { doing } = deployment;
    const { problem } = mirror;
    const { waiting } = admitter;
    const { saying } = degrading;
    const { trial } = roller;
    return [
      summarize(inventory, roller.state, !handover.idle, stopping),
      ...(trial === null ? [] : [trial]),
      ...(health.sentence === null || stopping ? [] : [health.sentence]),
      ...(configProblem === null ? [] : [describeProblem(configProblem)]),
      ...(configPending.length === 0 ? [] : [describePending(configPending)]),
      ...options.remarks,
      ...(admin.problem === null ? [] : [admin.problem]),
      ...(doing === null ? [] : [doing]),
      ...(saying === null ? [] : [saying]),
      ...(waiting === null ? [] : [waiting]),
      ...(problem === null ? [] : [`A supervisor that dies cannot be replaced whole: ${problem}.`]),
    ].join(' ');
  }

  /** For Prometheus, in the format that `accept` asks for. */
  async metrics(accept: string | undefined): Promise<Answer> {
    return (await this.#loadMetrics()).scrape(accept);
  }

  /** What metrics keep; null where nobody has asked for any. */
  get metricsRecord(): LedgerRecord | null {
    return this.#metrics?.record ?? this.#recorded;
  }

  /** Somebody has asked a supervisor before this one, so they are kept from here on. */
  restoreMetrics(record: LedgerRecord | null): void {
    this.#recorded = record;
    if (record === null) return;
    this.#loadMetrics().catch((error: Error) => {
      this.#situation.options.log.error({ event: 'metrics', err: error }, `no metrics are kept: ${error.message}`);
    });
  }

  /** Says it to the metrics, where somebody has asked for them. */
  metered(say: (metrics: Metrics) => void): void {
    if (this.#metrics !== null) say(this.#metrics);
    // What could not be loaded has been said by whoever loaded it.
    else this.#loading?.then(say).catch(() => {});
  }

  #loadMetrics(): Promise<Metrics> {
    this.#loading ??= import('./metrics.js').then(
      ({ Metrics }) => {
        const host = { ...this.#host, weight: () => this.weight, state: () => this.state };
        this.#metrics = new Metrics(this.#situation, host, this.#recorded);
        return this.#metrics;
      },
      (error: Error) => {
        this.#loading = null;
        throw error;
      },
    );
    return this.#loading;
  }

  history(): HistoryRow[] {
    return this.#host.history.rows();
  }

  async crashes(): Promise<readonly CrashSummary[]> {
    const { readCrashes, summaryOfCrash } = await import('../inventory/crash-files.js');
    return readCrashes(this.#situation.options.paths.stateDirectory).map(summaryOfCrash);
  }

  /** Throws NO_CRASH. */
  async crash(id: string): Promise<Crash> {
    const { readCrash } = await import('../inventory/crash-files.js');
    const crash = readCrash(this.#situation.options.paths.stateDirectory, id);
    if (crash === null) throw new BatondError('NO_CRASH', { id });
    return crash;
  }

  reports(): ReportSummary[] {
    const { reports } = this.#host;
    return reports.numbers().flatMap((number) => {
      const report = reports.read(number);
      return report === null ? [] : summaryOf(report);
    });
  }

  /** Null is the last one. Throws NO_REPORT. */
  report(number: number | null): Report {
    const { reports } = this.#host;
    const wanted = number ?? reports.numbers().at(-1) ?? null;
    const report = wanted === null ? null : reports.read(wanted);
    if (report === null) throw new BatondError('NO_REPORT', { number: wanted });
    return report;
  }

  get state(): Status['state'] {
    const { stopping, inventory } = this.#situation;
    if (stopping) return 'stopping';
    if (inventory.incumbent === null) return 'starting';
    return this.#host.reloads.busy ? 'reloading' : 'serving';
  }
}
