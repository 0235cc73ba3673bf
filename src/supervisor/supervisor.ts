/**
 * The supervisor: a replaceable brain around an inventory. Here its parts are put together, and here it begins: from
 * nothing, with what a predecessor hands over, or with what a dead one has left. What it hears goes to the part that
 * knows; it decides nothing itself.
 *
 * Start order: inherit, control socket, workers. Stop order: its reverse.
 */
import type { HealthSource } from '../admin/routes.js';
import { isConfig } from '../config/check-config.js';
import { healthOf, probesOf } from '../config/health.js';
import type { HistoryRow, ReloadOptions, ReportSummary, RollbackOptions, Status } from '../control/messages.js';
import { ReloadClient } from '../control/reload-client.js';
import { type BatondError, EXIT } from '../errors.js';
import type { Crash, CrashSummary } from '../inventory/crash-files.js';
import type { Generation } from '../inventory/generation.js';
import { Inventory, type NamedFds, type Secrets, type Snapshot } from '../inventory/inventory.js';
import { Mirror } from '../inventory/mirror.js';
import type { ProfileFiles } from '../inventory/profile-files.js';
import type { Report } from '../inventory/report.js';
import { ReportFiles } from '../inventory/report-files.js';
import { storedName, ticketsName } from '../inventory/stored-names.js';
import type { Worker } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Activated } from '../systemd/activation.js';
import { ROLLBACK_ENVIRONMENT } from '../takeover/messages.js';
import { adoptActivated } from './activated.js';
import { Admin } from './admin.js';
import { Admitter } from './admitter.js';
import { Answers } from './answers.js';
import { Attempts } from './attempts.js';
import { Crashes } from './crashes.js';
import { CurrentWatch } from './current-watch.js';
import { type ControlGate, Custody } from './custody.js';
import { Degrading } from './degrading.js';
import { Deployment } from './deployment.js';
import { Doors } from './doors.js';
import { Drainer } from './drainer.js';
import { Ending } from './ending.js';
import { Evidence } from './evidence.js';
import { FirstStart } from './first-start.js';
import { goOn } from './going-on.js';
import { GoodReleases } from './good-releases.js';
import { GrowthWatch } from './growth-watch.js';
import { Handover } from './handover.js';
import { HealthAnswers } from './health-answers.js';
import { HealthKeeper } from './health-keeper.js';
import { History } from './history.js';
import type { Inherited } from './inherit.js';
import type { Kept } from './kept.js';
import { Leftovers } from './leftovers.js';
import { Listening } from './listening.js';
import type { LiveConfig } from './live-config.js';
import type { Metrics } from './metrics.js';
import { OomWatch } from './oom-watch.js';
import { probe } from './probe.js';
import { Probes } from './probes.js';
import type { Profiling } from './profiling.js';
import { Regret } from './regret.js';
import { Reloads } from './reloads.js';
import { Remains } from './remains.js';
import { describeCut } from './report-words.js';
import { Reporter } from './reporter.js';
import { Restarter } from './restarter.js';
import { Roller } from './roller.js';
import { Scaler } from './scaler.js';
import { SeriesWatch } from './series-watch.js';
import type { Doing, Heard } from './signal-table.js';
import { Situation, type SupervisorOptions } from './situation.js';
import { endStrays } from './strays.js';
import { TicketSecret } from './ticket-secret.js';
import type { Traces } from './traces.js';
import { Verbosity } from './verbosity.js';
import { WaitingClient } from './waiting-client.js';
import { Workforce } from './workforce.js';

/** What a predecessor that keeps a copy in the fd store has there, its control socket included, which is taken already. */
function storedBy(state: Snapshot & Secrets, fds: NamedFds): string[] {
  if (state.mirrored !== true) return [];
  const names = [...fds.keys(), 'control'].map((name) => storedName(name, state));
  return state.tickets == null ? names : [...names, ticketsName(state.tickets.madeAtMs)];
}

