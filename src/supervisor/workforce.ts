/** Starts workers, and tells each who has to know what it hears of one: the roll, the drain, the restarts, the report. */

import type { Generation } from '../inventory/generation.js';
import { isDatagram } from '../inventory/listeners.js';
import type { Mirror } from '../inventory/mirror.js';
import type { Phase, Worker, WorkerEvents } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import { describeExit, type Exit } from '../process/process.js';
import type { Attempts } from './attempts.js';
import type { Crashes } from './crashes.js';
import type { Drainer } from './drainer.js';
import type { Ending } from './ending.js';
import type { Evidence } from './evidence.js';
import type { HealthKeeper } from './health-keeper.js';
import { judgeEnd } from './judge-end.js';
import type { Listening } from './listening.js';
import type { OomWatch } from './oom-watch.js';
import type { Probes } from './probes.js';
import type { Reporter } from './reporter.js';
import type { Restarter } from './restarter.js';
import type { Roller } from './roller.js';
import type { Scaler } from './scaler.js';
import type { Situation } from './situation.js';
import { spawnWorker } from './spawn-worker.js';
import type { TicketSecret } from './ticket-secret.js';

/** What a worker is about to be told; a supervisor that died between the two would not know it of it. */
const ON_RECORD_FIRST: ReadonlySet<Phase> = new Set(['opening', 'pausing']);

/** One that was started again and may accept: it is ready, or has proved itself where that is asked for. */
const ARRIVED: ReadonlySet<Phase> = new Set(['ready', 'trusted']);

export interface WorkforceHost {
  readonly attempts: Attempts;
  readonly crashes: Crashes;
  readonly drainer: Drainer;
  readonly evidence: Evidence;
  readonly ending: Ending;
  readonly health: HealthKeeper;
  readonly listening: Listening;
  readonly mirror: Mirror;
  readonly oom: OomWatch;
  readonly probes: Probes;
  readonly reporter: Reporter;
  readonly restarter: Restarter;
  readonly roller: Roller;
  readonly scaler: Scaler;
  readonly tickets: TicketSecret;
  /** A worker is gone, and out of its generation. */
  ended(worker: Worker, process: string): void;
  announce(): void;
}

export class Workforce {
  readonly #situation: Situation;
  readonly #host: WorkforceHost;

  constructor(situation: Situation, host: WorkforceHost) {
    this.#situation = situation;
    this.#host = host;
  }

