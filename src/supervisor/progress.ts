/**
 * Whether a machine still gets on. Each of its states but the one at rest has a deadline that ends it; when even that
 * has passed by far, an effect has failed half-way or a timer is lost, and no later event would come. A supervisor that
 * hangs in part would answer `busy` for ever: it withholds its signs of life instead, and systemd starts the next one.
 */
import { monotonicMs } from '../process/monotonic.js';

/** What a state may take beyond its own deadline, on a machine that is starved. */
const GRACE_MS = 30_000;

export class Progress {
  readonly #now: () => number;
  #untilMs: number | null = null;

  /** `now` is CLOCK_MONOTONIC in milliseconds. */
  constructor(now: () => number = monotonicMs) {
    this.#now = now;
  }

  /** The machine is in a state that ends within `allowedMs`, by its own deadline at the latest. */
  allow(allowedMs: number): void {
    this.#untilMs = this.#now() + allowedMs + GRACE_MS;
  }

  /** The machine is at rest. */
  rest(): void {
    this.#untilMs = null;
  }

  get stuck(): boolean {
    return this.#untilMs !== null && this.#now() > this.#untilMs;
  }
}
