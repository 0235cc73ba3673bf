/**
 * Sees old generations out: told to drain, then SIGTERM when drained or when the deadline has passed, then SIGKILL.
 * Several generations may drain at once, each with its own deadline. Apps get SIGTERM last, since many exit on it.
 *
 * A reload may ask that no older generation runs after a certain time. SIGTERM then comes early enough for SIGKILL to
 * come at that time: the promise is about processes, not about our having asked them to go.
 */
import type { Idle } from '../channel/messages.js';
import type { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';
import type { CutCause, Held } from '../inventory/report.js';
import type { Phase, Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';
import { describeHoldings } from './holdings-words.js';
import { introduce } from './introduce.js';

export interface DrainerHost {
  readonly inventory: Inventory;
  readonly log: Log;
  readonly drainTimeoutMs: number;
  readonly killTimeoutMs: number;
  /** A generation has been told to drain, by the reload under way if there is one. */
  begun(generation: Generation): void;
  /** Puts on record what has changed, before anybody is told. */
  settle(): void;
  /** A worker is told to end although it still has connections; null where it does not say how many. */
  timedOut(worker: Worker, cause: CutCause, connections: number | null): void;
  /** It does not end in time, and this is what holds it. */
  held(worker: Worker, held: Held): void;
  killed(worker: Worker): void;
  /** Whether a worker that would be told to end is still needed; `release` is called when it is no more. */
  holds(worker: Worker): boolean;
  /** A generation has ended and is out of the inventory. */
  gone(generation: Generation): void;
}

/** A worker in one of these has accepted nothing, so there is nothing to wait for. */
const NEVER_ACCEPTED: ReadonlySet<Phase> = new Set(['booting', 'ready', 'trusted']);

/** More than a worker has for its answer. */
const ASK_LEAD_MS = 1_500;

/** All but those who have drained. */
const TO_BE_TOLD: readonly Phase[] = [
  'booting',
  'ready',
  'trusted',
  'opening',
  'open',
  'pausing',
  'paused',
  'draining',
];

export class Drainer {
  readonly #host: DrainerHost;
  readonly #timers = new Map<number, NodeJS.Timeout[]>();
  /** Who is about to be asked what holds it, before it is killed. */
  readonly #asking = new Map<Worker, NodeJS.Timeout>();
  /** Needed still, and to be told to end when not. */
  readonly #needed = new Set<Worker>();
  /** Raised by each freeze, so that what waits for a worker's answer across one does nothing. */
  #season = 0;

  constructor(host: DrainerHost) {
    this.#host = host;
  }

  /** `idle` says what becomes of connections that are idle: see the channel's `drain`. */
  drain(generation: Generation, idle: Idle): void {
    this.retire(generation);
    // One that never served was nobody's to send connections to.
    const replaced = generation.committedAtMs !== null;
    this.#host.log.info({ event: 'drain', generation: generation.number }, `generation ${generation.number} drains`);
    if (idle === 'move') introduce(generation, this.#host.inventory.incumbent);
    this.#tell(generation, idle);
    if (idle === 'move' && replaced) this.redirect(generation);
    this.#arm(generation);
    this.#endIfEmpty(generation);
  }

  /** It is to drain, and on record so, but has not been told. */
  retire(generation: Generation): void {
    generation.role = 'draining';
    generation.drainUntilMs ??= monotonicMs() + this.#host.drainTimeoutMs;
    this.#host.begun(generation);
    this.#host.settle();
  }

  /** Goes on with a drain that another supervisor began: whatever that one had told, it is told again. */
  resume(generation: Generation): void {
    this.retire(generation);
    introduce(generation, this.#host.inventory.incumbent);
    this.#tell(generation, 'move', TO_BE_TOLD);
  }

  /** `withinMs` from now on none of these generations runs, whatever it still has in hand. */
  hurry(generations: readonly Generation[], withinMs: number): void {
    const killAtMs = monotonicMs() + withinMs;
    const termAtMs = killAtMs - Math.min(this.#host.killTimeoutMs, withinMs / 2);
    for (const generation of generations) {
      const before = generation.hurry;
      generation.hurry = {
        termAtMs: Math.min(termAtMs, before?.termAtMs ?? Number.POSITIVE_INFINITY),
        killAtMs: Math.min(killAtMs, before?.killAtMs ?? Number.POSITIVE_INFINITY),
      };
      if (generation.role !== 'draining') continue;
      this.#host.begun(generation);
      this.#tell(generation, 'move', ['draining']);
      this.#arm(generation);
    }
  }

  /** Others serve now than those that generations which drain still have links to; or one that was started again. */
  redirect(replaced: Generation | null = null): void {
    for (const generation of this.#host.inventory.byRole('draining')) {
      if (generation === replaced) continue;
      introduce(generation, this.#host.inventory.incumbent);
      this.#tell(generation, 'move', ['draining']);
    }
  }

  /** Goes on with the drains of an inventory that was taken over. */
  activate(): void {
    for (const generation of this.#host.inventory.byRole('draining')) {
      this.#arm(generation);
      for (const worker of generation.workers.values()) {
        if (worker.phase === 'stopping') {
          const killTimeoutMs = this.#killTimeoutMs(worker);
          worker.process.killAfter(killTimeoutMs, () => this.#told(worker));
          this.#askBeforeKill(worker, killTimeoutMs);
        } else if (NEVER_ACCEPTED.has(worker.phase)) this.#stop(worker);
        else this.moved(worker);
      }
      this.#endIfEmpty(generation);
    }
  }

  /** Acts no more; somebody else may be about to. */
  freeze(): void {
    this.#season++;
    for (const timers of this.#timers.values()) for (const timer of timers) clearTimeout(timer);
    this.#timers.clear();
    for (const timer of this.#asking.values()) clearTimeout(timer);
    this.#asking.clear();
    this.#needed.clear();
  }

  /** It is needed no more, if it was. */
  release(worker: Worker): void {
    if (this.#needed.delete(worker) && worker.process.alive && worker.phase !== 'stopping') this.#stop(worker);
  }

  /** A worker of a draining generation has moved to another phase. */
  moved(worker: Worker): void {
    if (worker.phase === 'drained') this.#stop(worker);
  }

  /** A worker of a draining generation has ended, and is out of its generation. */
  exited(generation: Generation, worker: Worker): void {
    clearTimeout(this.#asking.get(worker));
    this.#asking.delete(worker);
    this.#needed.delete(worker);
    this.#endIfEmpty(generation);
  }

  #tell(generation: Generation, idle: Idle, only: readonly Phase[] | null = null): void {
    const leftMs = Math.max(0, termAt(generation) - monotonicMs());
    for (const worker of generation.workers.values()) {
      if (only !== null && !only.includes(worker.phase)) continue;
      const isAuxiliary = !generation.isCore(worker.slot);
      if (NEVER_ACCEPTED.has(worker.phase) || (isAuxiliary && worker.drainsBySignal)) {
        this.#stop(worker, this.#host.killTimeoutMs);
      } else if (isAuxiliary) {
        // The next one waits until this one is gone: what it has in hand has the time between the two signals.
        worker.drain(idle, 0);
        this.#stop(worker, this.#host.killTimeoutMs);
      } else worker.drain(idle, leftMs);
    }
  }

  #stop(worker: Worker, killTimeoutMs = this.#killTimeoutMs(worker)): void {
    if (this.#host.holds(worker)) {
      this.#needed.add(worker);
      return;
    }
    this.#needed.delete(worker);
    worker.stop(killTimeoutMs, () => this.#told(worker));
    this.#askBeforeKill(worker, killTimeoutMs);
  }

  /** SIGKILL comes at its time: what the worker is held by is asked so long before that an answer can be there. */
  #askBeforeKill(worker: Worker, killTimeoutMs: number): void {
    if (!worker.hasChannel || this.#asking.has(worker)) return;
    const leadMs = Math.min(ASK_LEAD_MS, killTimeoutMs / 2);
    const timer = setTimeout(async () => {
      const season = this.#season;
      const by = await worker.holdings();
      if (season === this.#season && worker.process.alive) {
        this.#sayHeld(worker, { slot: worker.slot, before: 'SIGKILL', by });
      }
    }, killTimeoutMs - leadMs);
    this.#asking.set(worker, timer);
  }

  #sayHeld(worker: Worker, held: Held): void {
    const { id, generation, slot, process } = worker;
    this.#host.held(worker, held);
    this.#host.log.warn(
      { event: 'held', generation, slot, pid: process.pid, before: held.before, ...held.by },
      `worker ${id} does not end: ${describeHoldings(held.by)}`,
    );
  }

  /** A program without a channel drains after its SIGTERM, so it has the time that is left for that as well. */
  #killTimeoutMs(worker: Worker): number {
    const { inventory, killTimeoutMs } = this.#host;
    const generation = inventory.generations.get(worker.generation);
    if (!worker.drainsBySignal || generation === undefined || !generation.isCore(worker.slot)) return killTimeoutMs;
    return killTimeoutMs + Math.max(0, termAt(generation) - monotonicMs());
  }

  #told(worker: Worker): void {
    const { id, generation, slot, process } = worker;
    this.#host.killed(worker);
    this.#host.log.warn(
      { event: 'kill', generation, slot, pid: process.pid },
      `worker ${id} did not end in time after SIGTERM: SIGKILL`,
    );
  }

  #arm(generation: Generation): void {
    this.#disarm(generation);
    const left = (atMs: number) => Math.max(0, atMs - monotonicMs());
    const timers = [setTimeout(() => this.#timeIsUp(generation), left(termAt(generation)))];
    if (generation.hurry !== null) {
      timers.push(setTimeout(() => this.#killAll(generation), left(generation.hurry.killAtMs)));
    }
    this.#timers.set(generation.number, timers);
  }

  #disarm(generation: Generation): void {
    for (const timer of this.#timers.get(generation.number) ?? []) clearTimeout(timer);
    this.#timers.delete(generation.number);
  }

  #timeIsUp(generation: Generation): void {
    const waiting = [...generation.workers.values()].filter(
      (worker) => worker.phase !== 'stopping' && !this.#needed.has(worker),
    );
    if (waiting.length === 0) return;
    const hurried = generation.hurry !== null && generation.hurry.termAtMs < (generation.drainUntilMs ?? 0);
    this.#host.log.warn(
      { event: 'drain-timeout', generation: generation.number, workers: waiting.length },
      `generation ${generation.number} still has connections after ` +
        `${hurried ? 'the time that the reload gave it (--no-old-after)' : 'upgrade.drain_timeout'}: SIGTERM`,
    );
    for (const worker of waiting) void this.#cut(worker, hurried ? 'noOldAfter' : 'drainTimeout');
  }

  /** What it still has is asked first, for the report: an answer is there at once, or its loop is blocked anyway. */
  async #cut(worker: Worker, cause: CutCause): Promise<void> {
    const season = this.#season;
    const [measures, by] = await Promise.all([worker.measure(), worker.holdings()]);
    if (season !== this.#season || worker.phase === 'stopping' || !worker.process.alive) return;
    this.#host.timedOut(worker, cause, measures?.connections ?? null);
    if (worker.hasChannel) this.#sayHeld(worker, { slot: worker.slot, before: 'SIGTERM', by });
    this.#stop(worker);
  }

  #killAll(generation: Generation): void {
    for (const worker of generation.workers.values()) {
      const { id, slot, process } = worker;
      this.#host.killed(worker);
      this.#host.log.warn(
        { event: 'kill', generation: generation.number, slot, pid: process.pid },
        `worker ${id} still runs at the time that the reload gave it (--no-old-after): SIGKILL`,
      );
      process.kill();
    }
  }

  #endIfEmpty(generation: Generation): void {
    if (generation.workers.size > 0 || !this.#host.inventory.generations.delete(generation.number)) return;
    this.#disarm(generation);
    this.#host.log.info({ event: 'gone', generation: generation.number }, `generation ${generation.number} is gone`);
    this.#host.gone(generation);
  }
}

/** When the workers of a draining generation get SIGTERM, milliseconds of CLOCK_MONOTONIC. */
export function termAt({ drainUntilMs, hurry }: Generation): number {
  return Math.min(drainUntilMs ?? Number.POSITIVE_INFINITY, hurry?.termAtMs ?? Number.POSITIVE_INFINITY);
}