  get events(): WorkerEvents {
    const { listening, roller, announce } = this.#host;
    const { audit, lines } = this.#situation.options;
    return {
      readLines: (worker, pipes) =>
        lines.read(
          { ...worker, process: () => this.#generationOf(worker)?.processOf(worker.slot).name ?? null },
          pipes,
        ),
      onPhase: (worker) => this.moved(worker),
      onListen: (worker, id, address, backlog) => listening.answer(worker, id, address, backlog),
      onListening: (worker, name) => {
        listening.begun(worker, name);
        announce();
      },
      onUnlisten: (worker, name) => {
        this.#generationOf(worker)?.unclaim(name, worker.slot);
        this.#situation.inventory.sweepListeners();
        announce();
      },
      onForeign: ({ id }, sender) => audit.refused(sender, `spoke on the notify socket of worker ${id}`),
      onState: (worker, answer, file) => roller.stateAnswered(worker, answer, file),
      onExit: (worker, exit) => this.#exited(worker, exit),
    };
  }

  start(generation: Generation, slot: number): void {
    const { inventory, options } = this.#situation;
    const { env, paths, log, lines } = options;
    const { config } = this.#situation;
    const { probes } = this.#host;
    const declared = config.listeners.flatMap(({ name }) => inventory.listeners.get(name) ?? []);
    const { name: process, tier } = generation.processOf(slot);
    // What may be missing for a while must not hold what the others accept on.
    const given = tier === 'core' ? declared : [];
    for (const { name } of given) generation.claim(name, slot);
    const worker = spawnWorker(generation, slot, {
      env,
      runtimeDirectory: paths.runtimeDirectory,
      declared: given,
      events: this.events,
      streams: () => lines.open(),
      reports: this.#host.crashes.reports,
      watchdogMs: generation.isMain(slot) ? probes.watchdogMs : null,
      datagramsAreEnough: inventory.listeners.all().every(isDatagram),
    });
    generation.workers.set(slot, worker);
    this.#host.mirror.flush();
    worker.giveTicketSecret(this.#host.tickets.secret);
    log.info(
      { event: 'worker-started', generation: generation.number, slot, process, pid: worker.process.pid },
      `worker ${worker.id} started with pid ${worker.process.pid}`,
    );
  }

  /** An incumbent that is replaced may have been given little time, and so have those that drain already. */
  retire(generation: Generation | null): void {
    const { attempts, drainer, mirror } = this.#host;
    if (generation === null) {
      mirror.flush();
      return;
    }
    if (attempts.noOldAfterMs !== null) {
      drainer.hurry([...this.#situation.inventory.byRole('draining'), generation], attempts.noOldAfterMs);
    }
    drainer.retire(generation);
  }

  /** The last worker of a generation has ended. */
  gone({ number }: Generation): void {
    this.#host.reporter.gone(number);
    this.#situation.inventory.sweepListeners();
    this.#host.announce();
    this.#host.ending.finishIfEmpty();
  }

  /** "exited with status 100 (config error)", of one that nobody starts again. */
  describeEnd(worker: Worker, exit: Exit): string {
    const { rules } = this.#situation.config.healing;
    const listened = this.#generationOf(worker)?.healing.listened ?? false;
    return judgeEnd(worker, exit, listened, rules, () => this.#host.oom.takeKill(monotonicMs())).how;
  }

  #generationOf(worker: Pick<Worker, 'generation'>): Generation | undefined {
    return this.#situation.inventory.generations.get(worker.generation);
  }

  /** A worker is in another phase, or is to be looked at as if it were. */
  moved(worker: Worker): void {
    const { drainer, mirror, probes, reporter, restarter, roller } = this.#host;
    if (ON_RECORD_FIRST.has(worker.phase)) mirror.flush();
    const generation = this.#generationOf(worker);
    if (generation?.role === 'draining') {
      if (worker.phase === 'drained' && worker.tally !== null) reporter.drained(worker.generation, worker.tally);
      drainer.moved(worker);
    }
    const proves = probes.hasStartup && generation?.isMain(worker.slot) === true;
    if (generation?.role === 'incumbent' && worker.phase === 'ready' && proves) probes.start(worker);
    else if (generation?.role === 'incumbent' && ARRIVED.has(worker.phase)) {
      restarter.arrived(worker);
      // Of what no roll pauses, nothing stands by either.
      if (!generation.isCore(worker.slot)) worker.open();
      else if (!roller.incumbentsStandBy) worker.open(roller.incumbentsOn);
    }
    if (generation?.role === 'incumbent' && generation.isLeaving(worker.slot)) this.#host.scaler.moved(worker);
    probes.moved(worker);
    // One that was started again: what its predecessor would have been given goes to it.
    const isCore = generation?.isCore(worker.slot) === true;
    if (generation?.role === 'incumbent' && isCore && worker.phase === 'open' && roller.state === 'steady') {
      drainer.redirect();
    }
    roller.check();
    this.#host.health.update();
    this.#host.announce();
  }

  #exited(worker: Worker, exit: Exit): void {
    const { drainer, health, oom, probes, reporter, restarter, roller } = this.#host;
    const generation = this.#generationOf(worker);
    if (generation === undefined) return;
    if (generation.workers.get(worker.slot) === worker) generation.workers.delete(worker.slot);
    this.#host.ended(worker, generation.processOf(worker.slot).name);
    this.#situation.options.log.info(
      {
        event: 'worker-exited',
        generation: worker.generation,
        slot: worker.slot,
        process: generation.processOf(worker.slot).name,
        pid: worker.process.pid,
        ...exit,
      },
      `worker ${worker.id} ${isOrderly(exit) ? 'is gone' : describeExit(exit)}`,
    );
    probes.exited(worker);
    if (generation.role !== 'incumbent') this.#host.evidence.exited(worker, exit);
    if (generation.role === 'candidate') roller.candidateExited(worker, exit);
    else if (generation.role === 'draining') {
      if (worker.phase === 'draining') reporter.lost(generation.number);
      // Whoever killed it: what the kernel has counted of it is not for the next that is killed.
      if (exit.signal === 'SIGKILL') oom.takeKill(monotonicMs());
      drainer.exited(generation, worker);
      restarter.startHeld();
    } else if (generation.isLeaving(worker.slot)) {
      this.#host.scaler.exited(generation, worker);
      roller.incumbentExited(worker);
    } else {
      restarter.ended(generation, worker, exit);
      const isDone = generation.healing.slots.get(worker.slot)?.rest === 'done';
      if (!isDone) health.sample(generation, worker.slot, 'failed', `it ${describeExit(exit)}`);
      roller.incumbentExited(worker);
    }
    this.#host.crashes.exited(generation, worker, exit);
    health.update();
    this.#host.announce();
  }
}

/** As we end a worker, or as one ends that was told to: no news. Of one that is nobody's child nothing is known. */
function isOrderly({ code, signal }: Exit): boolean {
  return signal === 'SIGTERM' || (signal === null && (code === 0 || code === null));
}
