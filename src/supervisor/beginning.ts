/**
 * How a supervisor begins: from nothing, with what a predecessor hands over, or with what a dead one has left. Each part
 * gets back what is on record for it, and is told to act from here on.
 */
import { isConfig } from '../config/check-config.js';
import { ReloadClient } from '../control/reload-client.js';
import { Inventory, type NamedFds, type Secrets, type Snapshot } from '../inventory/inventory.js';
import type { Mirror } from '../inventory/mirror.js';
import { storedName, ticketsName } from '../inventory/stored-names.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Activated } from '../systemd/activation.js';
import { adoptActivated } from './activated.js';
import type { Answers } from './answers.js';
import type { Attempts } from './attempts.js';
import type { ConfigDesk } from './config-desk.js';
import type { CurrentWatch } from './current-watch.js';
import type { Custody } from './custody.js';
import type { Degrading } from './degrading.js';
import type { Doors } from './doors.js';
import type { Drainer } from './drainer.js';
import type { Evidence } from './evidence.js';
import type { FirstStart } from './first-start.js';
import { goOn } from './going-on.js';
import type { GoodReleases } from './good-releases.js';
import type { GrowthWatch } from './growth-watch.js';
import type { HealthKeeper } from './health-keeper.js';
import type { History } from './history.js';
import type { Inherited } from './inherit.js';
import type { Kept } from './kept.js';
import type { Leftovers } from './leftovers.js';
import type { OomWatch } from './oom-watch.js';
import type { Probes } from './probes.js';
import type { Reloads } from './reloads.js';
import type { Reporter } from './reporter.js';
import type { Restarter } from './restarter.js';
import type { SeriesWatch } from './series-watch.js';
import type { Situation } from './situation.js';
import { endStrays } from './strays.js';
import type { TicketSecret } from './ticket-secret.js';
import type { Verbosity } from './verbosity.js';
import type { WaitingClient } from './waiting-client.js';
import type { Workforce } from './workforce.js';

export interface BeginningHost {
  readonly admin: Doors;
  readonly answers: Answers;
  readonly attempts: Attempts;
  readonly client: WaitingClient;
  readonly config: ConfigDesk;
  readonly currentWatch: CurrentWatch;
  readonly custody: Custody;
  readonly degrading: Degrading;
  readonly drainer: Drainer;
  readonly evidence: Evidence;
  readonly firstStart: FirstStart;
  readonly good: GoodReleases;
  readonly growth: GrowthWatch;
  readonly health: HealthKeeper;
  readonly history: History;
  readonly leftovers: Leftovers;
  readonly mirror: Mirror;
  readonly oom: OomWatch;
  readonly probes: Probes;
  readonly reloads: Reloads;
  readonly reporter: Reporter;
  readonly restarter: Restarter;
  readonly series: SeriesWatch;
  readonly tickets: TicketSecret;
  readonly verbosity: Verbosity;
  readonly workforce: Workforce;
  /** Whether nothing is under way. */
  idle(): boolean;
}

/** What a predecessor that keeps a copy in the fd store has there, its control socket included, which is taken already. */
function storedBy(state: Snapshot & Secrets, fds: NamedFds): string[] {
  if (state.mirrored !== true) return [];
  const names = [...fds.keys(), 'control'].map((name) => storedName(name, state));
  return state.tickets == null ? names : [...names, ticketsName(state.tickets.madeAtMs)];
}

export class Beginning {
  readonly #situation: Situation;
  readonly #host: BeginningHost;

  constructor(situation: Situation, host: BeginningHost) {
    this.#situation = situation;
    this.#host = host;
  }

  /** Starts from nothing but, perhaps, the sockets that systemd brought. */
  start(activated: readonly Activated[]): void {
    const { inventory, options } = this.#situation;
    this.#host.mirror.begin([]);
    this.#host.admin.resume();
    this.#host.evidence.activate();
    this.#host.series.activate();
    this.#host.health.activate();
    this.#host.probes.activate();
    for (const one of activated) adoptActivated(one, inventory.listeners, options.log);
    this.#host.good.read();
    this.#host.degrading.activate();
    inventory.nextGeneration = this.#host.history.nextGeneration;
    this.#host.firstStart.begin(options.release!);
    void this.#host.currentWatch.begin();
  }

