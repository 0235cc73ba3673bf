/**
 * The supervisor: a replaceable brain around an inventory. It listens to workers, to the control socket and to signals,
 * and passes what it hears to the one who knows: Roller, Drainer, Restarter, Handover. It decides nothing itself but
 * who may begin what, and when it is over.
 *
 * Start order: inherit, control socket, workers. Stop order: its reverse.
 */
import type { Config } from '../config/config.js';
import type { Audit } from '../control/audit.js';
import type {
  ConfigProblem,
  HistoryRow,
  ReloadOptions,
  ReloadOutcome,
  ReloadStep,
  ReportSummary,
  RollbackOptions,
  Status,
} from '../control/messages.js';
import type { Paths } from '../control/paths.js';
import { ReloadClient } from '../control/reload-client.js';
import { BatondError, EXIT } from '../errors.js';
import type { Attempt } from '../inventory/attempt.js';
import type { Generation } from '../inventory/generation.js';
import { Inventory, type NamedFds, type Secrets, type Snapshot } from '../inventory/inventory.js';
import { describeListener, isDatagram } from '../inventory/listeners.js';
import { Mirror, type Mirrored } from '../inventory/mirror.js';
import type { Report } from '../inventory/report.js';
import { ReportFiles } from '../inventory/report-files.js';
import { storedName, ticketsName } from '../inventory/stored-names.js';
import type { Phase, Worker, WorkerEvents } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { type Fd, native } from '../native.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Exit } from '../process/process.js';
import { isSameRelease } from '../release/compare.js';
import { readTarget, type Target } from '../release/current.js';
import { type Release, rootOf } from '../release/release.js';
import type { ReleaseWatch } from '../release/watch.js';
import type { Activated } from '../systemd/activation.js';
import { managedBy } from '../systemd/managed-by.js';
import type { Notifier } from '../systemd/notify.js';
import { ROLLBACK_ENVIRONMENT } from '../takeover/messages.js';
import { VERSION } from '../version.js';
import { Deployment } from './deployment.js';
import { Drainer } from './drainer.js';
import { goOn } from './going-on.js';
import { GoodReleases } from './good-releases.js';
import { Handover, type SuccessorCommand } from './handover.js';
import { History } from './history.js';
import type { Inherited } from './inherit.js';
import { isSameFile, type Kept } from './kept.js';
import { Leftovers } from './leftovers.js';
import { Listening } from './listening.js';
import { probe } from './probe.js';
import { describeCut, summaryOf } from './report-words.js';
import { Reporter } from './reporter.js';
import { Restarter } from './restarter.js';
import { Roller, type RollRequest } from './roller.js';
import { type SpawnContext, spawnWorker } from './spawn-worker.js';
import { generationStatus } from './status.js';
import { endStrays } from './strays.js';
import { summarize } from './summary.js';
import { TicketSecret } from './ticket-secret.js';
import { WaitingClient } from './waiting-client.js';

/** What a predecessor that keeps a copy in the fd store has there, its control socket included, which is taken already. */
function storedBy(state: Snapshot & Secrets, fds: NamedFds): string[] {
  if (state.mirrored !== true) return [];
  const names = [...fds.keys(), 'control'].map((name) => storedName(name, state));
  return state.tickets == null ? names : [...names, ticketsName(state.tickets.madeAtMs)];
}

/** Beyond the deadlines of the drain and of the kill: what the end itself may take. */
const STOP_MARGIN_MS = 5_000;
/** How long systemd may take to receive our last words. */
const LAST_WORDS_MS = 5_000;

/** What a worker is about to be told; a supervisor that died between the two would not know it of it. */
const ON_RECORD_FIRST: ReadonlySet<Phase> = new Set(['opening', 'pausing']);

export interface SupervisorOptions {
  readonly config: Config;
  /** Null only where a rollback is to be carried out, which brings another. */
  readonly release: Release | null;
  /** Where release.current led when the release was resolved; null where none is watched. */
  readonly target: Target | null;
  /** Why config and release are not what stands in the configuration now. */
  readonly configProblem: ConfigProblem | null;
  /** What the status says beside what runs, each a sentence. */
  readonly remarks: readonly string[];
  /** A generation of this release has been committed. */
  readonly committed: (release: Release) => void;
  readonly env: NodeJS.ProcessEnv;
  readonly paths: Paths;
  readonly log: Log;
  readonly audit: Audit;
  readonly notifier: Notifier;
  readonly streams: SpawnContext['streams'];
  readonly successorCommand: () => SuccessorCommand;
}