export class Supervisor {
  readonly #situation: Situation;
  readonly #admin: Doors;
  readonly #answers: Answers;
  readonly #attempts: Attempts;
  readonly #client = new WaitingClient();
  readonly #currentWatch: CurrentWatch;
  readonly #custody: Custody;
  readonly #degrading: Degrading;
  readonly #deployment: Deployment;
  readonly #drainer: Drainer;
  readonly #ending: Ending;
  readonly #evidence: Evidence;
  readonly #firstStart: FirstStart;
  readonly #good: GoodReleases;
  readonly #growth: GrowthWatch;
  readonly #handover: Handover;
  readonly #health: HealthKeeper;
  readonly #healthAnswers: HealthAnswers;
  readonly #history: History;
  readonly #leftovers = new Leftovers();
  readonly #listening: Listening;
  readonly #mirror: Mirror;
  readonly #oom = new OomWatch();
  readonly #probes: Probes;
  readonly #regret: Regret;
  /** Null until somebody asks for a profile. */
  #profiling: Profiling | null = null;
  readonly #reloads: Reloads;
  readonly #remains: Remains;
  readonly #reporter: Reporter;
  readonly #restarter: Restarter;
  readonly #roller: Roller;
  readonly #scaler: Scaler;
  readonly #series: SeriesWatch;
  readonly #tickets: TicketSecret;
  #traces: Promise<Traces> | null = null;
  readonly #workforce: Workforce;
  #liveConfig: LiveConfig | null = null;
  #quitting = false;
  readonly verbosity: Verbosity;

