/**
 * The level of the log, raised for a while by SIGUSR1: every entry of `debug` and above for ten minutes, or until the
 * next SIGUSR1. It goes on over a takeover, since it is reloads that one wants to see through.
 */
import type { LogLevel } from '../config/config.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';

export const RAISED_FOR_MS = 10 * 60 * 1_000;

export class Verbosity {
  readonly #log: Log;
  readonly #configured: () => LogLevel;
  #untilMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(log: Log, configured: () => LogLevel) {
    this.#log = log;
    this.#configured = configured;
  }

  /** When it ends, milliseconds of CLOCK_MONOTONIC; null while the level is the one of the config. */
  get record(): number | null {
    return this.#untilMs;
  }

  /** Of the supervisor before. */
  restore(untilMs: number | null): void {
    if (untilMs !== null && untilMs > monotonicMs()) this.#raise(untilMs);
  }

  /** Raised where it is not, and the other way round. */
  toggle(): void {
    if (this.#untilMs !== null) this.#lower('by SIGUSR1');
    else {
      this.#raise(monotonicMs() + RAISED_FOR_MS);
      const minutes = RAISED_FOR_MS / 60_000;
      this.#say(`log.level is debug for ${minutes} minutes, or until the next SIGUSR1`);
    }
  }

  /** The level of the config is another one. */
  apply(): void {
    const configured = this.#configured();
    // One who wants to see more is not to see less.
    this.#log.level = this.#untilMs === null || configured === 'trace' ? configured : 'debug';
  }

  #raise(untilMs: number): void {
    this.#untilMs = untilMs;
    this.#timer = setTimeout(() => this.#lower('after its time'), untilMs - monotonicMs());
    this.#timer.unref();
    this.apply();
  }

  #lower(why: string): void {
    this.#say(`log.level is ${this.#configured()} again, ${why}`);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#untilMs = null;
    this.apply();
  }

  /** Said while the level is raised, so that whatever is configured leaves it out of no journal. */
  #say(text: string): void {
    this.#log.info({ event: 'log-level' }, text);
  }
}