/** The control socket, as far as the supervisor has to do with it around a takeover and at the end. */
export interface ControlGate {
  readonly fd: number;
  pause(): void;
  resume(): void;
  close(): void;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #startedAtMs = monotonicMs();
  #inventory: Inventory;
  readonly #roller: Roller;
  readonly #drainer: Drainer;
  readonly #restarter: Restarter;
  readonly #handover: Handover;
  readonly #listening: Listening;
  readonly #good: GoodReleases;
  readonly #client = new WaitingClient();
  readonly #reporter: Reporter;
  readonly #reports: ReportFiles;
  readonly #tickets: TicketSecret;
  readonly #deployment: Deployment;
  readonly #history: History;
  #watch: ReleaseWatch | null = null;
  /** Which target of release.current was tried last. */
  #tried: string | null = null;
  /** The one under way. */
  #attempt: Attempt | null = null;
  readonly #mirror: Mirror;
  readonly #leftovers = new Leftovers();
  /** The pid of the supervisor that this one has handed everything to. */
  #heir: number | null = null;
  /** Asked for by the reload under way. */
  #noOldAfterMs: number | null = null;
  #control: ControlGate | null = null;
  #stopping = false;
  #exitStatus: number = EXIT.ok;
  #end: (status: number) => void = () => {};
  readonly #ended: Promise<number>;
  #fellBack = false;
  readonly #regretted = new Set<number>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { config, log, notifier, paths, successorCommand } = options;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#inventory = new Inventory(config.name, paths.runtimeDirectory);
    this.#mirror = new Mirror({
      path: paths.liveFile,
      log,
      notifier,
      env: options.env,
      collect: () => this.#mirrored(),
      changed: () => this.#announce(),
    });
    this.#listening = new Listening(
      log,
      () => this.#inventory,
      () => this.#mirror.flush(),
    );
    this.#good = new GoodReleases(paths.stateFile, log, () => this.#inventory);
    this.#history = new History(paths.historyFile, log);
    this.#deployment = new Deployment({
      config,
      env: options.env,
      log,
      serving: () => this.#inventory.incumbent?.release ?? null,
      step: (step, message) => {
        this.#reporter.surrounding(step);
        this.#stepTaken(step, message);
      },
      announce: () => this.#announce(),
    });
    this.#tickets = new TicketSecret((secret) => {
      for (const worker of this.#inventory.workers()) worker.giveTicketSecret(secret);
    });
    this.#reports = new ReportFiles(paths.stateDirectory);
    this.#reporter = new Reporter({
      files: this.#reports,
      log,
      workerPids: () => this.#inventory.workers().map((worker) => worker.process.pid),
      onComplete: (report) => this.#client.oldGone(report.number, describeCut(report)),
    });
    const self = this;
    const startWorker = (generation: Generation, slot: number) => this.#startWorker(generation, slot);
    this.#drainer = new Drainer({
      get inventory() {
        return self.#inventory;
      },
      log,
      drainTimeoutMs: config.upgrade.drainTimeoutMs,
      killTimeoutMs: config.stop.killTimeoutMs,
      begun: ({ number }) => this.#reporter.drains(number),
      settle: () => this.#mirror.flush(),
      timedOut: ({ generation }, cause, connections) => this.#reporter.timedOut(generation, cause, connections),
      killed: ({ generation }) => this.#reporter.killed(generation),
      gone: (generation) => this.#generationGone(generation),
    });
    this.#restarter = new Restarter({
      get inventory() {
        return self.#inventory;
      },
      config,
      log,
      startWorker,
      regret: (generation, reason) => this.#regret(generation, reason),
      lost: (generation, reason) => this.#lost(generation, reason),
    });
    this.#roller = new Roller({
      get inventory() {
        return self.#inventory;
      },
      config,
      log,
      startWorker,
      bindDeclared: () => this.#listening.bindDeclared(config.listeners),
      probe: (worker) => probe(worker, config.upgrade.probe),
      record: ({ release }) => {
        this.#good.add(release);
        options.committed(release);
      },
      retire: (generation) => this.#retire(generation),
      drain: (generation) => this.#drainer.drain(generation, this.#stopping ? 'close' : 'move'),
      promoted: () => this.#restarter.activate(),
      announce: () => this.#announce(),
    });
    this.#handover = new Handover({
      log,
      timeoutMs: config.upgrade.takeoverTimeoutMs,
      command: () => {
        const command = successorCommand();
        if (this.#attempt?.kind !== 'rollback') return command;
        return { ...command, env: { ...command.env, [ROLLBACK_ENVIRONMENT]: '1' } };
      },
      freeze: () => this.#freeze(),
      thaw: () => this.#thaw(),
      snapshot: () => this.#snapshot(),
      announceMain: (pid) => this.#announceMain(pid),
      barrier: () => notifier.barrier(5_000),
      failed: (cause) => this.#takeoverFailed(cause),
      exit: () => this.#end(EXIT.ok),
    });
  }

  /** Resolves with the exit status when this process has nothing left to do. */
  get ended(): Promise<number> {
    return this.#ended;
  }

  /** Whether it still gets on: what is under way comes to an end. */
  get alive(): boolean {
    return !this.#roller.stuck && !this.#handover.stuck && !this.#deployment.stuck;
  }

  set control(control: ControlGate) {
    this.#control = control;
  }

  /** Starts from nothing but, perhaps, the sockets that systemd brought. */
  start(activated: readonly Activated[]): void {
    this.#mirror.begin([]);
    for (const { fd, name } of activated) this.#adoptActivated(fd, name);
    this.#good.read();
    this.#inventory.nextGeneration = this.#history.nextGeneration;
    this.#beginStart(this.#options.release!);
    void this.#watchCurrent();
  }

  /** Several sockets of a .socket unit have the same name: the number of the descriptor tells them apart. */
  #adoptActivated(fd: Fd, name: string): void {
    const { listeners } = this.#inventory;
    if (listeners.all().some(({ descriptor }) => isSameFile(descriptor.fd, fd))) {
      native().close(fd);
      return;
    }
    try {
      const { listening, type, family } = native().socketInfo(fd);
      if (listening || (type === 'dgram' && family !== 'unix')) {
        let number = fd;
        while (listeners.get(`${name}-${number}`) !== undefined) number++;
        listeners.adopt({ name: `${name}-${number}`, address: null, origin: 'systemd', file: null }, fd);
        return;
      }
    } catch {
      // It is no socket at all.
    }
    this.#options.log.warn({ event: 'not-a-listener', name }, `systemd passed ${name}, which does not listen: closed`);
    native().close(fd);
  }

  /** Goes on with what the predecessor had, then rolls to the release that this process has resolved. */
  continue({ state, fds }: Inherited): void {
    const stored = storedBy(state, fds);
    const waits = this.#restore(state, fds);
    this.#mirror.begin(stored);
    const workers = this.#inventory.workers().length;
    this.#options.log.info(
      { event: 'took-over', workers },
      `pid ${process.pid} is the supervisor now, of ${workers} workers`,
    );
    const { kind, release } = this.#attempt ?? { kind: 'reload', release: null };
    this.#isTried(this.#options.target);
    this.#activate();
    void this.#watchCurrent();
    // Nobody waits for one that the watch has begun.
    if (waits || kind === 'watch') this.#beginReload(kind, release);
    else this.#attempt = null;
  }

  /** Goes on with what a supervisor has left that died, or that made way for a restart. */
  adopt({ state, fds, stored, leftovers, remarks, salvaged }: Kept, activated: readonly Activated[]): void {
    const { log, notifier, paths, config, release } = this.#options;
    const waits = this.#restore(state, fds);
    this.#leftovers.take(leftovers);
    for (const { fd, name } of activated) this.#adoptActivated(fd, name);
    if (salvaged) this.#good.read();
    this.#inventory.nextGeneration = Math.max(this.#inventory.nextGeneration, this.#history.nextGeneration);
    this.#tried = state.tried ?? null;
    this.#mirror.begin(stored);
    const workers = this.#inventory.workers();
    log.info(
      { event: 'adopted', workers: workers.length, salvaged },
      `pid ${process.pid} is the supervisor now, of ${workers.length} workers that another has left`,
    );
    for (const remark of remarks) log.warn({ event: 'not-adopted' }, remark);
    const known = new Set([...workers.map((one) => one.process.pid), ...this.#leftovers.pids]);
    const strays = endStrays(paths.runtimeDirectory, known, config.stop.killTimeoutMs);
    if (strays.length > 0)
      log.warn({ event: 'strays', pids: strays }, `nothing is known of pid ${strays.join(', ')}: SIGTERM`);
    if (state.tickets == null) for (const worker of workers) worker.giveTicketSecret(this.#tickets.secret);
    const self = this;
    goOn(
      {
        get inventory() {
          return self.#inventory;
        },
        drainer: this.#drainer,
        activate: () => this.#activate(),
        ready: () => notifier.ready(),
        takeBack: (candidate, cause) => this.#takeBack(candidate, cause),
        reloadDone: (outcome) => this.#reloadCutOff(outcome),
        start: () => this.#beginStart(release!),
      },
      state,
      waits,
    );
    if (this.#attempt?.kind === 'start' && this.#serves(this.#attempt)) this.#startCutOff(this.#attempt);
    this.#mirror.flush();
    void this.#watchCurrent();
  }

  /** True where a client waits for the verdict of a reload. */
  #restore(state: Snapshot & Secrets, fds: NamedFds): boolean {
    const client = fds.get('client');
    fds.delete('client');
    this.#client.takePatient(state.patient ?? [], fds);
    this.#inventory = Inventory.restore(state, fds, this.#options.paths.runtimeDirectory, this.#events());
    if (state.reports !== undefined) this.#reporter.restore(state.reports);
    this.#noOldAfterMs = state.noOldAfterMs ?? null;
    this.#tickets.restore(state.tickets ?? null);
    const sinceMs = state.reloadSinceMs ?? monotonicMs();
    this.#attend(client === undefined ? null : ReloadClient.adopt(client), sinceMs);
    this.#attempt = state.attempt ?? null;
    return client !== undefined;
  }

  /** Asks for a reload; the client hears the rest. Throws BUSY and STOPPING. */
  reload(client: ReloadClient, { noOldAfterMs }: ReloadOptions): void {
    this.#refuseOthers();
    this.#noOldAfterMs = noOldAfterMs;
    this.#begin(client, 'reload', null);
  }

  /** The same, to a release of before. Throws NO_ROLLBACK_TARGET too. */
  rollback(client: ReloadClient, { to }: RollbackOptions): void {
    this.#refuseOthers();
    const serving = this.#inventory.incumbent?.release;
    if (serving === undefined) throw new BatondError('NO_ROLLBACK_TARGET', { reason: 'nothing serves' });
    const release = to === null ? this.#good.before(serving) : this.#history.releaseOf(to);
    const refuse = (reason: string) => new BatondError('NO_ROLLBACK_TARGET', { reason });
    if (release === null) throw refuse('no other release has served that is still there');
    if (isSameRelease(release, serving)) throw refuse(`generation ${to} is of the release that serves`);
    this.#noOldAfterMs = null;
    this.#begin(client, 'rollback', release);
  }

  /** Throws BUSY and STOPPING. */
  #refuseOthers(): void {
    if (this.#stopping) throw new BatondError('STOPPING', { name: this.#options.config.name });
    if (this.#isBusy) {
      throw new BatondError('BUSY', { generation: this.#inventory.nextGeneration - (this.#handover.idle ? 1 : 0) });
    }
  }

  get #isBusy(): boolean {
    return !this.#handover.idle || this.#roller.state !== 'steady' || this.#deployment.busy;
  }

  #begin(client: ReloadClient | null, kind: 'reload' | 'watch' | 'rollback', release: Release | null): void {
    const { current } = this.#options.config.release;
    const target = current === null ? null : readTarget(current);
    this.#isTried(target);
    this.#attempt = this.#newAttempt(kind, release, target);
    this.#reporter.begin(kind === 'rollback' ? 'rollback' : 'reload', this.#inventory.incumbent?.number ?? null);
    this.#reporter.takeover();
    this.#attend(client, monotonicMs());
    this.#options.log.info({ event: 'reload', kind }, 'reload: starting the next supervisor');
    this.#options.notifier.reloading();
    this.#client.step('takeover', 'starting the next supervisor');
    this.#handover.begin();
    this.#announce();
  }

  /**
   * Ends this process alone: everything is on record, and systemd starts the next one at once. A stop where systemd has
   * fewer descriptors than it was given: it keeps none, or not as many.
   */
  leave(stored: number): void {
    if (this.#handover.yielding) {
      this.#handover.passOn('SIGTERM');
      return;
    }
    if (this.#stopping || this.#mirror.problem !== null || stored < this.#mirror.stored.size) {
      this.stop();
      return;
    }
    const workers = this.#inventory.workers().length;
    this.#options.log.info(
      { event: 'leave', workers },
      `restarting: ${workers} workers serve on until the next is here`,
    );
    this.#mirror.flush();
    void this.#options.notifier.sent(LAST_WORDS_MS).then(() => this.#end(EXIT.ok));
  }

  /** Drains and ends everything; the second time at once. */
  stop(): void {
    if (this.#handover.yielding) {
      this.#handover.passOn('SIGTERM');
      return;
    }
    if (this.#stopping) {
      this.#options.log.warn({ event: 'stop-now' }, 'told to stop again: ending every worker at once');
      for (const worker of this.#inventory.workers()) worker.process.kill();
      return;
    }
    this.#stopping = true;
    this.#options.log.info({ event: 'stop' }, 'stopping: no new connections, what is in flight is finished');
    const cause = new BatondError('STOPPING', { name: this.#options.config.name });
    this.#watch?.close();
    this.#handover.abort(cause);
    this.#deployment.stop(cause);
    this.#roller.abort(cause);
    this.#sayStopping();
    this.#restarter.freeze();
    this.#leftovers.release();
    for (const generation of [...this.#inventory.generations.values()]) this.#drainer.drain(generation, 'close');
    this.#announce();
    this.#finishIfEmpty();
  }

  /** As a stop, but never a second one, which would cut what is in flight; a successor sees it by itself. */
  hostGone(): void {
    if (!this.#stopping && !this.#handover.yielding) this.stop();
  }

  async status(): Promise<Status> {
    const generations = await Promise.all([...this.#inventory.generations.values()].map(generationStatus));
    const { config } = this.#options;
    return {
      version: 1,
      name: config.name,
      state: this.#state(),
      managedBy: managedBy(this.#options.env),
      supervisor: { pid: process.pid, version: VERSION, uptimeMs: monotonicMs() - this.#startedAtMs },
      generations,
      listeners: this.#inventory.listeners.all().map((listener) => ({
        name: listener.name,
        address: describeListener(listener),
        origin: listener.origin,
      })),
      lastReload: this.#inventory.lastReload,
      configProblem: this.#options.configProblem,
      summary: this.#summary(),
    };
  }

  history(): HistoryRow[] {
    return this.#history.rows();
  }

  reports(): ReportSummary[] {
    return this.#reports.numbers().flatMap((number) => {
      const report = this.#reports.read(number);
      return report === null ? [] : summaryOf(report);
    });
  }

  /** Null is the last one. Throws NO_REPORT. */
  report(number: number | null): Report {
    const wanted = number ?? this.#reports.numbers().at(-1) ?? null;
    const report = wanted === null ? null : this.#reports.read(wanted);
    if (report === null) throw new BatondError('NO_REPORT', { number: wanted });
    return report;
  }

  #state(): Status['state'] {
    if (this.#stopping) return 'stopping';
    if (this.#inventory.incumbent === null) return 'starting';
    return this.#isBusy ? 'reloading' : 'serving';
  }

  #summary(): string {
    const { doing } = this.#deployment;
    const { problem } = this.#mirror;
    return [
      summarize(this.#inventory, this.#roller.state, !this.#handover.idle, this.#stopping),
      ...this.#options.remarks,
      ...(doing === null ? [] : [doing]),
      ...(problem === null ? [] : [`A supervisor that dies cannot be replaced whole: ${problem}.`]),
    ].join(' ');
  }

  #announce(): void {
    this.#mirror.touch();
    // The reason of an end that nobody asked for is the last word: whoever looks afterwards finds it in the status.
    if (this.#exitStatus !== EXIT.ok) return;
    this.#options.notifier.status(this.#summary());
  }

  // A reload, and whoever waits for it.

  #attend(client: ReloadClient | null, sinceMs: number): void {
    if (client === null) {
      this.#client.alone(sinceMs);
      return;
    }
    this.#client.attend(client, sinceMs, () => {
      const cause = new BatondError('CLIENT_GONE');
      this.#handover.abort(cause);
      this.#deployment.abort(cause);
      this.#roller.abort(cause);
    });
  }

  /** The symlink is watched by the main process alone; what watches it is loaded when nothing waits for it. */
  async #watchCurrent(): Promise<void> {
    const { config, log } = this.#options;
    const { current, debounceMs, recheckMs } = config.release;
    if (current === null) return;
    const { ReleaseWatch } = await import('../release/watch.js');
    if (this.#stopping) return;
    const changed = (target: Target) => {
      const serving = this.#inventory.incumbent?.release;
      if (this.#isBusy || this.#stopping || serving === undefined) return;
      this.#isTried(target);
      this.#mirror.touch();
      if (rootOf(serving) === target.root) return;
      log.info({ event: 'current-moved', root: target.root }, `${current} points to ${target.root}`);
      this.#noOldAfterMs = null;
      this.#begin(null, 'watch', null);
    };
    this.#watch = new ReleaseWatch({ current, debounceMs, recheckMs, log, tried: () => this.#tried, changed });
  }

  #isTried(target: Target | null): void {
    if (target !== null) this.#tried = target.identity;
  }

  #newAttempt(kind: Attempt['kind'], release: Release | null, target: Target | null): Attempt {
    const { incumbent } = this.#inventory;
    const from = incumbent === null ? null : { generation: incumbent.number, release: incumbent.release };
    return { kind, release, generation: null, from, target, outcome: null };
  }

  /** What has to be so before the roll, then the roll. */
  #roll(attempt: Attempt, request: RollRequest): void {
    this.#attempt = attempt;
    const refuse = (error: Error) => {
      const facts = { generation: this.#inventory.nextGeneration, reason: error.message };
      const cause = error instanceof BatondError ? error : new BatondError('CANDIDATE_NOT_STARTED', facts, error);
      request.done(this.#refusal(cause, request.sinceMs));
    };
    const begin = () => {
      if (this.#stopping) {
        refuse(new BatondError('STOPPING', { name: this.#options.config.name }));
        return;
      }
      const entered: RollRequest['entered'] = (state, candidate) => {
        if (candidate !== null) attempt.generation = candidate.number;
        request.entered(state, candidate);
      };
      this.#roller.begin({ ...request, entered });
    };
    const preparing = this.#deployment.before(attempt, this.#inventory.nextGeneration);
    if (preparing === null) begin();
    else void preparing.then(begin, refuse);
  }

  #beginReload(kind: Attempt['kind'], wanted: Release | null): void {
    const release = wanted ?? this.#options.release!;
    this.#roll(this.#newAttempt(kind, release, this.#options.target), {
      release,
      kind: 'reload',
      sinceMs: this.#client.sinceMs,
      entered: (state, candidate) => this.#reporter.entered(state, candidate),
      passing: (state, onTheWayBytes) => this.#reporter.passing(state, onTheWayBytes),
      step: (step, message) => this.#stepTaken(step, message),
      done: (outcome) => this.#reloadDone(outcome),
    });
  }

  #stepTaken(step: ReloadStep, message: string): void {
    this.#options.log.info({ event: 'step', step }, message);
    this.#client.step(step, message);
  }

  #reloadDone(outcome: ReloadOutcome): void {
    const attempt = this.#attempt!;
    if (attempt.kind === 'rollback' && outcome.ok && attempt.from !== null) this.#good.remove(attempt.from.release);
    const givenUp = !outcome.ok || attempt.kind === 'rollback';
    const settling = this.#stopping ? null : this.#deployment.after(attempt, outcome, givenUp);
    if (settling === null) this.#verdict(attempt, outcome);
    else {
      attempt.outcome = outcome;
      this.#mirror.touch();
      const sinceMs = monotonicMs() - outcome.durationMs;
      void settling.then((settled) => {
        this.#verdict(attempt, { ...settled, at: Date.now(), durationMs: monotonicMs() - sinceMs });
      });
    }
  }

  #verdict(attempt: Attempt, outcome: ReloadOutcome): void {
    const { audit, log, notifier } = this.#options;
    if (this.#attempt === attempt) this.#attempt = null;
    this.#inventory.lastReload = outcome;
    this.#good.save();
    this.#history.add(attempt, outcome, this.#serves(attempt));
    const fields = {
      event: 'verdict',
      code: outcome.code,
      generation: outcome.generation,
      durationMs: outcome.durationMs,
    };
    if (outcome.ok) log.info(fields, `reload done: ${outcome.message}`);
    else log.error(fields, `reload failed: ${outcome.message}`);
    const { peer } = this.#client;
    if (peer !== null) {
      const { generation } = outcome;
      if (attempt.kind === 'rollback') {
        const release = attempt.release?.label;
        audit.action(peer, 'rollback', outcome.code ?? 'done', { generation, release });
      } else {
        audit.action(peer, 'reload', outcome.code ?? 'done', { generation, noOldAfterMs: this.#noOldAfterMs });
      }
    }
    this.#client.verdict(outcome, outcome.ok && this.#noOldAfterMs !== null ? this.#reporter.number : null);
    this.#noOldAfterMs = null;
    this.#reporter.verdict(outcome);
    this.#announce();
    if (this.#stopping) return;
    notifier.ready();
    this.#watch?.look();
  }

  #serves({ generation }: Attempt): boolean {
    return generation !== null && this.#inventory.incumbent?.number === generation;
  }

  /** The verdict of a reload that another supervisor did not live to give. */
  #reloadCutOff(outcome: ReloadOutcome): void {
    const { incumbent } = this.#inventory;
    const attempt = this.#attempt ?? this.#attemptCutOff('reload', outcome.ok ? incumbent : null);
    this.#attempt = attempt;
    // What follows the roll had begun, and no hook is run twice.
    if (attempt.outcome === null) this.#reloadDone(outcome);
    else this.#verdict(attempt, outcome);
  }

  /** The start whose supervisor died between the commit and its word about it. */
  #startCutOff(attempt: Attempt): void {
    const { release, generation } = attempt;
    const message = `generation ${generation} (${release!.label}) serves`;
    const common = { ok: true, code: null, exitStatus: 0, message, generation };
    this.#startDone(release!, { ...common, at: Date.now(), durationMs: 0 });
  }

  /** Where nothing is on record of what was asked for. */
  #attemptCutOff(kind: Attempt['kind'], generation: Generation | null): Attempt {
    const attempt = this.#newAttempt(kind, generation?.release ?? null, null);
    return generation === null ? attempt : { ...attempt, generation: generation.number };
  }

  #takeBack(candidate: Generation, cause: BatondError): void {
    const isStart = this.#inventory.incumbent === null;
    const attempt = this.#attempt ?? this.#attemptCutOff(isStart ? 'start' : 'reload', candidate);
    attempt.generation = candidate.number;
    this.#attempt = attempt;
    this.#roller.takeBack(
      {
        release: candidate.release,
        kind: isStart ? 'start' : 'reload',
        sinceMs: this.#client.sinceMs,
        entered: (state, generation) => this.#reporter.entered(state, generation),
        passing: () => {},
        step: (step, message) => this.#stepTaken(step, message),
        done: (outcome) => {
          if (!isStart) this.#reloadDone(outcome);
          else {
            this.#history.add(attempt, outcome, false);
            this.#beginStart(this.#options.release!);
          }
        },
      },
      candidate,
      cause,
    );
  }

  #takeoverFailed(cause: BatondError): void {
    this.#reloadDone(this.#refusal(cause, this.#client.sinceMs));
  }

  /** The outcome of what ended before its roll began. */
  #refusal(cause: BatondError, sinceMs: number): ReloadOutcome {
    const serving = this.#inventory.incumbent?.number ?? null;
    return {
      ok: false,
      code: cause.code,
      message: `${cause.message}; ${serving === null ? 'nothing serves' : `generation ${serving} keeps serving`}`,
      exitStatus: cause.exitStatus,
      generation: serving,
      at: Date.now(),
      durationMs: monotonicMs() - sinceMs,
    };
  }

  // The first start.

  #beginStart(release: Release): void {
    this.#isTried(this.#options.target);
    this.#roll(this.#newAttempt('start', release, this.#options.target), {
      release,
      kind: 'start',
      sinceMs: monotonicMs(),
      // A first start replaces nothing: there is no report of it.
      entered: () => {},
      passing: () => {},
      step: (step, message) => this.#options.log.info({ event: 'step', step }, message),
      done: (outcome) => this.#startDone(release, outcome),
    });
  }

  #startDone(release: Release, outcome: ReloadOutcome): void {
    const { log, notifier } = this.#options;
    const attempt = this.#attempt!;
    this.#attempt = null;
    this.#history.add(attempt, outcome, outcome.ok);
    const settling = this.#stopping ? null : this.#deployment.after(attempt, outcome, this.#fellBack);
    if (outcome.ok) {
      log.info({ event: 'ready', generation: outcome.generation, durationMs: outcome.durationMs }, outcome.message);
      this.#good.save();
      this.#leftovers.release();
      this.#inventory.listeners.closeUnasked();
      this.#announce();
      notifier.ready();
      this.#watch?.look();
      return;
    }
    if (this.#stopping) return;
    log.error({ event: 'start-failed', code: outcome.code }, outcome.message);
    const previous = this.#good.before(release);
    if (previous !== null && !this.#fellBack) {
      this.#fellBack = true;
      this.#inventory.lastReload = outcome;
      log.warn(
        { event: 'fall-back', release: previous.label },
        `starting the last good release instead: ${previous.label}`,
      );
      this.#beginStart(previous);
      return;
    }
    const end = () => {
      if (this.#stopping) return;
      notifier.status(`Could not start: ${outcome.message}.`);
      if (this.#leftovers.size > 0) {
        // There are workers of an older supervisor that serve; the next one tries again.
        this.#mirror.flush();
        this.#end(EXIT.software);
        return;
      }
      this.#endAllWith(EXIT.software);
    };
    if (settling === null) end();
    else void settling.then(end);
  }

  // A generation that cannot be kept.

  #regret(generation: Generation, reason: string): boolean {
    if (this.#stopping || this.#isBusy) return false;
    if (this.#regretted.has(generation.number)) return false;
    const previous = this.#good.before(generation.release);
    if (previous === null) return false;
    this.#regretted.add(generation.number);
    this.#good.remove(generation.release);
    const cause = new BatondError('GENERATION_LOST', { generation: generation.number, reason });
    this.#options.log.error(
      { event: 'regret', generation: generation.number, code: cause.code },
      `${cause.message}: going back to the last good release, ${previous.label}`,
    );
    this.#reporter.begin('regret', generation.number);
    const { current } = this.#options.config.release;
    const target = current === null ? null : readTarget(current);
    const isItsOwn = target?.root === rootOf(generation.release);
    this.#roll(this.#newAttempt('regret', previous, isItsOwn ? target : null), {
      release: previous,
      kind: 'regret',
      sinceMs: monotonicMs(),
      entered: (state, candidate) => this.#reporter.entered(state, candidate),
      passing: (state, onTheWayBytes) => this.#reporter.passing(state, onTheWayBytes),
      step: (step, message) => this.#options.log.info({ event: 'step', step }, message),
      done: (outcome) =>
        this.#reloadDone({
          ...outcome,
          ok: false,
          code: cause.code,
          exitStatus: cause.exitStatus,
          message: `${cause.message}; ${outcome.message}`,
        }),
    });
    return true;
  }

  #lost(generation: Generation, reason: string): void {
    const cause = new BatondError('GENERATION_LOST', { generation: generation.number, reason });
    this.#options.log.fatal({ event: 'lost', generation: generation.number, code: cause.code }, cause.message);
    this.#options.notifier.status(`${cause.message}.`);
    // Starting the same again would help nobody: the host is told that this end is meant.
    this.#sayStopping();
    this.#endAllWith(cause.exitStatus);
  }

  /** The unit's TimeoutStopSec= is from the day of its installation; the deadlines are those of the config now. */
  #sayStopping(): void {
    const { config, notifier } = this.#options;
    notifier.stopping();
    notifier.extendTimeout((config.upgrade.drainTimeoutMs + config.stop.killTimeoutMs + STOP_MARGIN_MS) * 1_000);
  }

  #endAllWith(status: number): void {
    this.#stopping = true;
    this.#exitStatus = status;
    this.#restarter.freeze();
    this.#leftovers.release();
    for (const generation of [...this.#inventory.generations.values()]) this.#drainer.drain(generation, 'close');
    this.#finishIfEmpty();
  }

  // Workers.

  /** An incumbent that is replaced may have been given little time, and so have those that drain already. */
  #retire(generation: Generation | null): void {
    if (generation === null) {
      this.#mirror.flush();
      return;
    }
    if (this.#noOldAfterMs !== null) {
      this.#drainer.hurry([...this.#inventory.byRole('draining'), generation], this.#noOldAfterMs);
    }
    this.#drainer.retire(generation);
  }

  #events(): WorkerEvents {
    return {
      onPhase: (worker) => this.#workerMoved(worker),
      onListen: (worker, id, address, backlog) => this.#listening.answer(worker, id, address, backlog),
      onListening: () => this.#announce(),
      onUnlisten: (worker, name) => {
        this.#generationOf(worker)?.unclaim(name, worker.slot);
        this.#inventory.sweepListeners();
        this.#announce();
      },
      onForeign: ({ id }, sender) => this.#options.audit.refused(sender, `spoke on the notify socket of worker ${id}`),
      onState: (worker, answer, file) => this.#roller.stateAnswered(worker, answer, file),
      onExit: (worker, exit) => this.#workerExited(worker, exit),
    };
  }

  #generationOf(worker: Worker): Generation | undefined {
    return this.#inventory.generations.get(worker.generation);
  }

  #startWorker(generation: Generation, slot: number): void {
    const { env, paths, log, streams, config } = this.#options;
    const declared = config.listeners.flatMap(({ name }) => this.#inventory.listeners.get(name) ?? []);
    for (const { name } of declared) generation.claim(name, slot);
    const worker = spawnWorker(generation, slot, {
      env,
      runtimeDirectory: paths.runtimeDirectory,
      declared,
      events: this.#events(),
      streams,
      datagramsAreEnough: this.#inventory.listeners.all().every(isDatagram),
    });
    generation.workers.set(slot, worker);
    this.#mirror.flush();
    worker.giveTicketSecret(this.#tickets.secret);
    log.info(
      { event: 'worker-started', generation: generation.number, slot, pid: worker.process.pid },
      `worker ${worker.id} started with pid ${worker.process.pid}`,
    );
  }

  #workerMoved(worker: Worker): void {
    if (ON_RECORD_FIRST.has(worker.phase)) this.#mirror.flush();
    const generation = this.#generationOf(worker);
    if (generation?.role === 'draining') {
      if (worker.phase === 'drained' && worker.tally !== null) this.#reporter.drained(worker.generation, worker.tally);
      this.#drainer.moved(worker);
    }
    if (generation?.role === 'incumbent' && worker.phase === 'ready') {
      this.#restarter.arrived(worker);
      if (!this.#roller.incumbentsStandBy) worker.open();
    }
    // One that was started again: what its predecessor would have been given goes to it.
    if (generation?.role === 'incumbent' && worker.phase === 'open' && this.#roller.state === 'steady') {
      this.#drainer.redirect();
    }
    this.#roller.check();
    this.#announce();
  }

  #workerExited(worker: Worker, exit: Exit): void {
    const generation = this.#generationOf(worker);
    if (generation === undefined) return;
    if (generation.workers.get(worker.slot) === worker) generation.workers.delete(worker.slot);
    this.#options.log.info(
      { event: 'worker-exited', generation: worker.generation, slot: worker.slot, pid: worker.process.pid, ...exit },
      `worker ${worker.id} is gone`,
    );
    if (generation.role === 'candidate') this.#roller.candidateExited(worker, exit);
    else if (generation.role === 'draining') {
      if (worker.phase === 'draining') this.#reporter.lost(generation.number);
      this.#drainer.exited(generation);
    } else {
      this.#restarter.crashed(generation, worker, exit);
      this.#roller.incumbentExited(worker);
    }
    this.#announce();
  }

  #generationGone({ number }: Generation): void {
    this.#reporter.gone(number);
    this.#inventory.sweepListeners();
    this.#announce();
    this.#finishIfEmpty();
  }

  #finishIfEmpty(): void {
    if (!this.#stopping || this.#inventory.generations.size > 0) return;
    this.#inventory.listeners.closeAll();
    this.#control?.close();
    this.#mirror.clear();
    this.#options.log.info({ event: 'stopped' }, 'stopped');
    void this.#options.notifier.sent(LAST_WORDS_MS).then(() => this.#end(this.#exitStatus));
  }

  // The takeover, as the predecessor.

  async #freeze(): Promise<void> {
    this.#control?.pause();
    this.#drainer.freeze();
    this.#restarter.freeze();
    this.#tickets.freeze();
    for (const worker of this.#inventory.workers()) worker.freeze();
    await this.#listening.settled();
    const full = this.#inventory.workers().find((worker) => worker.queued > 0);
    if (full !== undefined) throw new BatondError('WORKER_NOT_READING', { worker: full.id });
    this.#mirror.end();
  }

  /** Whoever looks for the supervisor from here on has to look for that one. */
  async #announceMain(pid: number): Promise<void> {
    this.#heir = pid;
    this.#mirror.again();
    this.#mirror.end();
    this.#options.notifier.mainPid(pid);
    await this.#options.notifier.sent(LAST_WORDS_MS);
  }

  #thaw(): void {
    this.#mirror.again();
    for (const worker of this.#inventory.workers()) worker.thaw();
    this.#activate();
    this.#control?.resume();
  }

  #snapshot(): { state: Snapshot & Secrets; fds: NamedFds } {
    const { state, fds } = this.#inventory.snapshot();
    if (this.#control !== null) fds.set('control', this.#control.fd);
    const client = this.#client.fd;
    if (client !== null) fds.set('client', client);
    const patient = this.#client.givePatient(fds);
    const { sinceMs: reloadSinceMs } = this.#client;
    const reports = this.#reporter.record;
    const tickets = this.#tickets.record;
    const noOldAfterMs = this.#noOldAfterMs;
    const [attempt, tried] = [this.#attempt, this.#tried];
    return {
      state: { ...state, reloadSinceMs, noOldAfterMs, patient, reports, attempt, tried, mirrored: true, tickets },
      fds,
    };
  }

  #mirrored(): Mirrored {
    const { state, fds } = this.#snapshot();
    const { tickets, ...rest } = state;
    const others = this.#leftovers.fds;
    const { config } = this.#options;
    const live = { supervisor: this.#heir ?? process.pid, state: rest, config, leftovers: [...others.keys()] };
    return { live, fds, tickets, others };
  }

  #activate(): void {
    this.#drainer.activate();
    this.#tickets.activate();
    this.#restarter.activate();
    this.#announce();
  }
}
