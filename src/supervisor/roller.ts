/**
 * Carries out a roll: turns what the workers say into the events of the table, and its effects into deeds.
 *
 * It never decides what comes next; src/roll/roll.ts does.
 */

import type { Accepts, StateAnswer } from '../channel/messages.js';
import { formatStep } from '../config/canary-steps.js';
import type { CanaryStep, Config } from '../config/config.js';
import type { ReloadOutcome, ReloadStep } from '../control/messages.js';
import { BatondError } from '../errors.js';
import type { Sample } from '../health/levels.js';
import type { Failure } from '../health/soak.js';
import { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';
import type { CanaryReport, StateReport } from '../inventory/report.js';
import type { Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { Runner } from '../machine/runner.js';
import { type Fd, native } from '../native.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Exit } from '../process/process.js';
import type { Release } from '../release/release.js';
import { slotsFor } from '../release/slots.js';
import { ROLL, type RollEffect, type RollEvent, type RollRefusal, type RollState } from '../roll/roll.js';
import type { Canary, CanaryTrial } from './canary.js';
import { Progress } from './progress.js';
import { dueEvent, missing, toResume } from './roll-progress.js';
import { wentWell, wentWrong, whatServes } from './roll-words.js';
import { Soaking, type SoakRequest } from './soaking.js';
import { StateTransfer } from './state-transfer.js';

/** How long a worker may take to answer a probe, or to open or pause, before the roll goes on without it. */
const ANSWER_TIMEOUT_MS = 10_000;

export interface RollRequest {
  readonly release: Release;
  readonly kind: 'start' | 'reload' | 'regret';
  /** The steps before the switch, if there is an incumbent. Absent: it switches at once. */
  readonly canary?: {
    readonly steps: readonly CanaryStep[];
    /** It begins (null), or one of its steps is over. */
    readonly moved: (report: CanaryReport | null) => void;
  };
  /** How the candidate is watched, in a canary and on trial, if there is an incumbent. Absent: it is not. */
  readonly soak?: SoakRequest;
  readonly step: (step: ReloadStep, message: string) => void;
  readonly done: (outcome: ReloadOutcome) => void;
  /** The roll is in another state; the candidate is there from its first worker on. */
  readonly entered: (state: RollState, candidate: Generation | null) => void;
  /** When whoever waits for the verdict began to wait, monotonic. */
  readonly sinceMs: number;
  /** The app's state is being passed on; so many bytes of it are in neither process. */
  readonly passing: (state: StateReport, onTheWayBytes: number) => void;
}

export interface RollerHost {
  readonly inventory: Inventory;
  readonly config: Config;
  readonly log: Log;
  /** Binds what the config declares; a worker of another kind than Node gets it at its start. */
  bindDeclared(): Promise<void>;
  startWorker(generation: Generation, slot: number): void;
  /** Asks a worker that is ready for proof; it becomes trusted, or the returned promise says why not. */
  probe(worker: Worker, isMain: boolean): Promise<void>;
  /** Whether it is asked again and again, until upgrade.ready_timeout is over; else one failure is the end of the roll. */
  readonly hasStartup: boolean;
  /** What the candidate answered last, where it is asked again and again. */
  whyNot(candidate: Generation): string | null;
  /** Puts on record what has changed, before a worker has it. */
  settle(): void;
  /** What a worker says of itself now; null where nothing can be said. */
  check(worker: Worker): Promise<Sample | null>;
  record(generation: Generation): void;
  /** The candidate is to be taken back; what is kept of it, for the end of the verdict. */
  failed(candidate: Generation, cause: BatondError | null, kind: RollRequest['kind']): string | null;
  /** A generation is replaced. It is on record when this returns, and knows nothing of it yet. */
  retire(generation: Generation | null): void;
  drain(generation: Generation): void;
  promoted(generation: Generation): void;
  announce(): void;
  /** "exited with status 100 (config error)". */
  describeEnd(worker: Worker, exit: Exit): string;
}

const BEFORE_SWITCH: ReadonlySet<RollState> = new Set(['steady', 'booting', 'probing', 'canarying', 'restoring']);

export class Roller {
  readonly #host: RollerHost;
  readonly #runner: Runner<RollState, RollEvent, RollEffect, RollRefusal>;
  #request: RollRequest | null = null;
  #candidate: Generation | null = null;
  #deadline: NodeJS.Timeout | null = null;
  readonly #progress = new Progress();
  #opened = false;
  /** Of a candidate that failed: see RollerHost.failed. */
  #kept: string | null = null;
  #transfer: StateTransfer | null = null;
  #canary: Canary | null = null;
  #trial: CanaryTrial | null = null;
  #soaking: Soaking | null = null;

  constructor(host: RollerHost) {
    this.#host = host;
    this.#runner = new Runner(ROLL, 'steady', {
      effects: {
        startCandidates: () => this.#startCandidates(),
        probeCandidates: () => this.#probeCandidates(),
        canary: () => this.#beginCanary(),
        nextStep: () => this.#canary?.next(),
        passState: () => this.#passState(),
        openCandidates: () => this.#openCandidates(),
        pauseIncumbents: () => this.#pauseIncumbents(),
        soak: () => this.#soak(),
        record: () => this.#record(),
        promote: () => this.#promote(),
        resumeIncumbents: () => this.#resumeIncumbents(),
        dismissCandidates: () => this.#dismissCandidates(),
        reportDone: () => this.#report(null),
        reportFailed: () => this.#report(this.#runner.cause),
      },
      refused: (code) => {
        throw new BatondError(code, { generation: this.#candidate?.number });
      },
      moved: (from, event, to) => {
        if (from !== to) {
          this.#disarm();
          if (from === 'canarying') this.#endCanary();
          if (from === 'restoring') this.#endTransfer();
          if (to === 'committing' || to === 'rollingBack') this.#endSoak();
          if (to === 'steady') this.#progress.rest();
          else this.#progress.allow(ANSWER_TIMEOUT_MS);
          this.#request?.entered(to, this.#candidate);
        }
        host.log.debug({ event: 'roll', from, on: event, to, generation: this.#candidate?.number }, `roll: ${to}`);
        host.announce();
      },
      ignored: (state, event, why, cause) =>
        host.log.debug({ event: 'roll-ignored', state, on: event, err: cause }, `roll: ${event} ignored: ${why}`),
    });
  }

  get state(): RollState {
    return this.#runner.state;
  }

  /** Whether nothing will end the state that it is in. */
  get stuck(): boolean {
    return this.#progress.stuck;
  }

  /** Whether a worker of the incumbent that becomes ready now has to stand by instead of accepting. */
  get incumbentsStandBy(): boolean {
    return this.#opened && (this.state === 'switching' || this.state === 'soaking' || this.state === 'committing');
  }

  /** Whether the incumbent is to accept: in a switch and on the way back that changes under everybody's feet. */
  get incumbentsAccept(): boolean {
    return BEFORE_SWITCH.has(this.state);
  }

  /** What a worker of the incumbent that becomes ready now has to accept on. */
  get incumbentsOn(): Accepts {
    return this.#canary?.apart === true && this.state !== 'rollingBack' ? 'main' : 'all';
  }

  /** What a candidate gets in the step of a canary that is under way; null where there is none. */
  get share(): { readonly by: 'chance' | 'header' | 'cookie'; readonly thousandths: number } | null {
    return this.#trial === null ? null : { by: this.#trial.match?.by ?? 'chance', thousandths: this.#trial.share };
  }

  /** The step of a canary that is under way, in a sentence; null where there is none. */
  get trial(): string | null {
    return this.state !== 'canarying' || this.#trial === null ? null : `It gets ${formatStep(this.#trial)}.`;
  }

  /** Throws BUSY where a roll is under way. */
  begin(request: RollRequest): void {
    if (this.state !== 'steady') throw new BatondError('BUSY', { generation: this.#candidate?.number });
    this.#request = request;
    this.#runner.forget();
    this.#runner.post('begin');
  }

  abort(cause: BatondError): void {
    this.#runner.post('aborted', cause);
  }

  /** Takes back a roll that another supervisor had begun and did not live to commit. */
  takeBack(request: RollRequest, candidate: Generation, cause: BatondError): void {
    this.#request = request;
    this.#candidate = candidate;
    this.#runner.forget();
    this.#runner.post('cutOff', cause);
  }

  candidateExited(worker: Worker, exit: Exit): void {
    const how = this.#host.describeEnd(worker, exit);
    const reason = worker.fatal?.split('\n')[0];
    const onTrial = this.state === 'soaking' || this.state === 'canarying';
    const facts = { generation: worker.generation, how, onTrial, reason };
    this.#runner.post('candidateFailed', new BatondError('CANDIDATE_EXITED', facts));
  }

  incumbentExited(worker: Worker): void {
    this.#runner.post('incumbentExited');
    this.#transfer?.gone(worker);
    this.check();
  }

  /** It takes the descriptor. */
  stateAnswered(worker: Worker, answer: StateAnswer, file: Fd | null): void {
    if (this.#transfer !== null) this.#transfer.answered(worker, answer, file);
    else if (file !== null) native().close(file);
  }

  /** Looks whether the workers have come so far that the roll goes on; called whenever one of them has moved. */
  check(): void {
    if (this.state === 'canarying') {
      this.#canary?.check();
      return;
    }
    const due = dueEvent(this.state, {
      candidate: this.#candidate,
      incumbent: this.#host.inventory.incumbent,
      opened: this.#opened,
      knowsIncumbents: this.#soaking?.knowsIncumbents ?? true,
    });
    if (due === null) return;
    if (due === 'opened') this.#opened = true;
    this.#runner.post(due);
  }

  #startCandidates(): void {
    const { inventory, config } = this.#host;
    const release = this.#request!.release;
    const candidate = new Generation({
      number: inventory.nextGeneration++,
      role: 'candidate',
      release,
      ready: config.ready,
      slots: slotsFor(release, config.workers),
      committedAtMs: null,
      drainUntilMs: null,
      claims: [],
      crashes: [],
      workers: [],
    });
    inventory.generations.set(candidate.number, candidate);
    this.#candidate = candidate;
    this.#opened = false;
    const count = candidate.coreSlots.length;
    const workers = `${count} ${count === 1 ? 'worker' : 'workers'}`;
    this.#step('boot', `starting ${workers} of ${release.label}`);
    this.#arm(config.upgrade.readyTimeoutMs, () => {
      const seconds = config.upgrade.readyTimeoutMs / 1_000;
      const facts = { generation: candidate.number, seconds, missing: missing(candidate) };
      this.#runner.post('timedOut', new BatondError('CANDIDATE_NOT_READY', facts));
    });
    void this.#startAll(candidate);
    const { soak } = this.#request!;
    if (soak === undefined || inventory.incumbent === null) return;
    this.#soaking = new Soaking({
      ...soak,
      incumbent: () => inventory.incumbent,
      check: (worker) => this.#host.check(worker),
      step: (step, message) => this.#step(step, message),
      allow: (ms) => this.#progress.allow(ms),
      looked: () => this.check(),
      judged: (failure) => this.#judged(failure),
    });
  }

  async #startAll(candidate: Generation): Promise<void> {
    try {
      await this.#host.bindDeclared();
      for (const slot of candidate.coreSlots) {
        if (this.state !== 'booting') break;
        this.#host.startWorker(candidate, slot);
      }
    } catch (error) {
      const cause =
        error instanceof BatondError
          ? error
          : new BatondError(
              'CANDIDATE_NOT_STARTED',
              { generation: candidate.number, reason: (error as Error).message },
              error,
            );
      this.#runner.post('candidateFailed', cause);
    }
  }

  #probeCandidates(): void {
    const candidate = this.#candidate!;
    this.#step('probe', `asking ${candidate.coreSlots.length === 1 ? 'the worker' : 'each worker'} for proof`);
    const { hasStartup, config } = this.#host;
    const timeoutMs = hasStartup ? config.upgrade.readyTimeoutMs : ANSWER_TIMEOUT_MS;
    this.#arm(timeoutMs, () => {
      const last = this.#host.whyNot(candidate);
      const reason = `${last === null ? 'no answer' : `${last}, and no success`} within ${timeoutMs / 1_000} s`;
      this.#runner.post(
        'timedOut',
        new BatondError('CANDIDATE_NOT_ANSWERING', { generation: candidate.number, reason }),
      );
    });
    for (const worker of candidate.coreWorkers) {
      this.#host.probe(worker, candidate.isMain(worker.slot)).catch((error: Error) => {
        const facts = { generation: candidate.number, reason: error.message };
        this.#runner.post('candidateFailed', new BatondError('CANDIDATE_NOT_ANSWERING', facts, error));
      });
    }
  }

  /** It is loaded only where there is one. */
  #beginCanary(): void {
    const { steps, moved } = this.#request!.canary ?? { steps: [], moved: () => {} };
    const candidate = this.#candidate!;
    const { incumbent, listeners } = this.#host.inventory;
    if (steps.length === 0 || incumbent === null) {
      this.#runner.post('canaried');
      return;
    }
    moved(null);
    void import('./canary.js').then(({ Canary }) => {
      if (this.state !== 'canarying' || this.#candidate !== candidate) return;
      this.#canary = new Canary({
        steps,
        incumbent,
        candidate,
        listeners,
        answerTimeoutMs: ANSWER_TIMEOUT_MS,
        log: this.#host.log,
        settle: () => this.#host.settle(),
        allow: (ms) => this.#progress.allow(ms + ANSWER_TIMEOUT_MS),
        began: (trial) => {
          this.#trial = trial;
          const which = trial.of === 1 ? '' : ` (step ${trial.index + 1} of ${trial.of})`;
          this.#step('canary', `generation ${candidate.number} gets ${formatStep(trial)}${which}`);
          this.#soaking?.beside(candidate, trial.forMs);
          this.#host.announce();
        },
        ended: (_trial, report) => moved(report),
        over: (event) => this.#runner.post(event),
        failed: (event, cause) => this.#runner.post(event, cause),
      });
      this.#canary.begin();
    });
  }

  /** It is kept until the switch, because incumbents go on accepting on their first sockets alone. */
  #endCanary(): void {
    this.#trial = null;
    this.#soaking?.rest();
    this.#canary?.[Symbol.dispose]();
  }

  /** A return to the last good release must not fail for what the one that crashes cannot say. */
  #passState(): void {
    const { inventory, config, log } = this.#host;
    const request = this.#request!;
    // Each answer has this deadline of its own.
    this.#progress.allow(config.upgrade.readyTimeoutMs);
    this.#transfer = new StateTransfer({
      from: inventory.incumbent,
      to: this.#candidate!,
      maxBytes: config.upgrade.stateMaxBytes,
      timeoutMs: config.upgrade.readyTimeoutMs,
      lenient: request.kind === 'regret',
      log,
      step: (message) => this.#step('state', message),
      moved: (state, onTheWayBytes) => {
        this.#progress.allow(config.upgrade.readyTimeoutMs);
        request.passing(state, onTheWayBytes);
      },
      done: () => this.#runner.post('restored'),
      failed: (event, cause) => this.#runner.post(event, cause),
    });
    this.#transfer.begin();
  }

  #endTransfer(): void {
    this.#transfer?.[Symbol.dispose]();
    this.#transfer = null;
  }

  #openCandidates(): void {
    const candidate = this.#candidate!;
    this.#step('switch', `generation ${candidate.number} begins to accept`);
    this.#arm(ANSWER_TIMEOUT_MS, () => {
      const facts = { generation: candidate.number, seconds: ANSWER_TIMEOUT_MS / 1_000 };
      this.#runner.post('timedOut', new BatondError('CANDIDATE_NOT_OPENED', facts));
    });
    for (const worker of candidate.coreWorkers) worker.open();
    this.check();
  }

  #pauseIncumbents(): void {
    this.#host.inventory.listeners.setShares(0);
    // An incumbent whose loop is blocked must not keep its successor out: it stops accepting when its loop turns again.
    this.#arm(ANSWER_TIMEOUT_MS, () => {
      this.#host.log.warn({ event: 'pause-late' }, 'an old worker has not said that it stopped accepting: going on');
      this.#runner.post('paused');
    });
    for (const worker of this.#host.inventory.incumbent?.coreWorkers ?? []) {
      if (worker.phase === 'open' || worker.phase === 'opening') worker.pause();
    }
    this.check();
  }

  #soak(): void {
    if (this.#soaking === null || this.#request!.soak?.forMs === 0) this.#runner.post('soaked');
    else this.#soaking.begin(this.#candidate!);
  }

  #judged(failure: Failure | null): void {
    if (failure === null) {
      this.#runner.post('soaked');
      return;
    }
    const facts = { generation: this.#candidate?.number, ...failure };
    this.#runner.post('candidateFailed', new BatondError('SOAK_FAILED', facts));
  }

  #endSoak(): void {
    this.#soaking?.[Symbol.dispose]();
    this.#soaking = null;
  }

  #record(): void {
    this.#host.record(this.#candidate!);
    this.#runner.post('committed');
  }

  #promote(): void {
    const { inventory } = this.#host;
    const candidate = this.#candidate!;
    const outgoing = inventory.incumbent;
    candidate.role = 'incumbent';
    candidate.committedAtMs = monotonicMs();
    // Whoever hears of it from here on may rely on it, whatever becomes of this process.
    this.#host.retire(outgoing);
    this.#step('commit', `generation ${candidate.number} serves`);
    if (outgoing !== null) this.#host.drain(outgoing);
    this.#host.promoted(candidate);
  }

  #resumeIncumbents(): void {
    const incumbent = this.#host.inventory.incumbent;
    this.#step('rollback', `${this.#runner.cause?.message ?? 'the reload failed'}; ${whatServes(incumbent)}`);
    this.#arm(ANSWER_TIMEOUT_MS, () => this.#runner.post('timedOut'));
    this.#host.inventory.listeners.setShares(0);
    this.#kept = this.#host.failed(this.#candidate!, this.#runner.cause, this.#request!.kind);
    for (const worker of toResume(incumbent, this.#host.hasStartup)) worker.open();
    this.check();
  }

  #dismissCandidates(): void {
    this.#host.drain(this.#candidate!);
  }

  #report(cause: BatondError | null): void {
    const request = this.#request!;
    const candidate = this.#candidate!;
    const { incumbent } = this.#host.inventory;
    const kept = this.#kept;
    this.#request = null;
    this.#candidate = null;
    this.#canary = null;
    this.#opened = false;
    this.#kept = null;
    request.done({
      ...(cause === null ? wentWell(candidate) : wentWrong(cause, incumbent, kept)),
      generation: incumbent?.number ?? null,
      at: Date.now(),
      durationMs: monotonicMs() - request.sinceMs,
    });
    this.#host.announce();
  }

  #step(step: ReloadStep, message: string): void {
    this.#request?.step(step, message);
  }

  #arm(timeoutMs: number, onTimeout: () => void): void {
    this.#disarm();
    this.#progress.allow(timeoutMs);
    this.#deadline = setTimeout(onTimeout, timeoutMs);
  }

  #disarm(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
  }
}
