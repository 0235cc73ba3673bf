/**
 * One scrape: asks the workers, looks at processes, control group and supervisor, and writes it all down. Whoever asks
 * while another waits, or within a second of it, gets the same answer.
 *
 * A worker that does not answer within a second is told of as it was heard last. It is not asked again before it has
 * answered or some time has passed: what it is sent waits in its socket, which is not for metrics to fill.
 */

import { COLLECTION_KINDS } from '../channel/messages.js';
import { fires } from '../circuit/rule.js';
import type { Status } from '../control/messages.js';
import { LEVELS } from '../health/levels.js';
import type { Generation } from '../inventory/generation.js';
import type { Mirror } from '../inventory/mirror.js';
import type { Worker } from '../inventory/worker.js';
import { countsOf, DELAY_BOUNDS, DURATION_BOUNDS, LENGTH_BOUNDS, plus } from '../metrics/counts.js';
import { type Exposition, expose, type Format, formatFor } from '../metrics/exposition.js';
import { type Family, type LabelValues, METRIC_NAMES, type MetricName, Sheet } from '../metrics/families.js';
import { groupFigures } from '../process/group-figures.js';
import { monotonicMs } from '../process/monotonic.js';
import { openFiles } from '../process/open-files.js';
import { residentBytes } from '../process/resident.js';
import { VERSION } from '../version.js';
import type { Degrading } from './degrading.js';
import { termAt } from './drainer.js';
import type { HealthKeeper } from './health-keeper.js';
import type { Metrics } from './metrics.js';
import type { Reloads } from './reloads.js';
import type { Reporter } from './reporter.js';
import type { Roller } from './roller.js';
import type { Situation } from './situation.js';

export interface ScrapeHost {
  readonly degrading: Degrading;
  readonly health: HealthKeeper;
  readonly mirror: Mirror;
  readonly reloads: Reloads;
  readonly reporter: Reporter;
  readonly roller: Roller;
  /** Of 100. */
  weight(): number;
  state(): Status['state'];
}

/** For so long an answer is as good as a new one. */
const KEPT_MS = 1_000;
/** A worker that has left a question unanswered is asked again after so long. */
const PATIENCE_MS = 30_000;
/** How far ahead the timer is set whose lateness is that of the supervisor. */
const TIMER_MS = 10;

const STATES: readonly Status['state'][] = ['starting', 'serving', 'reloading', 'stopping'];

export class Scrape {
  readonly #situation: Situation;
  readonly #metrics: Metrics;
  readonly #host: ScrapeHost;
  readonly #askedAt = new WeakMap<Worker, number>();
  #gathering: Promise<void> | null = null;
  #families: readonly Family[] = [];
  #gatheredAtMs = Number.NEGATIVE_INFINITY;
  readonly #texts = new Map<Format, Promise<Exposition>>();

  constructor(situation: Situation, metrics: Metrics, host: ScrapeHost) {
    this.#situation = situation;
    this.#metrics = metrics;
    this.#host = host;
  }

