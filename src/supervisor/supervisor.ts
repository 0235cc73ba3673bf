/**
 * The supervisor: a replaceable brain around an inventory. Here its parts are put together. What it hears goes to the
 * part that knows; it decides nothing itself.
 *
 * Start order: inherit, control socket, workers. Stop order: its reverse.
 */
import type { HealthSource } from '../admin/routes.js';
import { healthOf, probesOf } from '../config/health.js';
import type { HistoryRow, ReloadOptions, ReportSummary, RollbackOptions, Status } from '../control/messages.js';
import type { ReloadClient } from '../control/reload-client.js';
import { type BatondError, EXIT } from '../errors.js';
import type { Crash, CrashSummary } from '../inventory/crash-files.js';
import type { Generation } from '../inventory/generation.js';
import { Mirror } from '../inventory/mirror.js';
import type { Report } from '../inventory/report.js';
import { ReportFiles } from '../inventory/report-files.js';
import type { Worker } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Activated } from '../systemd/activation.js';
import { ROLLBACK_ENVIRONMENT } from '../takeover/messages.js';
import { Admitter } from './admitter.js';
import { Answers } from './answers.js';
import { Attempts } from './attempts.js';
import { Beginning } from './beginning.js';
import { ConfigDesk } from './config-desk.js';
import { Crashes } from './crashes.js';
import { CurrentWatch } from './current-watch.js';
import { type ControlGate, Custody } from './custody.js';
import { Degrading } from './degrading.js';
import { Deployment } from './deployment.js';
import type { Doors } from './doors.js';
import { Drainer } from './drainer.js';
import { Ending } from './ending.js';
import { Evidence } from './evidence.js';
import { FirstStart } from './first-start.js';
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
import { makeDoors } from './make-doors.js';
import type { Metrics } from './metrics.js';
import { OomWatch } from './oom-watch.js';
import { probe } from './probe.js';
import { Probes } from './probes.js';
import { ProfileDesk } from './profile-desk.js';
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
import { TicketSecret } from './ticket-secret.js';
import { Traced } from './traced.js';
import { Verbosity } from './verbosity.js';
import { WaitingClient } from './waiting-client.js';
import { Workforce } from './workforce.js';

