/**
 * Who has the inventory: what of it is written down for the mirror and for the next supervisor, and how this one lets go
 * of it in a takeover, or takes hold of it again.
 */
import type { ControlServer } from '../control/server.js';
import { BatondError } from '../errors.js';
import type { NamedFds, Secrets, Snapshot } from '../inventory/inventory.js';
import type { Mirror, Mirrored } from '../inventory/mirror.js';
import type { LedgerRecord } from '../metrics/ledger.js';
import type { Attempts } from './attempts.js';
import type { Degrading } from './degrading.js';
import type { Doors } from './doors.js';
import type { Drainer } from './drainer.js';
import type { Evidence } from './evidence.js';
import type { GrowthWatch } from './growth-watch.js';
import type { HealthAnswers } from './health-answers.js';
import type { HealthKeeper } from './health-keeper.js';
import type { Leftovers } from './leftovers.js';
import type { Listening } from './listening.js';
import type { Metrics } from './metrics.js';
import type { OomWatch } from './oom-watch.js';
import type { Probes } from './probes.js';
import type { Profiling } from './profiling.js';
import type { Remains } from './remains.js';
import type { Reporter } from './reporter.js';
import type { Restarter } from './restarter.js';
import type { Scaler } from './scaler.js';
import type { SeriesWatch } from './series-watch.js';
import type { Situation } from './situation.js';
import type { TicketSecret } from './ticket-secret.js';
import type { Verbosity } from './verbosity.js';
import type { WaitingClient } from './waiting-client.js';

/** How long systemd may take to receive our last words. */
const LAST_WORDS_MS = 5_000;

/** The control socket, as far as it changes hands. */
export type ControlGate = Pick<ControlServer, 'fd' | 'pause' | 'resume' | 'close'>;

export interface CustodyHost {
  readonly admin: Doors;
  readonly attempts: Attempts;
  readonly degrading: Degrading;
  readonly client: WaitingClient;
  readonly drainer: Drainer;
  readonly health: HealthKeeper;
  readonly healthAnswers: HealthAnswers;
  readonly leftovers: Leftovers;
  readonly listening: Listening;
  readonly mirror: Mirror;
  readonly evidence: Evidence;
  readonly growth: GrowthWatch;
  readonly remains: Remains;
  readonly oom: OomWatch;
  readonly probes: Probes;
  readonly reporter: Reporter;
  readonly restarter: Restarter;
  readonly scaler: Scaler;
  readonly series: SeriesWatch;
  readonly tickets: TicketSecret;
  readonly verbosity: Verbosity;
  profiling(): Profiling | null;
  /** What metrics keep; null where nobody has asked for any. */
  metricsRecord(): LedgerRecord | null;
  /** Says it to the metrics, where somebody has asked for them. */
  metered(say: (metrics: Metrics) => void): void;
  announce(): void;
}

export class Custody {
  readonly #situation: Situation;
  readonly #host: CustodyHost;
  /** The pid of the supervisor that this one has handed everything to. */
  #heir: number | null = null;
  control: ControlGate | null = null;

  constructor(situation: Situation, host: CustodyHost) {
    this.#situation = situation;
    this.#host = host;
  }

  /** Acts on the inventory from here on. */
  activate(): void {
    const { announce, degrading, drainer, health, probes, restarter, tickets } = this.#host;
    degrading.activate();
    this.#host.evidence.activate();
    this.#host.series.activate();
    this.#host.growth.activate();
    drainer.activate();
    this.#host.scaler.activate();
    tickets.activate();
    restarter.activate();
    health.activate();
    probes.activate();
    announce();
  }

  /** Reads nothing and does nothing more, so that a snapshot does not age. */
  async freeze(): Promise<void> {
    const { admin, degrading, drainer, health, healthAnswers, listening, mirror, probes, restarter, tickets } =
      this.#host;
    const { inventory } = this.#situation;
    this.control?.pause();
    admin.pause();
    health.freeze();
    probes.freeze();
    healthAnswers.freeze();
    this.#host.metered((metrics) => metrics.freeze());
    degrading.freeze();
    // First: it lets go of those that the drainer would hold.
    this.#host.evidence.freeze();
    this.#host.profiling()?.freeze();
    this.#host.series.freeze();
    this.#host.remains.freeze();
    this.#host.growth.freeze();
    drainer.freeze();
    this.#host.scaler.freeze();
    restarter.freeze();
    tickets.freeze();
    for (const worker of inventory.workers()) worker.freeze();
    this.#situation.options.lines.freeze();
    await Promise.all([listening.settled(), admin.settled()]);
    const full = inventory.workers().find((worker) => worker.queued > 0);
    if (full !== undefined) throw new BatondError('WORKER_NOT_READING', { worker: full.id });
    mirror.end();
    this.#situation.options.events.end();
  }

  /** The takeover has failed: this one goes on. */
  thaw(): void {
    this.#host.mirror.again();
    this.#situation.options.events.begin();
    for (const worker of this.#situation.inventory.workers()) worker.thaw();
    this.#situation.options.lines.thaw();
    this.#host.healthAnswers.thaw();
    this.#host.metered((metrics) => metrics.thaw());
    this.activate();
    this.control?.resume();
    this.#host.admin.resume();
  }

  /** Whoever looks for the supervisor from here on has to look for that one. */
  async announceMain(pid: number): Promise<void> {
    const { mirror } = this.#host;
    const { notifier } = this.#situation.options;
    this.#heir = pid;
    mirror.again();
    mirror.end();
    notifier.mainPid(pid);
    await notifier.sent(LAST_WORDS_MS);
  }

  /** All that the next supervisor gets; the descriptors are lent. */
  snapshot(): { state: Snapshot & Secrets; fds: NamedFds } {
    const { admin, attempts, client: waiting, degrading, oom, reporter, tickets, verbosity } = this.#host;
    const { state, fds } = this.#situation.inventory.snapshot();
    this.#situation.options.lines.give(fds);
    if (this.control !== null) fds.set('control', this.control.fd);
    const client = waiting.fd;
    if (client !== null) fds.set('client', client);
    const extra = {
      reloadSinceMs: waiting.sinceMs,
      noOldAfterMs: attempts.noOldAfterMs,
      patient: waiting.givePatient(fds),
      reports: reporter.record,
      attempt: attempts.current,
      tried: attempts.tried,
      ...admin.give(fds),
      rules: degrading.record,
      mirrored: true,
      oomKills: oom.record,
      ages: this.#host.growth.record,
      metrics: this.#host.metricsRecord(),
      tickets: tickets.record,
      debugUntilMs: verbosity.record,
      config: this.#situation.servingConfig ?? this.#situation.config,
    };
    return { state: { ...state, ...extra }, fds };
  }

  /** The same for the copy outside this process, where the secret is not written down. */
  mirrored(): Mirrored {
    const { state, fds } = this.snapshot();
    const { tickets, config: serving, ...own } = state;
    const others = this.#host.leftovers.fds;
    const { config } = this.#situation;
    // It stands there once where it is the one in use, which is the rule.
    const rest = serving === config || serving === undefined ? own : { ...own, config: serving };
    const live = { supervisor: this.#heir ?? process.pid, state: rest, config, leftovers: [...others.keys()] };
    return { live, fds, tickets, others };
  }
}