  async tell(accept: string | undefined): Promise<Exposition> {
    if (monotonicMs() - this.#gatheredAtMs >= KEPT_MS) {
      this.#gathering ??= this.#gather().finally(() => {
        this.#gathering = null;
      });
      await this.#gathering;
    }
    const format = formatFor(accept);
    const { name } = this.#situation.config;
    const text = this.#texts.get(format) ?? expose(this.#families, name, format);
    this.#texts.set(format, text);
    return text;
  }

  async #gather(): Promise<void> {
    const { inventory } = this.#situation;
    let lateMs: number | null = null;
    await this.#metrics.ask(() => [
      ...inventory.workers().map((worker) => this.#ask(worker)),
      lateness().then((ms) => {
        lateMs = ms;
      }),
    ]);
    const sheet = new Sheet();
    this.#addService(sheet);
    this.#addReloads(sheet);
    for (const generation of inventory.generations.values()) this.#addGeneration(sheet, generation);
    for (const { name, labels, counts } of this.#metrics.ledger.occurrences) addOccurrence(sheet, name, labels, counts);
    addGroup(sheet);
    sheet.add('batond_supervisor_event_loop_delay_seconds', {}, lateMs === null ? null : lateMs / 1_000);
    // On record before it is told: whoever comes after a supervisor that dies now must not tell less.
    this.#host.mirror.flush();
    this.#families = sheet.families;
    this.#texts.clear();
    this.#gatheredAtMs = monotonicMs();
  }

  async #ask(worker: Worker): Promise<void> {
    if (!isAsked(worker)) return;
    const now = monotonicMs();
    const askedAt = this.#askedAt.get(worker);
    if (askedAt !== undefined && !heardSince(worker, askedAt) && now - askedAt < PATIENCE_MS) return;
    this.#askedAt.set(worker, now);
    await worker.measure({ scraped: true });
  }

  #addService(sheet: Sheet): void {
    const { configProblem, inventory } = this.#situation;
    const { degrading, health, mirror } = this.#host;
    const state = this.#host.state();
    sheet.add('batond_build_info', { version: VERSION, node: process.version }, 1);
    for (const one of STATES) sheet.add('batond_service_state', { state: one }, one === state);
    for (const level of LEVELS) sheet.add('batond_service_level', { level }, level === health.level);
    sheet.add('batond_service_trust_ratio', {}, health.trust);
    sheet.add('batond_service_weight_ratio', {}, this.#host.weight() / 100);
    sheet.add('batond_service_accepting_workers', {}, health.accepting);
    sheet.add('batond_service_start_time_seconds', {}, inventory.serviceStartedAt / 1_000);
    sheet.add('batond_service_config_refused', {}, configProblem !== null);
    sheet.add('batond_service_unprotected', {}, mirror.problem !== null);
    for (const rule of degrading.record) sheet.add('batond_degrade_rule_firing', { rule: rule.when }, fires(rule));
    for (const [process, counts] of this.#metrics.ledger.totals(this.#metrics.living)) {
      sheet.add('batond_requests_total', { process }, counts.requests);
      sheet.add('batond_request_errors_total', { process }, counts.errors);
      sheet.add('batond_request_aborts_total', { process }, counts.aborted);
      sheet.add('batond_connections_accepted_total', { process }, counts.accepted);
      sheet.histogram('batond_request_duration_seconds', { process }, counts, 'duration', DURATION_BOUNDS);
    }
    sheet.add('batond_supervisor_start_time_seconds', {}, performance.timeOrigin / 1_000);
    sheet.add('batond_supervisor_resident_memory_bytes', {}, residentBytes(process.pid));
    sheet.add('batond_supervisor_open_fds', {}, openFiles(process.pid));
  }

  #addReloads(sheet: Sheet): void {
    const { reloads, reporter, roller } = this.#host;
    const { lastReload } = this.#situation.inventory;
    const open = reporter.record.open.find(({ report }) => report.verdict === null);
    sheet.add('batond_reload_in_progress', {}, reloads.busy);
    const sinceMs = reloads.busy ? open?.sinceMs : undefined;
    sheet.add('batond_reload_in_progress_seconds', {}, sinceMs === undefined ? 0 : (monotonicMs() - sinceMs) / 1_000);
    if (open?.phase != null) sheet.add('batond_reload_phase', { phase: open.phase.name }, 1);
    const { share } = roller;
    sheet.add('batond_canary_share_ratio', { by: share?.by ?? 'chance' }, (share?.thousandths ?? 0) / 1_000);
    if (lastReload === null) return;
    sheet.add('batond_last_reload_success', {}, lastReload.ok);
    sheet.add('batond_last_reload_timestamp_seconds', {}, lastReload.at / 1_000);
    sheet.add('batond_last_reload_duration_seconds', {}, lastReload.durationMs / 1_000);
  }

  #addGeneration(sheet: Sheet, generation: Generation): void {
    const { number, role, release, slots, committedAtMs } = generation;
    const of = { generation: number };
    const now = monotonicMs();
    sheet.add('batond_generation_info', { ...of, role, release: release.label }, 1);
    sheet.add('batond_generation_workers_wanted', of, slots.length);
    if (committedAtMs !== null) sheet.add('batond_generation_serving_seconds', of, (now - committedAtMs) / 1_000);
    if (role === 'draining') {
      sheet.add('batond_generation_drain_left_seconds', of, Math.max(0, termAt(generation) - now) / 1_000);
    }
    for (const slot of [...slots, ...generation.processes.flatMap(({ leaving }) => leaving)]) {
      const labels = { ...of, slot, process: generation.processOf(slot).name };
      const worker = generation.workers.get(slot) ?? null;
      if (role === 'incumbent') {
        sheet.add('batond_worker_level', { ...labels, level: this.#host.health.levelOf(generation, slot) }, 1);
      }
      this.#addCounts(sheet, labels, worker, generation.number, slot);
      if (worker !== null) this.#addWorker(sheet, labels, worker, now);
    }
  }

  /** What the slot has counted, whoever was in it. */
  #addCounts(sheet: Sheet, labels: LabelValues, worker: Worker | null, generation: number, slot: number): void {
    const measured = worker?.measured ?? null;
    const past = this.#metrics.ledger.pastOf(generation, slot);
    // Of one that counted before this supervisor was there nothing is known before it has answered.
    if (worker !== null && measured === null && worker.startedAtMs < this.#metrics.sinceMs) return;
    const counts = measured === null ? past : plus(past, countsOf(measured.measures));
    sheet.add('batond_worker_requests_total', labels, counts.requests);
    sheet.add('batond_worker_request_errors_total', labels, counts.errors);
    sheet.add('batond_worker_request_aborts_total', labels, counts.aborted);
    sheet.add('batond_worker_connections_accepted_total', labels, counts.accepted);
    sheet.histogram('batond_worker_request_duration_seconds', labels, counts, 'duration', DURATION_BOUNDS);
    sheet.histogram('batond_worker_event_loop_delay_seconds', labels, counts, 'delay', DELAY_BOUNDS);
    for (const state of ['active', 'idle']) {
      sheet.add('batond_worker_event_loop_seconds_total', { ...labels, state }, counts[state]);
    }
    for (const mode of ['user', 'system']) {
      sheet.add('batond_worker_cpu_seconds_total', { ...labels, mode }, counts[mode]);
    }
    for (const kind of COLLECTION_KINDS) {
      const [count, seconds] = [counts[`collections.${kind}`], counts[`collecting.${kind}`]];
      sheet.summary('batond_worker_gc_duration_seconds', { ...labels, kind }, count, seconds);
    }
  }

  #addWorker(sheet: Sheet, labels: LabelValues, worker: Worker, nowMs: number): void {
    const { phase, measured, startedAtMs } = worker;
    const { pid } = worker.process;
    sheet.add('batond_worker_phase', { ...labels, phase }, 1);
    sheet.add('batond_worker_uptime_seconds', labels, (nowMs - startedAtMs) / 1_000);
    sheet.add('batond_worker_resident_memory_bytes', labels, residentBytes(pid));
    sheet.add('batond_worker_open_fds', labels, openFiles(pid));
    const askedAt = this.#askedAt.get(worker);
    if (!worker.hasChannel) sheet.add('batond_worker_up', labels, worker.process.alive);
    else if (askedAt !== undefined) sheet.add('batond_worker_up', labels, heardSince(worker, askedAt));
    if (measured === null) return;
    const { inFlight, connections, heapUsedBytes, detail } = measured.measures;
    sheet.add('batond_worker_heard_seconds', labels, (nowMs - measured.atMs) / 1_000);
    sheet.add('batond_worker_requests_in_flight', labels, inFlight);
    sheet.add('batond_worker_connections', labels, connections);
    sheet.add('batond_worker_heap_used_bytes', labels, heapUsedBytes);
    sheet.add('batond_worker_heap_size_bytes', labels, detail?.heapTotalBytes);
    sheet.add('batond_worker_heap_limit_bytes', labels, detail?.heapLimitBytes);
    sheet.add('batond_worker_external_memory_bytes', labels, detail?.externalBytes);
  }
}

