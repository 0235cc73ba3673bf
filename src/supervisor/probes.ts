/**
 * The probes of the main program of the generation that serves, and of what is to join it:
 *
 *   startup     a worker that is ready does not accept before it has succeeded
 *   readiness   a worker that fails accepts no more, unless it is the last one that does, until it succeeds again
 *   liveness    a worker that fails is ended, and its slot started again by whoever starts what has crashed
 *
 * Each worker is asked by itself, one question at a time, so that one that hangs keeps nobody else waiting. All of it
 * stops in a takeover and goes on in the next supervisor, which knows from the record of a worker that it is held back;
 * runs of answers begin anew. Where no probe is configured there is no timer.
 */
import type { Accepts } from '../channel/messages.js';
import type { ProbeConfig, ProbesConfig } from '../config/config.js';
import type { Sample } from '../health/levels.js';
import { answered, newStreak, type Streak } from '../health/streak.js';
import type { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';
import type { Phase, Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';
import { askOnce } from './probe.js';

export interface ProbesHost {
  readonly inventory: Inventory;
  readonly probes: ProbesConfig;
  readonly killTimeoutMs: number;
  readonly log: Log;
  /** Whether workers of the incumbent may be told to accept or not: in a switch that is the roll's business. */
  mayAct(): boolean;
  /** What a worker accepts on that accepts again. */
  accepts(): Accepts;
  sample(generation: Generation, slot: number, sample: Sample, why: string): void;
}

/** Accepts, or did and will. */
const SERVING: ReadonlySet<Phase> = new Set(['open', 'opening', 'pausing', 'paused']);

interface Loop {
  readonly name: keyof ProbesConfig;
  readonly probe: ProbeConfig;
  /** When it was first watched; never, where it has to give a sign before anything. */
  readonly sinceMs: number;
  failure: string | null;
  streak: Streak;
  timer: NodeJS.Timeout | null;
}

export class Probes {
  readonly #host: ProbesHost;
  readonly #loops = new Map<Worker, Loop[]>();
  #active = false;

  constructor(host: ProbesHost) {
    this.#host = host;
  }

  /** Whether a worker has to prove itself before it accepts. */
  get hasStartup(): boolean {
    return this.#host.probes.startup !== null;
  }

  /** How often a program has to say WATCHDOG=1, milliseconds; null where nobody listens for it. */
  get watchdogMs(): number | null {
    const { startup, readiness, liveness } = this.#host.probes;
    const intervals = [startup, readiness, liveness].flatMap((probe) =>
      probe?.by.kind === 'notify' ? [probe.intervalMs] : [],
    );
    return intervals.length === 0 ? null : Math.min(...intervals);
  }

  /** Acts from here on. */
  activate(): void {
    this.#active = true;
    for (const worker of this.#host.inventory.incumbent?.mainWorkers ?? []) {
      // The config that held it back may be another one by now.
      if (worker.heldBack && this.#host.probes.readiness === null) this.#letAccept(worker);
      if (worker.phase === 'ready' && this.hasStartup) this.start(worker);
      this.moved(worker);
    }
  }

  /** The probes are others: runs of answers begin anew. */
  reconfigure(): void {
    if (!this.#active) return;
    this.freeze();
    this.activate();
  }

  /** Asks nobody any more, and hears no answer that is under way. */
  freeze(): void {
    this.#active = false;
    for (const worker of [...this.#loops.keys()]) this.gone(worker);
  }

  /** A worker is ready, and has to prove itself before it accepts. Who waits for that has a deadline for it. */
  start(worker: Worker): void {
    this.#watch(worker, 'startup', false);
  }

  /** What the first of these answered last that has not proved itself yet; null where nothing is known. */
  whyNot({ workers }: Generation): string | null {
    for (const worker of workers.values()) {
      const loop = this.#loops.get(worker)?.find(({ name }) => name === 'startup');
      if (loop !== undefined && loop.failure !== null) return loop.failure;
    }
    return null;
  }

  /** A worker has moved to another phase. */
  moved(worker: Worker): void {
    if (!this.#active) return;
    const { incumbent } = this.#host.inventory;
    if (worker.phase === 'stopping' || worker.phase === 'draining') this.gone(worker);
    else if (
      incumbent?.workers.get(worker.slot) === worker &&
      incumbent.isMain(worker.slot) &&
      SERVING.has(worker.phase)
    ) {
      this.#end(worker, 'startup');
      this.#watch(worker, 'readiness', !worker.heldBack);
      this.#watch(worker, 'liveness', true);
    }
    this.#keepOne();
  }

  /** A generation serves from here on. */
  promoted(generation: Generation): void {
    for (const worker of generation.workers.values()) this.moved(worker);
  }

  /** It has ended. */
  exited(worker: Worker): void {
    this.gone(worker);
    if (this.#active) this.#keepOne();
  }

  /** Nothing is asked of it any more. */
  gone(worker: Worker): void {
    for (const { timer } of this.#loops.get(worker) ?? []) if (timer !== null) clearTimeout(timer);
    this.#loops.delete(worker);
  }

  /** Where nobody is left who accepts, those that are held back do: who connects is better served badly than not. */
  #keepOne(): void {
    const workers = this.#host.inventory.incumbent?.mainWorkers ?? [];
    const held = workers.filter(({ heldBack }) => heldBack);
    if (held.length === 0 || !this.#host.mayAct()) return;
    if (workers.some(({ phase }) => phase === 'open' || phase === 'opening')) return;
    for (const worker of held) this.#letAccept(worker);
  }

  #watch(worker: Worker, name: Loop['name'], well: boolean): void {
    const probe = this.#host.probes[name];
    const loops = this.#loops.get(worker) ?? [];
    if (probe === null || !this.#active || loops.some((loop) => loop.name === name)) return;
    const sinceMs = name === 'startup' ? Number.NEGATIVE_INFINITY : monotonicMs();
    const loop: Loop = { name, probe, sinceMs, failure: null, streak: newStreak(well), timer: null };
    this.#loops.set(worker, [...loops, loop]);
    // A worker that is to start is asked at once, others have just begun to serve.
    this.#askAfter(worker, loop, name === 'startup' ? 0 : loop.probe.intervalMs);
  }

  #end(worker: Worker, name: Loop['name']): void {
    const loops = this.#loops.get(worker) ?? [];
    for (const loop of loops) if (loop.name === name && loop.timer !== null) clearTimeout(loop.timer);
    this.#loops.set(
      worker,
      loops.filter((loop) => loop.name !== name),
    );
  }

  #askAfter(worker: Worker, loop: Loop, ms: number): void {
    loop.timer = setTimeout(() => void this.#ask(worker, loop), ms);
  }

  async #ask(worker: Worker, loop: Loop): Promise<void> {
    const begunMs = monotonicMs();
    const failure = await askOnce(worker, loop.probe, loop.sinceMs).then(
      () => null,
      (error: Error) => error.message,
    );
    // Frozen, ended, or no longer asked for meanwhile.
    if (this.#loops.get(worker)?.includes(loop) !== true) return;
    if (failure !== null && worker.stoodStillSince(begunMs)) {
      this.#askAfter(worker, loop, loop.probe.intervalMs);
      return;
    }
    const before = loop.streak;
    loop.failure = failure;
    loop.streak = answered(before, failure === null, loop.probe);
    this.#judge(worker, loop, before, failure);
    if (this.#loops.get(worker)?.includes(loop) !== true) return;
    this.#askAfter(worker, loop, Math.max(0, loop.probe.intervalMs - (monotonicMs() - begunMs)));
  }

  #judge(worker: Worker, loop: Loop, before: Streak, failure: string | null): void {
    const { log, inventory, sample } = this.#host;
    const { name, streak } = loop;
    const generation = inventory.generations.get(worker.generation);
    const { slot } = worker;
    if (name === 'startup') {
      if (streak.well) {
        this.#end(worker, 'startup');
        worker.trust();
      } else if (failure !== null) {
        const fields = { event: 'probe', probe: name, generation: worker.generation, slot };
        log.debug(fields, `worker ${worker.id} has not started yet: ${failure}`);
      }
      return;
    }
    if (generation !== undefined) {
      sample(generation, slot, failure === null ? 'good' : 'failed', `its ${name} probe ${failure ?? 'succeeds'}`);
    }
    if (streak.well !== before.well) {
      const fields = { event: 'probe', probe: name, generation: worker.generation, slot, pid: worker.process.pid };
      if (streak.well) log.info(fields, `worker ${worker.id} is well again by its ${name} probe`);
      else log.warn(fields, `worker ${worker.id} has failed its ${name} probe: ${failure}`);
    }
    if (!this.#host.mayAct()) return;
    if (name === 'readiness') this.#steer(worker, streak.well);
    else if (!streak.well) this.#endIt(worker);
  }

  /** Asked at each answer, since the one that was the last to accept may not be any more. */
  #steer(worker: Worker, well: boolean): void {
    if (well && worker.heldBack) this.#letAccept(worker);
    if (well || worker.phase !== 'open') return;
    const others = (this.#host.inventory.incumbent?.mainWorkers ?? []).filter(
      (other) => other !== worker && other.phase === 'open',
    );
    if (others.length === 0) return;
    this.#host.log.warn(
      { event: 'held-back', generation: worker.generation, slot: worker.slot },
      `worker ${worker.id} accepts no more until its readiness probe succeeds`,
    );
    worker.heldBack = true;
    worker.pause();
  }

  #letAccept(worker: Worker): void {
    worker.heldBack = false;
    if (worker.phase !== 'paused' && worker.phase !== 'pausing') return;
    this.#host.log.info(
      { event: 'let-accept', generation: worker.generation, slot: worker.slot },
      `worker ${worker.id} accepts again`,
    );
    worker.open(this.#host.accepts());
  }

  #endIt(worker: Worker): void {
    const { log, killTimeoutMs } = this.#host;
    log.error(
      { event: 'liveness', generation: worker.generation, slot: worker.slot, pid: worker.process.pid },
      `worker ${worker.id} is ended, since its liveness probe fails: SIGTERM`,
    );
    worker.endFor('liveness', killTimeoutMs, () =>
      log.warn(
        { event: 'kill', generation: worker.generation, slot: worker.slot, pid: worker.process.pid },
        `worker ${worker.id} did not end in time after SIGTERM: SIGKILL`,
      ),
    );
  }
}
