/**
 * How late the event loop is, while somebody wants to know: a timer says how much after its time it was called. That
 * wakes an idle process, so it ends by itself when nobody has asked for a while.
 *
 * Not perf_hooks.monitorEventLoopDelay: it wakes the process as often, counts its own interval as delay, and tells
 * percentiles of which two cannot be subtracted.
 */
import type { LoopDelaySeen } from '../channel/messages.js';
import { bucketOf, noLatency } from '../health/latency.js';

/** What blocks the loop for longer than this is seen, and counted as so much shorter at most. */
const INTERVAL_MS = 20;

/** Whoever wants to know asks about once a second. */
export const ASKED_FOR_MS = 10_000;

export class LoopDelay {
  #timer: NodeJS.Timeout | null = null;
  #askedAt = 0;
  #calledAt = 0;
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;
  readonly #over = noLatency();

  /** Begins to watch, or goes on. */
  watch(): void {
    this.#askedAt = performance.now();
    if (this.#timer !== null) return;
    this.#calledAt = this.#askedAt;
    this.#timer = setInterval(() => this.#called(), INTERVAL_MS);
    // An app that has nothing left to do ends.
    this.#timer.unref();
  }

  /** Counted since the start of the worker, as long as it was watched; null while it is not. */
  get seen(): LoopDelaySeen | null {
    if (this.#timer === null) return null;
    return { count: this.#count, sumMs: this.#sumMs, maxMs: this.#maxMs, over: this.#over };
  }

  #called(): void {
    const now = performance.now();
    const lateMs = Math.max(0, now - this.#calledAt - INTERVAL_MS);
    this.#calledAt = now;
    this.#count++;
    this.#sumMs += lateMs;
    this.#maxMs = Math.max(this.#maxMs, lateMs);
    const bucket = bucketOf(lateMs);
    this.#over[bucket] = (this.#over[bucket] as number) + 1;
    if (now - this.#askedAt > ASKED_FOR_MS) this.#end();
  }

  #end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