/** One that boots is busy with that, and one that ends has said its last words. */
function isAsked({ hasChannel, phase }: Worker): boolean {
  return hasChannel && phase !== 'booting' && phase !== 'stopping';
}

function heardSince({ measured }: Worker, atMs: number): boolean {
  return measured !== null && measured.atMs >= atMs;
}

/** A record may be of another version, which counts what this one does not know. */
function addOccurrence(
  sheet: Sheet,
  name: string,
  labels: LabelValues,
  counts: Readonly<Record<string, number>>,
): void {
  if (!isKnown(name)) return;
  if (counts.length !== undefined) sheet.histogram(name, labels, counts, 'length', LENGTH_BOUNDS);
  else sheet.add(name, labels, counts.times);
}

const KNOWN: ReadonlySet<string> = new Set(METRIC_NAMES);
const isKnown = (name: string): name is MetricName => KNOWN.has(name);

function addGroup(sheet: Sheet): void {
  const { memory, cpu, tasks } = groupFigures();
  sheet.add('batond_cgroup_memory_bytes', {}, memory.currentBytes);
  sheet.add('batond_cgroup_memory_max_bytes', {}, memory.maxBytes);
  sheet.add('batond_cgroup_memory_high_bytes', {}, memory.highBytes);
  for (const [event, times] of Object.entries(memory.events)) {
    sheet.add('batond_cgroup_memory_events_total', { event }, times);
  }
  sheet.add('batond_cgroup_memory_pressure_seconds_total', { kind: 'some' }, memory.someSeconds);
  sheet.add('batond_cgroup_memory_pressure_seconds_total', { kind: 'full' }, memory.fullSeconds);
  sheet.add('batond_cgroup_cpu_seconds_total', { mode: 'user' }, cpu.userSeconds);
  sheet.add('batond_cgroup_cpu_seconds_total', { mode: 'system' }, cpu.systemSeconds);
  sheet.add('batond_cgroup_cpu_periods_total', {}, cpu.periods);
  sheet.add('batond_cgroup_cpu_throttled_periods_total', {}, cpu.throttledPeriods);
  sheet.add('batond_cgroup_cpu_throttled_seconds_total', {}, cpu.throttledSeconds);
  sheet.add('batond_cgroup_tasks', {}, tasks.current);
  sheet.add('batond_cgroup_tasks_max', {}, tasks.max);
}

/** How many milliseconds after its time a timer is called. */
function lateness(): Promise<number> {
  const due = performance.now() + TIMER_MS;
  return new Promise((resolve) => {
    setTimeout(() => resolve(Math.max(0, performance.now() - due)), TIMER_MS);
  });
}
