/**
 * Keeps the incumbent generation alive: what becomes of the slot of a worker that ended without having been told to is
 * what its rule says (src/healing). Each decision is an entry of the journal.
 *
 * Three things end a generation: a young one that keeps crashing is given up for the last good release; when every slot
 * of the main program has used up its crashes, or none of them serves and the budget of all slots is spent, it is lost,
 * and with it the unit; and when none is left that may be started again, its service is over, well or not. A core process
 * beside the main program can cost a young generation its place and nothing more; an auxiliary one not even that.
 */
import type { Config } from '../config/config.js';
import { probesOf } from '../config/health.js';
import { isSpent, withRestart } from '../healing/budget.js';
import { type Decision, decide } from '../healing/decide.js';
import type { Generation } from '../inventory/generation.js';
import type { SlotRecord } from '../inventory/healing.js';
import type { Inventory } from '../inventory/inventory.js';
import type { Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import type { MemoryGroup } from '../process/memory-group.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Exit } from '../process/process.js';
import type { SlotRange } from '../release/slots.js';
import { heldBy } from './held.js';
import { describeEnd, type End, judgeEnd, judgeFailedStart } from './judge-end.js';

/** So many crashes of one slot in a row make a young generation be given up: enough to tell them from one bad moment. */
const CRASHES_TO_REGRET = 3;

export interface RestarterHost {
  readonly inventory: Inventory;
  readonly config: Config;
  readonly log: Log;
  /** Whether a generation is on its way that may replace this one, or everything ends. */
  readonly busy: boolean;
  takeOomKill(): MemoryGroup | null;
  startWorker(generation: Generation, slot: number): void;
  /** What was decided of a worker that ended unasked. */
  judged(generation: Generation, slot: number, end: End, decision: Decision): void;
  /** Goes back to the last good release. False where there is none to go back to. */
  regret(generation: Generation, reason: string): boolean;
  lost(generation: Generation, reason: string): void;
  /** No slot is left that may be started again: all have done what they had to do, or `reason` says what of one. */
  over(generation: Generation, reason: string | null): void;
}

export class Restarter {
  readonly #host: RestarterHost;
  readonly #pauses = new Map<string, NodeJS.Timeout>();
  readonly #boots = new Map<string, NodeJS.Timeout>();

  constructor(host: RestarterHost) {
    this.#host = host;
  }

  /** A worker of the incumbent has ended, and is out of its generation. */
  ended(generation: Generation, worker: Worker, exit: Exit): void {
    this.arrived(worker);
    const { config, takeOomKill } = this.#host;
    const livedMs = monotonicMs() - worker.startedAtMs;
    const end = judgeEnd(worker, exit, generation.healing.listened, config.healing.rules, takeOomKill);
    this.#heal(generation, worker.slot, end, { pid: worker.process.pid, livedMs });
  }

  /** A worker that was started again is ready, or has ended: its boot has no deadline any more. */
  arrived(worker: Worker): void {
    const timer = this.#boots.get(worker.id);
    if (timer !== undefined) clearTimeout(timer);
    this.#boots.delete(worker.id);
  }

  /** Sees that every slot of the incumbent has a worker: after a takeover, or when one crashed in the moment of commit. */
  activate(): void {
    const generation = this.#host.inventory.incumbent;
    if (generation === null) return;
    const { startup } = probesOf(this.#host.config);
    for (const slot of generation.slots) {
      const worker = generation.workers.get(slot);
      if (worker?.phase === 'booting' || (worker?.phase === 'ready' && startup !== null)) this.#watchBoot(worker);
      if (worker !== undefined || generation.healing.isSettled(slot)) continue;
      this.#startWhenDue(generation, slot, generation.isCore(slot) ? this.#host.config.restart.delayMs : 0);
    }
  }

  /** A worker of an older generation has ended: an auxiliary process that waited for that is started. */
  startHeld(): void {
    const generation = this.#host.inventory.incumbent;
    if (generation === null) return;
    for (const slot of generation.slots) {
      if (generation.isCore(slot) || generation.workers.has(slot) || generation.healing.isSettled(slot)) continue;
      if (heldBy(this.#host.inventory, generation, slot) === null) this.#startWhenDue(generation, slot, 0);
    }
  }

  /** Looks whether there is anything left of the incumbent to wait for; called when nothing else is under way. */
  review(): void {
    const { inventory, config, busy, regret, over } = this.#host;
    const generation = inventory.incumbent;
    if (generation === null || busy) return;
    const core = generation.processes.filter(({ tier }) => tier === 'core');
    const settled = core.filter((range) => isSettled(generation, range));
    const kept = settled.flatMap((range) => keptIn(generation, range))[0];
    const isMainOver = settled.includes(generation.processes[0]);
    if (kept !== undefined) {
      const reason = `its worker ${kept.slot} ${kept.reason}`;
      const isYoung = ageMs(generation) < config.upgrade.regretMs;
      if (isYoung && regret(generation, reason)) return;
      // Beside a main program that serves it is missed, and no more: taking that down would make it worse.
      if (isMainOver) over(generation, reason);
    } else if (settled.length === core.length) over(generation, null);
  }

  /** Starts nothing any more; somebody else may be about to. */
  freeze(): void {
    for (const timer of [...this.#pauses.values(), ...this.#boots.values()]) clearTimeout(timer);
    this.#pauses.clear();
    this.#boots.clear();
  }

  #heal(generation: Generation, slot: number, end: End, facts: { pid: number | null; livedMs: number }): void {
    const { config } = this.#host;
    const { healing } = generation;
    const nowMs = monotonicMs();
    const { tier } = generation.processOf(slot);
    const before = healing.slots.get(slot);
    const isCrash = end.rule.action === 'restart';
    const budget = { restarts: config.restart.budget, windowMs: config.restart.windowMs };
    const restarts = withRestart(healing.restartsOf(tier), { atMs: nowMs, isCrash }, budget);
    const spent = isSpent(restarts, nowMs, budget, isCrash ? 'crashes' : 'all');
    const decision = decide(
      end.rule,
      {
        inARow: generation.crashes.get(slot) ?? 0,
        waits: before?.waits ?? 0,
        standby: before?.standby ?? false,
      },
      { stable: facts.livedMs >= config.restart.stableMs, isSpent: spent, chance: Math.random() },
      {
        delayMs: config.restart.delayMs,
        delayMaxMs: config.restart.delayMaxMs,
        hasStandby: generation.release.onDependencyFailure !== undefined,
      },
    );
    const { delayMs } = decision;
    const { inARow, waits, standby } = decision.slot;
    if (delayMs !== null) healing.remember(tier, restarts);
    generation.crashes.set(slot, inARow);
    healing.slots.set(slot, {
      slot,
      rest: delayMs === null ? (decision.action === 'done' ? 'done' : 'kept') : 'waiting',
      standby,
      waits,
      rule: end.rule.name,
      reason: describeEnd(end),
      sinceMs: nowMs,
      dueAtMs: delayMs === null ? null : nowMs + delayMs,
    });
    this.#host.judged(generation, slot, end, decision);
    if (isCrash) this.#sayCrash(generation, slot, end, { ...facts, inARow });
    this.#sayDecision(generation, slot, end, decision, { ...facts, restarts: healing.restartsOf(tier).length, spent });
    if (tier === 'auxiliary') {
      if (delayMs !== null) this.#startLater(generation, slot, delayMs);
      if (decision.action === 'keep' || (isCrash && inARow === config.restart.limit)) {
        this.#sayMissing(generation, slot, end);
      }
    } else if (delayMs === null) this.review();
    else if (!isCrash || !this.#ends(generation, slot, end, inARow, spent)) this.#startLater(generation, slot, delayMs);
  }

  /** As often as it would have cost a generation of the core its place, where its row of crashes goes on but once. */
  #sayMissing(generation: Generation, slot: number, end: End): void {
    const { name } = generation.processOf(slot);
    this.#host.log.error(
      { event: 'auxiliary-missing', generation: generation.number, slot, process: name },
      `the auxiliary process ${name} ${describeEnd(end)}: generation ${generation.number} serves without it`,
    );
  }

  /** Whether the crash was one too many, and the generation goes with it. */
  #ends(generation: Generation, slot: number, end: End, inARow: number, spent: boolean): boolean {
    const { config, regret, lost } = this.#host;
    const { budget, windowMs } = config.restart;
    const last = `the last one ${describeEnd(end)}`;
    const reason = spent
      ? `its workers have ended more than ${budget} times in ${windowMs / 1_000} s, ${last}`
      : `its workers keep ending, ${last}`;
    const isYoung = ageMs(generation) < config.upgrade.regretMs;
    // What is on its way back takes a while, in which the slot is started again all the same.
    if (isYoung && (spent || inARow >= CRASHES_TO_REGRET) && regret(generation, reason)) return false;
    // Where the main program is done, what runs beside it is all that there is.
    const [main] = generation.processes;
    const range = isSettled(generation, main) ? generation.processOf(slot) : main;
    if (!isUsedUp(generation, range, config.restart.limit) && !(spent && !isServing(generation, range))) return false;
    lost(generation, reason);
    return true;
  }

  #sayCrash(
    generation: Generation,
    slot: number,
    end: End,
    facts: { pid: number | null; inARow: number; livedMs: number },
  ): void {
    const { status: code, signal, cause } = end.ended;
    const { number } = generation;
    const process = generation.processOf(slot).name;
    this.#host.log.warn(
      { event: 'crash', generation: number, slot, process, ...facts, code, signal, cause },
      `worker g${number}s${slot} ${describeEnd(end)}`,
    );
  }

  #sayDecision(
    generation: Generation,
    slot: number,
    end: End,
    { action, delayMs, slot: { standby } }: Decision,
    facts: { pid: number | null; livedMs: number; restarts: number; spent: boolean },
  ): void {
    const { status: code, signal, cause } = end.ended;
    const { memory } = end;
    const { number } = generation;
    const entry = {
      event: 'healing',
      rule: end.rule.name,
      action,
      delayMs: delayMs === null ? null : Math.round(delayMs),
      generation: number,
      slot,
      process: generation.processOf(slot).name,
      code,
      signal,
      cause,
      ...facts,
      standby,
      ...(memory === null ? {} : { memoryBytes: memory.currentBytes, memoryMaxBytes: memory.maxBytes }),
    };
    const id = `worker g${number}s${slot} ${describeEnd(end)}`;
    const { log } = this.#host;
    if (delayMs === null) {
      log.warn(entry, action === 'done' ? `${id}: done, not started again` : `${id}: kept for a person to look at`);
    } else {
      const how = standby ? ' with on_dependency_failure' : '';
      log.info(entry, `${id}: started again in ${Math.round(delayMs)} ms${how} (rule ${end.rule.name}, ${action})`);
    }
  }

  #startWhenDue(generation: Generation, slot: number, otherwiseMs: number): void {
    const dueAtMs = generation.healing.slots.get(slot)?.dueAtMs;
    this.#startLater(generation, slot, dueAtMs == null ? otherwiseMs : dueAtMs - monotonicMs());
  }

  #startLater(generation: Generation, slot: number, delayMs: number): void {
    const key = `${generation.number}.${slot}`;
    if (this.#pauses.has(key)) return;
    const timer = setTimeout(
      () => {
        this.#pauses.delete(key);
        this.#start(generation, slot);
      },
      Math.max(0, delayMs),
    );
    this.#pauses.set(key, timer);
  }

  #start(generation: Generation, slot: number): void {
    if (generation.role !== 'incumbent' || generation.workers.has(slot) || !generation.slots.includes(slot)) return;
    const before = heldBy(this.#host.inventory, generation, slot);
    if (before !== null) {
      this.#host.log.info(
        { event: 'auxiliary-waits', generation: generation.number, slot, process: generation.processOf(slot).name },
        `slot ${slot} waits until generation ${before.number} has ended its ${generation.processOf(slot).name}`,
      );
      return;
    }
    generation.healing.started(slot);
    try {
      this.#host.startWorker(generation, slot);
    } catch (error) {
      const { number, healing } = generation;
      this.#host.log.error(
        { event: 'start-failed', generation: number, slot, err: error },
        `slot ${slot} could not be started again: ${(error as Error).message}`,
      );
      const end = judgeFailedStart(error as Error, healing.listened, this.#host.config.healing.rules);
      this.#heal(generation, slot, end, { pid: null, livedMs: 0 });
      return;
    }
    const worker = generation.workers.get(slot);
    if (worker !== undefined) this.#watchBoot(worker);
  }

  #watchBoot(worker: Worker): void {
    const { config, log } = this.#host;
    const timer = setTimeout(() => {
      log.warn(
        { event: 'boot-timeout', generation: worker.generation, slot: worker.slot },
        `worker ${worker.id} was not ready within upgrade.ready_timeout: SIGKILL`,
      );
      worker.killFor('boot');
    }, config.upgrade.readyTimeoutMs);
    this.#boots.set(worker.id, timer);
  }
}

const ageMs = ({ committedAtMs }: Generation) => monotonicMs() - (committedAtMs ?? 0);

/** Whether any of these can be given a connection, or will be in the end. */
function isServing({ workers }: Generation, range: SlotRange): boolean {
  return range.slots.some((slot) => (workers.get(slot)?.phase ?? 'booting') !== 'booting');
}

/** Whether every one of these slots that may be started again has crashed so often in a row. */
function isUsedUp({ crashes, healing }: Generation, range: SlotRange, limit: number): boolean {
  return range.slots.every((slot) => healing.isSettled(slot) || (crashes.get(slot) ?? 0) >= limit);
}

/** Whether none of the process runs, and none is started again. */
function isSettled({ workers, healing }: Generation, range: SlotRange): boolean {
  return range.slots.every((slot) => !workers.has(slot) && healing.isSettled(slot));
}

function keptIn({ healing }: Generation, { slots }: SlotRange): SlotRecord[] {
  return healing.kept().filter(({ slot }) => slots.includes(slot));
}
