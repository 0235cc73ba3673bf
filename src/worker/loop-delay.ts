/**
 * How late the event loop is, while somebody wants to know: a timer says how much after its time it was called. That
 * wakes an idle process, so it ends by itself when nobody has asked for a while, and is as slow as whoever asks can bear.
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
  /** Until when somebody wants to know, by the interval that is asked for. */
  readonly #until = new Map<number, number>();
  #timer: NodeJS.Timeout | null = null;
  #everyMs = 0;
  #calledAt = 0;
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;
  readonly #over = noLatency();

  /** Begins to watch, or goes on, for so many milliseconds at least. */
  watch(forMs = ASKED_FOR_MS, everyMs = INTERVAL_MS): void {
    const now = performance.now();
    this.#until.set(everyMs, Math.max(this.#until.get(everyMs) ?? 0, now + forMs));
    this.#arm(now);
  }

  /** Counted since the start of the worker, as long as it was watched; null while it is not. */
  get seen(): LoopDelaySeen | null {
    if (this.#timer === null) return null;
    return { count: this.#count, sumMs: this.#sumMs, maxMs: this.#maxMs, over: this.#over };
  }

  /** The shortest interval that anybody still asks for counts. */
  #arm(now: number): void {
    for (const [everyMs, until] of this.#until) if (now > until) this.#until.delete(everyMs);
    const everyMs = Math.min(...this.#until.keys());
    if (this.#timer !== null && everyMs === this.#everyMs) return;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (this.#until.size === 0) return;
    this.#everyMs = everyMs;
    this.#calledAt = now;
    this.#timer = setInterval(() => this.#called(), everyMs);
    // An app that has nothing left to do ends.
    this.#timer.unref();
  }

  #called(): void {
    const now = performance.now();
    const lateMs = Math.max(0, now - this.#calledAt - this.#everyMs);
    this.#calledAt = now;
    this.#count++;
    this.#sumMs += lateMs;
    this.#maxMs = Math.max(this.#maxMs, lateMs);
    const bucket = bucketOf(lateMs);
    this.#over[bucket] = (this.#over[bucket] as number) + 1;
    this.#arm(now);
  }
}
