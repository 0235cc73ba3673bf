/**
 * The checks and gauges of the app, in the worker: calls them when the supervisor asks, and says what came of it.
 *
 * Nothing in here may throw into the app. A check that hangs is not called again beside itself: who asks meanwhile waits
 * for the same answer, and for no longer than was asked for.
 */
import { type CheckResult, MAX_CHECKS } from '../channel/checks.js';
import type { ToWorker } from '../channel/messages.js';
import type { HealthSide } from './app-side.js';
import type { Channel } from './channel.js';
import { down, failureOf, fitting, resultOf } from './check-result.js';

/** More than this is no time at all to a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

type Asked = Extract<ToWorker, { type: 'check' }>;
type Told = ReturnType<typeof resultOf>;

interface Check {
  readonly run: Parameters<HealthSide['check']>[1];
  readonly timeoutMs: number;
  /** The call that goes on. */
  running: { readonly told: Promise<Told>; readonly abort: AbortController; waiting: number } | null;
}

export class AppHealth implements HealthSide {
  readonly #channel: Pick<Channel, 'send'>;
  readonly #checks = new Map<string, Check>();
  readonly #gauges = new Map<string, () => unknown>();
  #saying = false;

  constructor(channel: Pick<Channel, 'send'>) {
    this.#channel = channel;
  }

  // What the app says.

  check(name: string, run: Check['run'], timeoutMs: number | null): () => void {
    const check: Check = { run, timeoutMs: timeoutMs ?? Number.POSITIVE_INFINITY, running: null };
    if (!add(this.#checks, name, check)) return () => {};
    this.#sayNames();
    return () => {
      if (this.#checks.get(name) !== check) return;
      this.#checks.delete(name);
      this.#sayNames();
    };
  }

  gauge(name: string, read: () => unknown): () => void {
    if (!add(this.#gauges, name, read)) return () => {};
    return () => {
      if (this.#gauges.get(name) === read) this.#gauges.delete(name);
    };
  }

  // What the supervisor asks for.

  async asked({ id, timeoutMs, names }: Asked): Promise<void> {
    const chosen = [...this.#checks].filter(([name]) => names?.includes(name) ?? true);
    const results = await Promise.all(chosen.map(([name, check]) => resultWithin(name, check, timeoutMs)));
    this.#channel.send({ type: 'checked', id, results: fitting(results) });
  }

  /** Another supervisor: the one before may have read the names without recording them. */
  repeat(): void {
    if (this.#checks.size > 0) this.#say();
  }

  /** What the gauges give; one that throws or gives no number is left out. */
  readGauges(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const [name, read] of this.#gauges) {
      try {
        const value = read();
        if (typeof value === 'number' && Number.isFinite(value)) found[name] = value;
      } catch {
        // It is the app's; the others are told.
      }
    }
    return found;
  }

  /** Once for all that is registered in one stretch. */
  #sayNames(): void {
    if (this.#saying) return;
    this.#saying = true;
    queueMicrotask(() => this.#say());
  }

  #say(): void {
    this.#saying = false;
    this.#channel.send({ type: 'checks', names: [...this.#checks.keys()] });
  }
}

/** The library refuses what is too many; another copy of it in the same process has counted for itself. */
function add<Value>(all: Map<string, Value>, name: string, value: Value): boolean {
  if (!all.has(name) && all.size >= MAX_CHECKS) return false;
  all.set(name, value);
  return true;
}

async function resultWithin(name: string, check: Check, askedMs: number): Promise<CheckResult> {
  const since = performance.now();
  const timeoutMs = Math.min(check.timeoutMs, askedMs, MAX_TIMER_MS);
  const running = begin(check);
  running.waiting++;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), timeoutMs);
    // An app that has nothing left to do ends.
    timer.unref();
  });
  const told = await Promise.race([running.told, late]);
  clearTimeout(timer);
  const ms = performance.now() - since;
  if (--running.waiting === 0 && told === null) running.abort.abort();
  // One that blocks the event loop answers before its timer can fire, and is late all the same.
  if (told === null || ms > timeoutMs) return { name, ms, ...down(`no answer within ${Math.round(timeoutMs)} ms`) };
  return { name, ms, ...told };
}

function begin(check: Check): NonNullable<Check['running']> {
  if (check.running !== null) return check.running;
  const abort = new AbortController();
  const told = call(check.run, abort.signal).finally(() => {
    check.running = null;
  });
  check.running = { told, abort, waiting: 0 };
  return check.running;
}

/** Never rejects. */
async function call(run: Check['run'], signal: AbortSignal): Promise<Told> {
  try {
    return resultOf(await run({ signal }));
  } catch (error) {
    try {
      return failureOf(error);
    } catch {
      return down('it threw what cannot be described');
    }
  }
}
