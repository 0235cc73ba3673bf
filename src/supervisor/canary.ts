/**
 * The steps of a canary: for a time, some of the new connections go to the candidates, before they serve all.
 *
 * Each TCP listener that both generations listen on has a second socket (../inventory/canary-socket.ts). In the steady
 * state it gets nothing, and everybody who accepts accepts on both. For a canary
 *
 *   1. the candidates accept on the second sockets, and on nothing else;
 *   2. the incumbents accept on the first alone;
 *   3. the kernel gives the second sockets their share, step by step.
 *
 * What the kernel cannot decide (a step that goes by the first request; a listener that can have no second socket) the
 * incumbents do: they hand over what is meant for the candidates before the app has seen it (../worker/divert.ts).
 *
 * On the way back incumbents accept on both again, and on the way on candidates do: what waits in any queue has somebody
 * who serves it at every instant, so no queue is ever thrown away.
 */
import type { Diversion } from '../channel/diversion.js';
import { formatMatch } from '../config/canary-steps.js';
import type { CanaryStep } from '../config/config.js';
import { BatondError } from '../errors.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Generation } from '../inventory/generation.js';
import { describeListener, isDatagram, type Listener, type Listeners } from '../inventory/listeners.js';
import type { CanaryReport } from '../inventory/report.js';
import type { Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';
import { type Counted, countsSince, take } from './canary-counts.js';
import { introduceTakers } from './introduce.js';

/** A step that has begun: what is compared with what, for how long. */
export interface CanaryTrial extends CanaryStep {
  /** From 0. */
  readonly index: number;
  readonly of: number;
  readonly candidate: Generation;
  readonly incumbent: Generation;
}

export interface CanaryOptions {
  readonly steps: readonly CanaryStep[];
  readonly incumbent: Generation;
  readonly candidate: Generation;
  readonly listeners: Listeners;
  /** How long a worker may take to accept on what it is told. */
  readonly answerTimeoutMs: number;
  readonly log: Log;
  /** Puts on record what has changed, before a worker has it. */
  readonly settle: () => void;
  /** Within so many milliseconds it comes to something. */
  readonly allow: (ms: number) => void;
  readonly began: (trial: CanaryTrial) => void;
  /** The step has had its time. */
  readonly ended: (trial: CanaryTrial, report: CanaryReport) => void;
  /** That was the last step, or another follows when `next` is called. */
  readonly over: (event: 'stepped' | 'canaried') => void;
  readonly failed: (event: 'candidateFailed' | 'timedOut', cause: BatondError) => void;
}

type Stage = 'opening' | 'parting' | 'running' | 'over';

export class Canary implements Disposable {
  readonly #options: CanaryOptions;
  #stage: Stage = 'opening';
  #index = -1;
  /** Those with a second socket, and those without. */
  #byKernel: Listener[] = [];
  #byHand: Listener[] = [];
  /** Incumbents that can hand over, and those that have been told what in this step. */
  readonly #introduced = new WeakSet<Worker>();
  readonly #told = new Set<Worker>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: CanaryOptions) {
    this.#options = options;
  }

  /** Whether incumbents leave the second sockets to the candidates. */
  get apart(): boolean {
    return this.#stage !== 'opening';
  }

  begin(): void {
    const { candidate, answerTimeoutMs } = this.#options;
    const reason = this.#unable() ?? this.#giveSockets();
    if (reason !== null) {
      this.#fail('candidateFailed', new BatondError('CANARY_NOT_POSSIBLE', { generation: candidate.number, reason }));
      return;
    }
    this.#arm(answerTimeoutMs, () => {
      const facts = { generation: candidate.number, seconds: answerTimeoutMs / 1_000 };
      this.#fail('timedOut', new BatondError('CANDIDATE_NOT_OPENED', facts));
    });
    for (const worker of candidate.coreWorkers) worker.open('canary');
    this.check();
  }

  /** Looks whether the workers have come so far that it goes on; called whenever one of them has moved. */
  check(): void {
    const { candidate, incumbent, answerTimeoutMs, log } = this.#options;
    const candidates = candidate.coreWorkers;
    if (this.#stage === 'opening' && candidates.length === candidate.coreSlots.length && candidates.every(isCanary)) {
      this.#stage = 'parting';
      this.#arm(answerTimeoutMs, () => {
        log.warn({ event: 'canary-late' }, 'an old worker still takes connections of the canary: going on');
        this.next();
      });
      for (const worker of incumbent.coreWorkers) if (accepts(worker)) worker.open('main');
    }
    if (this.#stage === 'parting' && !incumbent.coreWorkers.some(({ phase }) => phase === 'opening')) {
      this.next();
    }
    // One that was started again meanwhile.
    if (this.#stage === 'running') this.#divert();
  }

  /** Begins the next step. */
  next(): void {
    const { steps, candidate, incumbent, listeners, began } = this.#options;
    this.#stage = 'running';
    const index = ++this.#index;
    const step = steps[index];
    if (step === undefined) {
      this.#over('canaried');
      return;
    }
    listeners.setShares(step.match === null ? step.share : 0, this.#byKernel);
    this.#told.clear();
    this.#divert();
    const trial: CanaryTrial = { ...step, index, of: steps.length, candidate, incumbent };
    const sinceMs = monotonicMs();
    const before = take([candidate, incumbent]);
    this.#arm(step.forMs, () => void this.#end(trial, sinceMs, before));
    began(trial);
  }

  /** Nothing more comes of it. Its sockets, and who accepts on them, are the roll's. */
  [Symbol.dispose](): void {
    this.#stage = 'over';
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #end(trial: CanaryTrial, sinceMs: number, before: Promise<Counted>): Promise<void> {
    const { candidate, incumbent, ended, steps } = this.#options;
    const match = trial.match === null ? null : formatMatch(trial.match);
    const ms = Math.round(monotonicMs() - sinceMs);
    const counts = await countsSince(await before, [candidate, incumbent]);
    if (this.#stage === 'over') return;
    ended(trial, { share: trial.share, match, ms, candidate: counts[0]!, incumbent: counts[1]! });
    this.#over(trial.index + 1 < steps.length ? 'stepped' : 'canaried');
  }

  /** Why workers cannot take part; null where they can. */
  #unable(): string | null {
    const { candidate, incumbent } = this.#options;
    const workers = [...candidate.coreWorkers, ...incumbent.coreWorkers];
    // One that boots has not said yet what it can; it was started by this batond. A command beside the main program takes
    // no part in it.
    const unable = workers.find(({ canaries, hasChannel, phase }) => hasChannel && !canaries && phase !== 'booting');
    return unable === undefined
      ? null
      : `worker ${unable.id} was started by an older batond that knows no canary; reload once without upgrade.canary`;
  }

  /** Where it can be so, the listeners that both use get second sockets, and all workers have them; else it says why. */
  #giveSockets(): string | null {
    const { steps, candidate, incumbent, listeners, settle, log } = this.#options;
    const shared = listeners
      .all()
      .filter((listener) => !isDatagram(listener) && [candidate, incumbent].every((one) => listens(one, listener)));
    if (shared.length === 0) return 'there is no listener of connections that both generations listen on';
    for (const listener of steps.some(({ match }) => match === null) ? shared : []) {
      try {
        listeners.openCanary(listener);
        this.#byKernel.push(listener);
      } catch (error) {
        const why = `${describeListener(listener)} can have no second socket: ${(error as Error).message}`;
        log.info({ event: 'canary-by-hand', listener: listener.name }, `${why}; its workers hand over the share`);
      }
    }
    this.#byHand = shared.filter((listener) => !this.#byKernel.includes(listener));
    settle();
    for (const generation of [incumbent, candidate]) {
      for (const worker of generation.coreWorkers) giveCanaries(worker, this.#byKernel);
    }
    return null;
  }

  /** Tells the incumbents that accept what they have to hand over in this step, which may be nothing. */
  #divert(): void {
    const { steps, incumbent } = this.#options;
    const step = steps[this.#index];
    if (step === undefined) return;
    const { share, match } = step;
    const of = match === null ? this.#byHand : [...this.#byKernel, ...this.#byHand];
    const diversion: Diversion = match === null ? { by: 'chance', share } : { ...match, share };
    // Nobody has to be told of nothing, as long as there was nothing before either.
    if (this.#byHand.length === 0 && steps.slice(0, this.#index + 1).every((one) => one.match === null)) return;
    for (const worker of incumbent.coreWorkers) {
      // What it was told ends with a pause, as where its readiness probe holds it back for a while.
      if (worker.phase !== 'open' || worker.accepts !== 'main') this.#told.delete(worker);
      else if (!this.#told.has(worker)) this.#tell(worker, diversion, of);
    }
  }

  #tell(worker: Worker, diversion: Diversion, of: readonly Listener[]): void {
    this.#told.add(worker);
    if (!this.#introduced.has(worker)) introduceTakers(worker, this.#options.incumbent, this.#options.candidate);
    this.#introduced.add(worker);
    worker.divert(
      diversion,
      of.map(({ name }) => name),
    );
  }

  #over(event: 'stepped' | 'canaried'): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#options.over(event);
  }

  #fail(event: 'candidateFailed' | 'timedOut', cause: BatondError): void {
    this[Symbol.dispose]();
    this.#options.failed(event, cause);
  }

  #arm(ms: number, onTime: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#options.allow(ms);
    this.#timer = setTimeout(onTime, ms);
  }
}

/** Gives a worker the second sockets of the listeners that it listens on. */
function giveCanaries(worker: Worker, listeners: readonly Listener[]): void {
  for (const { name, canary } of listeners) {
    if (canary instanceof Descriptor && worker.listening.has(name)) worker.giveCanary(name, canary.fd);
  }
}

const listens = ({ workers }: Generation, { name }: Listener): boolean =>
  [...workers.values()].some(({ listening }) => listening.has(name));

const isCanary = (worker: Worker): boolean => worker.phase === 'open' && worker.accepts === 'canary';
const accepts = ({ phase }: Worker): boolean => phase === 'open' || phase === 'opening';