  /** Goes on with what the predecessor had, then rolls to the release that this process has resolved. */
  continue({ state, fds }: Inherited): void {
    const { log, target } = this.#situation.options;
    const stored = storedBy(state, fds);
    this.#situation.servingConfig = isConfig(state.config) ? state.config : null;
    const waits = this.#restore(state, fds);
    this.#host.mirror.begin(stored);
    const workers = this.#situation.inventory.workers().length;
    log.info({ event: 'took-over', workers }, `pid ${process.pid} is the supervisor now, of ${workers} workers`);
    const { kind, release, by } = this.#host.attempts.current ?? { kind: 'reload', release: null, by: undefined };
    this.#host.answers.metered((metrics) => metrics.tookOver());
    this.#host.attempts.isTried(target);
    this.#host.custody.activate();
    this.#host.admin.resume();
    void this.#host.currentWatch.begin();
    // Nobody waits for one that the watch has begun, or a signal.
    if (waits || kind === 'watch' || by === 'signal') this.#host.reloads.continue(kind, release, by);
    else this.#host.reloads.abandoned();
  }

  /** Goes on with what a supervisor has left that died, or that made way for a restart. */
  adopt(
    { state, fds, stored, leftovers, pipes, remarks, config: serving, salvaged }: Kept,
    activated: readonly Activated[],
  ): void {
    const { lines, log, notifier, paths, release } = this.#situation.options;
    lines.takeLeft(pipes);
    const waits = this.#restore(state, fds);
    if (serving !== null && this.#situation.inventory.incumbent !== null) this.#situation.goOnWith(serving);
    const { inventory } = this.#situation;
    this.#host.leftovers.take(leftovers);
    this.#host.answers.metered((metrics) => metrics.adopted());
    for (const one of activated) adoptActivated(one, inventory.listeners, log);
    if (salvaged) this.#host.good.read();
    inventory.nextGeneration = Math.max(inventory.nextGeneration, this.#host.history.nextGeneration);
    this.#host.attempts.tried = state.tried ?? null;
    this.#host.mirror.begin(stored);
    const workers = inventory.workers();
    log.info(
      { event: 'adopted', workers: workers.length, salvaged },
      `pid ${process.pid} is the supervisor now, of ${workers.length} workers that another has left`,
    );
    for (const remark of remarks) log.warn({ event: 'not-adopted' }, remark);
    const known = new Set([...workers.map((one) => one.process.pid), ...this.#host.leftovers.pids]);
    const strays = endStrays(paths.runtimeDirectory, known, this.#situation.config.stop.killTimeoutMs);
    if (strays.length > 0)
      log.warn({ event: 'strays', pids: strays }, `nothing is known of pid ${strays.join(', ')}: SIGTERM`);
    if (state.tickets == null) for (const worker of workers) worker.giveTicketSecret(this.#host.tickets.secret);
    goOn(
      {
        inventory,
        drainer: this.#host.drainer,
        hasStartup: this.#host.probes.hasStartup,
        activate: () => this.#host.custody.activate(),
        ready: () => notifier.ready(),
        takeBack: (candidate, cause) => this.#host.reloads.takeBack(candidate, cause),
        reloadDone: (outcome) => this.#host.reloads.cutOff(outcome),
        start: () => this.#host.firstStart.begin(release!),
      },
      state,
      waits,
    );
    const { current } = this.#host.attempts;
    if (current?.kind === 'start' && this.#host.attempts.serves(current)) this.#host.firstStart.cutOff(current);
    this.#host.restarter.review();
    this.#host.mirror.flush();
    if (this.#host.idle()) void this.#host.config.watch();
    this.#host.admin.resume();
    this.#host.admin.bindIfPossible();
    void this.#host.currentWatch.begin();
  }

  /** True where a client waits for the verdict of a reload. */
  #restore(state: Snapshot & Secrets, fds: NamedFds): boolean {
    this.#situation.options.lines.takeGiven(fds);
    const client = fds.get('client');
    fds.delete('client');
    this.#host.client.takePatient(state.patient ?? [], fds);
    this.#host.admin.take(fds, state);
    const { runtimeDirectory } = this.#situation.options.paths;
    this.#situation.inventory = Inventory.restore(state, fds, runtimeDirectory, this.#host.workforce.events);
    if (state.reports !== undefined) this.#host.reporter.restore(state.reports);
    this.#host.attempts.noOldAfterMs = state.noOldAfterMs ?? null;
    this.#host.growth.restore(state.ages ?? []);
    this.#host.answers.restoreMetrics(state.metrics ?? null);
    this.#host.oom.restore(state.oomKills ?? null);
    this.#host.degrading.restore(state.rules ?? []);
    this.#host.tickets.restore(state.tickets ?? null);
    this.#host.verbosity.restore(state.debugUntilMs ?? null);
    const sinceMs = state.reloadSinceMs ?? monotonicMs();
    this.#host.reloads.attend(client === undefined ? null : ReloadClient.adopt(client), sinceMs);
    this.#host.attempts.current = state.attempt ?? null;
    return client !== undefined;
  }
}