  constructor(options: SupervisorOptions) {
    const situation = new Situation(options);
    this.#situation = situation;
    const { env, log, notifier, paths } = options;
    const inventory = () => situation.inventory;
    const announce = () => this.#announce();
    const startWorker = (generation: Generation, slot: number) => this.#workforce.start(generation, slot);
    const mirrored = () => this.#custody.mirrored();
    const reloads = () => this.#reloads;
    this.#mirror = new Mirror({ path: paths.liveFile, log, notifier, env, collect: mirrored, changed: announce });
    this.#health = new HealthKeeper({
      get inventory() {
        return situation.inventory;
      },
      get rules() {
        return healthOf(situation.config);
      },
      get regretMs() {
        return situation.config.upgrade.regretMs;
      },
      log,
      look: (worker) => this.#healthAnswers.look(worker),
      regret: (generation, reason) => this.#regret.begin(generation, reason),
      changed: announce,
    });
    this.#healthAnswers = new HealthAnswers(situation, this.#health, () => this.alive);
    const changed = () => this.#mirror.flush();
    const reports = new ReportFiles(paths.stateDirectory);
    this.#admin = new Doors(
      new Admin({
        kind: 'admin',
        get listen() {
          return situation.config.admin?.listen ?? null;
        },
        log,
        server: async () => {
          const { AdminServer } = await import('../admin/server.js');
          const { healthRoutes } = await import('../admin/routes.js');
          if (situation.config.admin?.dashboard === false) return new AdminServer(healthRoutes(this.health));
          const { dashboardRoutes } = await import('../admin/dashboard-routes.js');
          const reporter = this.#reporter;
          const dashboard = dashboardRoutes({
            status: () => this.status(),
            numbers: () => reports.numbers(),
            report: (number) => reports.read(number),
            get open() {
              return reporter.open;
            },
          });
          return new AdminServer(new Map([...healthRoutes(this.health), ...dashboard]));
        },
        changed,
      }),
      new Admin({
        kind: 'agent',
        get listen() {
          return situation.config.admin?.agent ?? null;
        },
        log,
        server: async () => {
          const { AgentServer, agentLine } = await import('../admin/agent.js');
          return new AgentServer(() => agentLine(this.#answers.weight, this.#answers.downBecause));
        },
        changed,
      }),
    );
    this.#probes = new Probes({
      get inventory() {
        return situation.inventory;
      },
      get probes() {
        return probesOf(situation.config);
      },
      get killTimeoutMs() {
        return situation.config.stop.killTimeoutMs;
      },
      log,
      mayAct: () => !situation.stopping && this.#roller.incumbentsAccept,
      accepts: () => this.#roller.incumbentsOn,
      sample: (generation, slot, sample, why) => this.#health.sample(generation, slot, sample, why),
    });
    this.#listening = new Listening(log, inventory, () => this.#mirror.flush());
    this.#good = new GoodReleases(paths.stateFile, log, inventory);
    const metered = (say: (metrics: Metrics) => void) => this.#answers.metered(say);
    this.#history = new History(paths.historyFile, log, (kind, code) => {
      metered((metrics) => metrics.verdict(kind, code));
    });
    this.#deployment = new Deployment({
      get config() {
        return situation.config;
      },
      env,
      log,
      serving: () => situation.inventory.incumbent?.release ?? null,
      step: (step, message) => {
        this.#reporter.surrounding(step);
        this.#reloads.stepTaken(step, message);
      },
      announce,
    });
    this.#tickets = new TicketSecret((secret) => {
      for (const worker of situation.inventory.workers()) worker.giveTicketSecret(secret);
    });
    this.verbosity = new Verbosity(log, () => situation.config.log.level);
    this.#reporter = new Reporter({
      files: reports,
      log,
      workerPids: () => situation.inventory.workers().map((worker) => worker.process.pid),
      onVerdict: (report) => {
        metered((metrics) => metrics.reported(report));
        this.#traced((traces) => traces.reload(report));
      },
      onComplete: (report) => {
        metered((metrics) => metrics.drained(report));
        this.#traced((traces) => traces.drains(report));
        this.#client.oldGone(report.number, describeCut(report));
      },
      onBegun: () => this.#series.begun(),
    });
    this.#series = new SeriesWatch({
      open: () => this.#reporter.open,
      workers: () => situation.inventory.workers(),
    });
    this.#evidence = new Evidence({
      get config() {
        return situation.config.evidence;
      },
      stateDirectory: paths.stateDirectory,
      log,
      stopping: () => situation.stopping,
      release: (worker) => this.#drainer.release(worker),
      gathered: (generation, report) => this.#reporter.evidence(generation, report),
    });
    this.#remains = new Remains({
      stopping: () => situation.stopping,
      release: (worker) => this.#drainer.release(worker),
      found: ({ generation }, before, left) => this.#reporter.remained(generation, before, left),
    });
    this.#growth = new GrowthWatch({
      get inventory() {
        return situation.inventory;
      },
      log,
    });
    this.#drainer = new Drainer({
      get inventory() {
        return situation.inventory;
      },
      log,
      get drainTimeoutMs() {
        return situation.config.upgrade.drainTimeoutMs;
      },
      get killTimeoutMs() {
        return situation.config.stop.killTimeoutMs;
      },
      begun: (generation) => {
        this.#reporter.drains(generation.number);
        this.#remains.begun(generation);
        this.#profiling?.enough('its generation is told to end', generation);
      },
      settle: () => this.#mirror.flush(),
      timedOut: ({ generation }, cause, connections) => this.#reporter.timedOut(generation, cause, connections),
      held: ({ generation }, held) => this.#reporter.held(generation, held),
      killed: ({ generation }) => this.#reporter.killed(generation),
      holds: (worker) =>
        this.#evidence.holds(worker) || this.#remains.holds(worker) || this.#profiling?.holds(worker) === true,
      gone: (generation) => {
        this.#evidence.forget(generation);
        this.#workforce.gone(generation);
      },
    });
    this.#restarter = new Restarter({
      get inventory() {
        return situation.inventory;
      },
      get config() {
        return situation.config;
      },
      log,
      get busy() {
        return reloads().busy || situation.stopping;
      },
      takeOomKill: () => this.#oom.takeKill(monotonicMs()),
      startWorker,
      judged: (generation, slot, { rule, ended }, { action }) => {
        const process = generation.processOf(slot).name;
        metered((metrics) => metrics.judged({ process, rule: rule.name, ended, action }));
      },
      regret: (generation, reason) => this.#regret.begin(generation, reason),
      lost: (generation, reason) => this.#regret.lost(generation, reason),
      over: (generation, reason) => this.#regret.over(generation, reason),
    });
    this.#roller = new Roller({
      get inventory() {
        return situation.inventory;
      },
      get config() {
        return situation.config;
      },
      log,
      startWorker,
      bindDeclared: async () => {
        await this.#admin.bind();
        await this.#listening.bindDeclared(situation.config.listeners);
      },
      probe: (worker, isMain) =>
        this.#probes.hasStartup && isMain
          ? Promise.resolve(this.#probes.start(worker))
          : probe(worker, isMain ? situation.config.upgrade.probe : null),
      get hasStartup() {
        return probesOf(situation.config).startup !== null;
      },
      whyNot: (candidate) => this.#probes.whyNot(candidate),
      settle: () => this.#mirror.flush(),
      check: (worker) => this.#healthAnswers.look(worker),
      failed: (candidate, cause, kind) => this.#evidence.failed(candidate, cause, kind),
      record: ({ release }) => {
        this.#good.add(release);
        options.committed(release, situation.config);
      },
      retire: (generation) => {
        situation.servingConfig = null;
        this.#workforce.retire(generation);
      },
      drain: (generation) => this.#drainer.drain(generation, situation.stopping ? 'close' : 'move'),
      promoted: (generation) => {
        this.#evidence.forget(generation);
        this.#growth.activate();
        this.#restarter.activate();
        this.#probes.promoted(generation);
        this.#health.update();
      },
      announce,
      describeEnd: (worker, exit) => this.#workforce.describeEnd(worker, exit),
    });
    this.#attempts = new Attempts(situation, { roller: this.#roller, deployment: this.#deployment });
    this.#handover = new Handover({
      log,
      get timeoutMs() {
        return situation.config.upgrade.takeoverTimeoutMs;
      },
      command: () => {
        const command = options.successorCommand();
        if (this.#attempts.current?.kind !== 'rollback') return command;
        return { ...command, env: { ...command.env, [ROLLBACK_ENVIRONMENT]: '1' } };
      },
      freeze: () => this.#custody.freeze(),
      thaw: () => this.#custody.thaw(),
      snapshot: () => this.#custody.snapshot(),
      announceMain: async (pid) => {
        await this.#custody.announceMain(pid);
        options.settled();
      },
      barrier: () => notifier.barrier(5_000),
      failed: (cause) => this.#reloads.takeoverFailed(cause),
      exit: () => void this.#admin.finished().then(() => this.#ending.end(EXIT.ok)),
    });
    this.#degrading = new Degrading({
      get config() {
        return situation.config;
      },
      env,
      log,
      incumbent: () => situation.inventory.incumbent,
      level: () => this.#health.level,
      announce,
    });
    this.#scaler = new Scaler({
      get inventory() {
        return situation.inventory;
      },
      get config() {
        return situation.config;
      },
      log,
      startMissing: () => this.#restarter.activate(),
      settle: () => this.#mirror.flush(),
    });
    const parts = {
      admin: this.#admin,
      admitter: new Admitter({
        get config() {
          return situation.config;
        },
        log,
        incumbent: () => situation.inventory.incumbent,
        level: () => this.#health.level,
        announce,
      }),
      attempts: this.#attempts,
      crashes: new Crashes({ stateDirectory: paths.stateDirectory, log, underJournal: options.lines.underJournal }),
      client: this.#client,
      degrading: this.#degrading,
      deployment: this.#deployment,
      drainer: this.#drainer,
      evidence: this.#evidence,
      good: this.#good,
      growth: this.#growth,
      handover: this.#handover,
      health: this.#health,
      healthAnswers: this.#healthAnswers,
      history: this.#history,
      leftovers: this.#leftovers,
      listening: this.#listening,
      mirror: this.#mirror,
      oom: this.#oom,
      probes: this.#probes,
      remains: this.#remains,
      reporter: this.#reporter,
      reports,
      restarter: this.#restarter,
      roller: this.#roller,
      scaler: this.#scaler,
      series: this.#series,
      tickets: this.#tickets,
      verbosity: this.verbosity,
      announce,
      profiling: () => this.#profiling,
      metered,
      metricsRecord: () => this.#answers.metricsRecord,
      ended: (worker: Worker, process: string) => metered((metrics) => metrics.ended(worker, process)),
      over: () => {
        options.settled();
        void this.#watchConfig();
        this.#currentWatch.look();
        // What ended while it was under way was left to it.
        this.#restarter.review();
      },
    };
    this.#custody = new Custody(situation, parts);
    const stopWatching = (cause: BatondError) => {
      this.#currentWatch.close();
      this.#liveConfig?.close();
      this.#degrading.stop(cause);
    };
    this.#ending = new Ending(situation, { ...parts, control: () => this.#custody.control, stopWatching });
    this.#reloads = new Reloads(situation, { ...parts, firstStart: () => this.#firstStart });
    this.#firstStart = new FirstStart(situation, { ...parts, ending: this.#ending });
    this.#regret = new Regret(situation, { ...parts, ending: this.#ending, reloads: this.#reloads });
    this.#workforce = new Workforce(situation, { ...parts, ending: this.#ending });
    this.#currentWatch = new CurrentWatch(situation, { ...parts, reloads: this.#reloads });
    this.#answers = new Answers(situation, { ...parts, reloads: this.#reloads });
  }

  /** Resolves with the exit status when this process has nothing left to do. */
  get ended(): Promise<number> {
    return this.#ending.ended;
  }

  /** Whether it still gets on: what is under way comes to an end. */
  get alive(): boolean {
    return !this.#roller.stuck && !this.#handover.stuck && !this.#deployment.stuck;
  }

  /** What it does, as far as a signal has to wait for that. */
  get doing(): Doing {
    if (this.#handover.yielding) return 'yielding';
    if (this.#situation.stopping) return 'stopping';
    if (!this.#handover.idle) return 'handing';
    return this.#reloads.busy || this.#situation.inventory.incumbent === null ? 'rolling' : 'idle';
  }

  /** What is told of its health. */
  get health(): HealthSource {
    const [health, answers] = [this.#healthAnswers, this.#answers];
    return {
      get alive() {
        return health.alive;
      },
      get readiness() {
        return health.readiness;
      },
      get weight() {
        return answers.weight;
      },
      report: (check) => health.report(check),
      metrics: (accept) => answers.metrics(accept),
    };
  }

  set control(control: ControlGate) {
    this.#custody.control = control;
  }

  /** Starts from nothing but, perhaps, the sockets that systemd brought. */
  start(activated: readonly Activated[]): void {
    const { inventory, options } = this.#situation;
    this.#mirror.begin([]);
    this.#admin.resume();
    this.#evidence.activate();
    this.#series.activate();
    this.#health.activate();
    this.#probes.activate();
    for (const one of activated) adoptActivated(one, inventory.listeners, options.log);
    this.#good.read();
    this.#degrading.activate();
    inventory.nextGeneration = this.#history.nextGeneration;
    this.#firstStart.begin(options.release!);
    void this.#currentWatch.begin();
  }

  /** Goes on with what the predecessor had, then rolls to the release that this process has resolved. */
  continue({ state, fds }: Inherited): void {
    const { log, target } = this.#situation.options;
    const stored = storedBy(state, fds);
    this.#situation.servingConfig = isConfig(state.config) ? state.config : null;
    const waits = this.#restore(state, fds);
    this.#mirror.begin(stored);
    const workers = this.#situation.inventory.workers().length;
    log.info({ event: 'took-over', workers }, `pid ${process.pid} is the supervisor now, of ${workers} workers`);
    const { kind, release, by } = this.#attempts.current ?? { kind: 'reload', release: null, by: undefined };
    this.#answers.metered((metrics) => metrics.tookOver());
    this.#attempts.isTried(target);
    this.#custody.activate();
    this.#admin.resume();
    void this.#currentWatch.begin();
    // Nobody waits for one that the watch has begun, or a signal.
    if (waits || kind === 'watch' || by === 'signal') this.#reloads.continue(kind, release, by);
    else this.#reloads.abandoned();
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
    this.#leftovers.take(leftovers);
    this.#answers.metered((metrics) => metrics.adopted());
    for (const one of activated) adoptActivated(one, inventory.listeners, log);
    if (salvaged) this.#good.read();
    inventory.nextGeneration = Math.max(inventory.nextGeneration, this.#history.nextGeneration);
    this.#attempts.tried = state.tried ?? null;
    this.#mirror.begin(stored);
    const workers = inventory.workers();
    log.info(
      { event: 'adopted', workers: workers.length, salvaged },
      `pid ${process.pid} is the supervisor now, of ${workers.length} workers that another has left`,
    );
    for (const remark of remarks) log.warn({ event: 'not-adopted' }, remark);
    const known = new Set([...workers.map((one) => one.process.pid), ...this.#leftovers.pids]);
    const strays = endStrays(paths.runtimeDirectory, known, this.#situation.config.stop.killTimeoutMs);
    if (strays.length > 0)
      log.warn({ event: 'strays', pids: strays }, `nothing is known of pid ${strays.join(', ')}: SIGTERM`);
    if (state.tickets == null) for (const worker of workers) worker.giveTicketSecret(this.#tickets.secret);
    goOn(
      {
        inventory,
        drainer: this.#drainer,
        hasStartup: this.#probes.hasStartup,
        activate: () => this.#custody.activate(),
        ready: () => notifier.ready(),
        takeBack: (candidate, cause) => this.#reloads.takeBack(candidate, cause),
        reloadDone: (outcome) => this.#reloads.cutOff(outcome),
        start: () => this.#firstStart.begin(release!),
      },
      state,
      waits,
    );
    const { current } = this.#attempts;
    if (current?.kind === 'start' && this.#attempts.serves(current)) this.#firstStart.cutOff(current);
    this.#restarter.review();
    this.#mirror.flush();
    if (this.doing === 'idle') void this.#watchConfig();
    this.#admin.resume();
    this.#admin.bindIfPossible();
    void this.#currentWatch.begin();
  }

  /** True where a client waits for the verdict of a reload. */
  #restore(state: Snapshot & Secrets, fds: NamedFds): boolean {
    this.#situation.options.lines.takeGiven(fds);
    const client = fds.get('client');
    fds.delete('client');
    this.#client.takePatient(state.patient ?? [], fds);
    this.#admin.take(fds, state);
    const { runtimeDirectory } = this.#situation.options.paths;
    this.#situation.inventory = Inventory.restore(state, fds, runtimeDirectory, this.#workforce.events);
    if (state.reports !== undefined) this.#reporter.restore(state.reports);
    this.#attempts.noOldAfterMs = state.noOldAfterMs ?? null;
    this.#growth.restore(state.ages ?? []);
    this.#answers.restoreMetrics(state.metrics ?? null);
    this.#oom.restore(state.oomKills ?? null);
    this.#degrading.restore(state.rules ?? []);
    this.#tickets.restore(state.tickets ?? null);
    this.verbosity.restore(state.debugUntilMs ?? null);
    const sinceMs = state.reloadSinceMs ?? monotonicMs();
    this.#reloads.attend(client === undefined ? null : ReloadClient.adopt(client), sinceMs);
    this.#attempts.current = state.attempt ?? null;
    return client !== undefined;
  }

  /** Asks for a reload; the client hears the rest. Throws BUSY and STOPPING. */
  reload(client: ReloadClient, options: ReloadOptions): void {
    this.#reloads.reload(client, options);
  }

  /** The same, to a release of before. Throws NO_ROLLBACK_TARGET too. */
  rollback(client: ReloadClient, options: RollbackOptions): void {
    this.#reloads.rollback(client, options);
  }

  /** Throws PROFILE_REFUSED and PROFILE_BUSY; `done` is told the code of the verdict, or null. */
  async profile(...asked: Parameters<Profiling['begin']>): Promise<void> {
    const { Profiling } = await import('./profiling.js');
    const files = await this.#profileFiles();
    const situation = this.#situation;
    this.#profiling ??= new Profiling({
      get inventory() {
        return situation.inventory;
      },
      files,
      log: situation.options.log,
      release: (worker) => this.#drainer.release(worker),
      startup: async (slot) => {
        const { StartupProfile } = await import('./startup-profile.js');
        const settle = () => this.#mirror.flush();
        return new StartupProfile({ situation, files, settle, busy: this.#reloads.busy || situation.stopping }, slot);
      },
    });
    await this.#profiling.begin(...asked);
  }

  /** Where the profile of that name is; null where there is none. */
  async profilePath(name: string): Promise<string | null> {
    return (await this.#profileFiles()).find(name);
  }

  async #profileFiles(): Promise<ProfileFiles> {
    const { ProfileFiles } = await import('../inventory/profile-files.js');
    return new ProfileFiles(this.#situation.options.paths.stateDirectory);
  }

  reloadBySignal(): void {
    this.#reloads.signalled();
  }

  /** To the supervisor that has taken over: an older batond would be ended by what it does not know. */
  passOn(signal: Heard): void {
    if (signal === 'SIGTERM' || this.#handover.successorCatches(signal)) this.#handover.passOn(signal);
  }

  /** Because of SIGHUP: the file is read at once, and something is said of it. */
  async rereadConfig(): Promise<void> {
    (await this.#loadLiveConfig())?.reread('signal');
  }

  /** Nothing is under way any more: what was changed meanwhile is looked at, and what will be from here on. */
  async #watchConfig(): Promise<void> {
    (await this.#loadLiveConfig())?.watch();
  }

  /** Null where nobody needs it any more. It is loaded when something serves, since no start has to wait for it. */
  async #loadLiveConfig(): Promise<LiveConfig | null> {
    const { LiveConfig } = await import('./live-config.js');
    if (this.#situation.stopping) return null;
    this.#liveConfig ??= new LiveConfig(this.#situation, {
      idle: () => this.doing === 'idle',
      applied: (changed) => this.#configured(changed),
      announce: () => this.#announce(),
    });
    return this.#liveConfig;
  }

  /** The configuration in use is another one: whoever does more with it than ask for it each time is told. */
  #configured(changed: readonly string[]): void {
    const { inventory, options, config } = this.#situation;
    const has = (prefix: string) => changed.some((key) => key.startsWith(prefix));
    this.verbosity.apply();
    if (has('admin.')) this.#admin.bindIfPossible();
    if (has('upgrade.on_failure') || has('evidence.')) this.#evidence.reconfigure();
    if (has('degrade')) this.#degrading.reconfigure();
    if (has('release.')) this.#currentWatch.reconfigure();
    if (has('probe.')) {
      this.#probes.reconfigure();
      // What had to prove itself before it accepts may not have to any more.
      for (const worker of inventory.incumbent?.mainWorkers ?? []) {
        if (worker.phase === 'ready') this.#workforce.moved(worker);
      }
    }
    this.#scaler.apply();
    this.#health.update();
    options.reconfigured(inventory.incumbent?.release ?? null, config);
    this.#mirror.flush();
    // What waited for a window, or for room, may not have to any more.
    this.#currentWatch.look();
  }

  /** Writes down what is the case, then ends everything at once; the second time without a word. */
  async quit(): Promise<void> {
    const { log, notifier, paths } = this.#situation.options;
    if (!this.#quitting) {
      this.#quitting = true;
      const { diagnose } = await import('./diagnosis.js');
      await diagnose({
        stateDirectory: paths.stateDirectory,
        log,
        status: () => this.status(),
        machines: () => ({
          doing: this.doing,
          roll: this.#roller.state,
          takeover: this.#handover.state,
          deployment: this.#deployment.doing,
          attempt: this.#attempts.current?.kind ?? null,
          stuck: !this.alive,
        }),
      });
      notifier.status('Ended by SIGQUIT.');
    }
    this.#ending.quit();
  }

  leave(stored: number): void {
    this.#ending.leave(stored);
  }

  stop(): void {
    this.#ending.stop();
  }

  hostGone(): void {
    this.#ending.hostGone();
  }

  status(): Promise<Status> {
    return this.#answers.status();
  }

  history(): HistoryRow[] {
    return this.#answers.history();
  }

  crashes(): Promise<readonly CrashSummary[]> {
    return this.#answers.crashes();
  }

  /** Throws NO_CRASH. */
  crash(id: string): Promise<Crash> {
    return this.#answers.crash(id);
  }

  reports(): ReportSummary[] {
    return this.#answers.reports();
  }

  /** Null is the last one. Throws NO_REPORT. */
  report(number: number | null): Report {
    return this.#answers.report(number);
  }

  /** Tells the traces, where the variables of OpenTelemetry ask for some. */
  #traced(say: (traces: Traces) => void): void {
    const { config } = this.#situation;
    const { env, log } = this.#situation.options;
    if (!(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT)) return;
    if (env.OTEL_SDK_DISABLED === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return;
    this.#traces ??= import('./traces.js').then(({ Traces }) => new Traces({ name: config.name, env, log }));
    this.#traces.then(say).catch((error: Error) => {
      log.warn({ event: 'trace-failed', err: error }, `the trace of a reload could not be sent: ${error.message}`);
    });
  }

  #announce(): void {
    const { exitStatus, options } = this.#situation;
    this.#mirror.touch();
    // The reason of an end that nobody asked for is the last word: whoever looks afterwards finds it in the status.
    if (exitStatus === EXIT.ok) options.notifier.status(this.#answers.summary());
  }
}
