/**
 * The rules of [[degrade]] at work: reads what is counted once a second, lets each rule take its step, and runs the
 * commands of those that fire or are over. It decides nothing but the order of a rule's commands: one at a time, and
 * what has changed back while one ran is not run at all.
 *
 * A command ends with its supervisor. One that had not ended by then is run again by the next, so it has to bear that.
 */
import { keep, type Reading, sampleOf } from '../circuit/reading.js';
import { fires, type RuleRecord, step, weightOf } from '../circuit/rule.js';
import { parseWhen, reasonOf, type When } from '../circuit/when.js';
import type { Config, DegradeConfig } from '../config/config.js';
import type { Level } from '../health/levels.js';
import type { Generation } from '../inventory/generation.js';
import type { Log } from '../log.js';
import { cpuThrottling } from '../process/cpu-throttling.js';
import { memoryPressure } from '../process/memory-pressure.js';
import { monotonicMs } from '../process/monotonic.js';
import { workerEnvironment } from '../release/worker-environment.js';
import { runHook } from './hooks.js';
import { HOOK_ENVIRONMENT } from './strays.js';

export interface CircuitHost {
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  incumbent(): Generation | null;
  /** Of the service. */
  level(): Level;
  /** The weight, or what there is to say of it, is another one. */
  announce(): void;
}

/** How often it looks. */
const INTERVAL_MS = 1_000;

export class Circuit {
  readonly #host: CircuitHost;
  readonly #whens: readonly When[];
  /** One by one those of the rules; the config may have others by now. */
  readonly #degrades: readonly DegradeConfig[];
  #rules: RuleRecord[];
  /** Why each has fired, or what was so before it was over; for its command. */
  readonly #reasons = new Map<number, string>();
  readonly #running = new Set<number>();
  readonly #abort = new AbortController();
  #readings: Reading[] = [];
  #timer: NodeJS.Timeout | null = null;
  #active = false;

  /** `rules` go with those of the config, one by one. */
  constructor(host: CircuitHost, rules: readonly RuleRecord[]) {
    this.#host = host;
    this.#rules = [...rules];
    this.#degrades = host.config.degrade ?? [];
    this.#whens = rules.map(({ when }) => {
      const parsed = parseWhen(when);
      if (typeof parsed === 'string') throw new Error(`${when} was not refused when it was read: ${parsed}`);
      return parsed;
    });
  }

  get rules(): readonly RuleRecord[] {
    return this.#rules;
  }

  begin(): void {
    if (this.#active) return;
    this.#active = true;
    this.#later();
    for (const index of this.#rules.keys()) void this.#runDue(index);
  }

  freeze(): void {
    this.#active = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** For good: the service stops, and no command has anything left to do. */
  stop(cause: Error): void {
    this.freeze();
    this.#abort.abort(cause);
  }

  /** The next look begins when this one is over: a worker that does not answer delays it, and no two overlap. */
  #later(): void {
    if (!this.#active) return;
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => this.#later());
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const reading = await this.#read();
    if (!this.#active) return;
    this.#readings = keep([...this.#readings, reading], reading.atMs);
    const sample = sampleOf(this.#readings);
    if (sample === null) return;
    for (const [index, when] of this.#whens.entries()) {
      const reason = reasonOf(when, sample);
      if (reason !== null) this.#reasons.set(index, reason);
      this.#step(index, when, reason !== null, reading.atMs);
    }
  }

  async #read(): Promise<Reading> {
    const asked = (...kinds: string[]) => this.#whens.some(({ any }) => any.some(({ kind }) => kinds.includes(kind)));
    const workers = asked('p99', 'errors') ? (this.#host.incumbent()?.mainWorkers ?? []) : [];
    const measured = await Promise.all(
      workers.map(async (worker) => [worker.process.pid, await worker.measure()] as const),
    );
    return {
      atMs: monotonicMs(),
      workers: new Map(
        measured.flatMap(([pid, measures]) => {
          return measures === null ? [] : [[pid, { errors: measures.errors, latency: measures.latency }] as const];
        }),
      ),
      cpu: asked('cpu_throttled') ? cpuThrottling() : new Map(),
      level: this.#host.level(),
      memoryPressure: asked('memory_pressure') ? memoryPressure() : null,
    };
  }

  #step(index: number, { forMs }: When, holds: boolean, nowMs: number): void {
    const rule = this.#rules[index]!;
    const { state, sinceMs, change } = step(rule, holds, nowMs, forMs);
    if (state === rule.state) return;
    const due = change === 'fired' ? ('run' as const) : change === 'over' ? ('run_over' as const) : rule.due;
    this.#rules[index] = { ...rule, state, sinceMs, due };
    if (change !== null) {
      this.#say(index, change);
      void this.#runDue(index);
    }
    this.#host.announce();
  }

  #say(index: number, change: 'fired' | 'over'): void {
    const { log } = this.#host;
    const { when } = this.#rules[index]!;
    const weight = weightOf(this.#rules);
    const fields = { event: change === 'fired' ? 'degraded' : 'degrade-over', rule: when, weight };
    if (change === 'over') log.info(fields, `over: ${when}: weight ${weight} %`);
    else log.warn(fields, `degraded: ${this.#reasons.get(index)} (${when}): weight ${weight} %`);
  }

  async #runDue(index: number): Promise<void> {
    if (this.#running.has(index)) return;
    this.#running.add(index);
    try {
      for (let due = this.#rules[index]!.due; due !== null && this.#active; due = this.#rules[index]!.due) {
        await this.#run(index, due);
        const rule = this.#rules[index]!;
        // What has become due meanwhile is run next, unless it is the same again: then all is as it left it.
        if (rule.due === due) this.#rules[index] = { ...rule, due: null };
      }
    } finally {
      this.#running.delete(index);
    }
    this.#host.announce();
  }

  async #run(index: number, due: 'run' | 'run_over'): Promise<void> {
    const { config, env, log, incumbent } = this.#host;
    const rule = this.#rules[index]!;
    const { run, runOver } = this.#degrades[index]!;
    const argv = due === 'run' ? run : runOver;
    if (argv === null) return;
    const { how, ok } = await runHook({
      hook: due,
      argv,
      cwd: incumbent()?.release.directory ?? '/',
      env: {
        ...workerEnvironment(config.env, env),
        BATOND_NAME: config.name,
        [HOOK_ENVIRONMENT]: due,
        BATOND_RULE: rule.when,
        BATOND_REASON: this.#reasons.get(index) ?? '',
        BATOND_FIRES: fires(rule) ? '1' : '0',
        BATOND_WEIGHT: String(weightOf(this.#rules)),
      },
      timeoutMs: config.hooks.timeoutMs,
      log,
      signal: this.#abort.signal,
    });
    if (!ok) log.warn({ event: 'hook-failed', hook: due, rule: rule.when }, `${due} of ${rule.when} ${how}`);
  }
}