export class Supervisor {
  readonly #situation: Situation;
  readonly #admin: Doors;
  readonly #answers: Answers;
  readonly #attempts: Attempts;
  readonly #beginning: Beginning;
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
  readonly profiles: ProfileDesk;
  readonly #reloads: Reloads;
  readonly #remains: Remains;
  readonly #reporter: Reporter;
  readonly #restarter: Restarter;
  readonly #roller: Roller;
  readonly #scaler: Scaler;
  readonly #series: SeriesWatch;
  readonly #tickets: TicketSecret;
  readonly #workforce: Workforce;
  readonly config: ConfigDesk;
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
    const reports = new ReportFiles(paths.stateDirectory);
    this.#admin = makeDoors(situation, {
      health: () => this.health,
      status: () => this.status(),
      reports,
      reporter: () => this.#reporter,
      answers: () => this.#answers,
      changed: () => this.#mirror.flush(),
    });
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
    const traced = new Traced(situation);
    this.#reporter = new Reporter({
      files: reports,
      log,
      workerPids: () => situation.inventory.workers().map((worker) => worker.process.pid),
      onVerdict: (report) => {
        metered((metrics) => metrics.reported(report));
        traced.tell((traces) => traces.reload(report));
      },
      onComplete: (report) => {
        metered((metrics) => metrics.drained(report));
        traced.tell((traces) => traces.drains(report));
        this.#client.oldGone(report.number, describeCut(report));
      },
      onBegun: () => this.#series.begun(),
    });
    this.#series = new SeriesWatch({
      open: () => this.#reporter.open,
      workers: () => situation.inventory.workers(),
    });
    this.profiles = new ProfileDesk(situation, {
      release: (worker) => this.#drainer.release(worker),
      settle: () => this.#mirror.flush(),
      busy: () => this.#reloads.busy,
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
        this.profiles.profiling?.enough('its generation is told to end', generation);
      },
      settle: () => this.#mirror.flush(),
      timedOut: ({ generation }, cause, connections) => this.#reporter.timedOut(generation, cause, connections),
      held: ({ generation }, held) => this.#reporter.held(generation, held),
      killed: ({ generation }) => this.#reporter.killed(generation),
      holds: (worker) =>
        this.#evidence.holds(worker) || this.#remains.holds(worker) || this.profiles.profiling?.holds(worker) === true,
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
      profiling: () => this.profiles.profiling,
      metered,
      metricsRecord: () => this.#answers.metricsRecord,
      ended: (worker: Worker, process: string) => metered((metrics) => metrics.ended(worker, process)),
      over: () => {
        options.settled();
        void this.config.watch();
        this.#currentWatch.look();
        // What ended while it was under way was left to it.
        this.#restarter.review();
      },
    };
    this.config = new ConfigDesk(situation, {
      ...parts,
      currentWatch: () => this.#currentWatch,
      workforce: () => this.#workforce,
      idle: () => this.doing === 'idle',
      settle: () => this.#mirror.flush(),
    });
    this.#custody = new Custody(situation, parts);
    const stopWatching = (cause: BatondError) => {
      this.#currentWatch.close();
      this.config.close();
      this.#degrading.stop(cause);
    };
    this.#ending = new Ending(situation, { ...parts, control: () => this.#custody.control, stopWatching });
    this.#reloads = new Reloads(situation, { ...parts, firstStart: () => this.#firstStart });
    this.#firstStart = new FirstStart(situation, { ...parts, ending: this.#ending });
    this.#regret = new Regret(situation, { ...parts, ending: this.#ending, reloads: this.#reloads });
    this.#workforce = new Workforce(situation, { ...parts, ending: this.#ending });
    this.#currentWatch = new CurrentWatch(situation, { ...parts, reloads: this.#reloads });
    this.#answers = new Answers(situation, { ...parts, reloads: this.#reloads });
    this.#beginning = new Beginning(situation, {
      ...parts,
      answers: this.#answers,
      config: this.config,
      currentWatch: this.#currentWatch,
      custody: this.#custody,
      firstStart: this.#firstStart,
      reloads: this.#reloads,
      workforce: this.#workforce,
      idle: () => this.doing === 'idle',
    });
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
    this.#beginning.start(activated);
  }

  /** Goes on with what the predecessor had, then rolls to the release that this process has resolved. */
  continue(inherited: Inherited): void {
    this.#beginning.continue(inherited);
  }

  /** Goes on with what a supervisor has left that died, or that made way for a restart. */
  adopt(kept: Kept, activated: readonly Activated[]): void {
    this.#beginning.adopt(kept, activated);
  }

  /** Asks for a reload; the client hears the rest. Throws BUSY and STOPPING. */
  reload(client: ReloadClient, options: ReloadOptions): void {
    this.#reloads.reload(client, options);
  }

  /** The same, to a release of before. Throws NO_ROLLBACK_TARGET too. */
  rollback(client: ReloadClient, options: RollbackOptions): void {
    this.#reloads.rollback(client, options);
  }

  reloadBySignal(): void {
    this.#reloads.signalled();
  }

  /** To the supervisor that has taken over: an older batond would be ended by what it does not know. */
  passOn(signal: Heard): void {
    if (signal === 'SIGTERM' || this.#handover.successorCatches(signal)) this.#handover.passOn(signal);
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

  #announce(): void {
    const { exitStatus, options } = this.#situation;
    this.#mirror.touch();
    // The reason of an end that nobody asked for is the last word: whoever looks afterwards finds it in the status.
    if (exitStatus === EXIT.ok) options.notifier.status(this.#answers.summary());
  }
}
