/**
 * The host's watchdog, as WatchdogSec= of a unit: once the main process has given a sign of life, it has to give the
 * next one in time, whoever is the main process by then. One that does not is of no use to anybody, and may be stopped
 * or stuck in a way that no gentle signal reaches.
 */

/** As the units of `batond install` have it: WatchdogSec=. */
export const WATCHDOG_MS = 30_000;

export class HostWatchdog {
  readonly #timeoutMs: number;
  readonly #expired: () => void;
  readonly #look: () => void;
  #timer: NodeJS.Timeout | null = null;

  /** `look` takes what lies unread: a host that was itself stopped for a while finds its timers first. */
  constructor(timeoutMs: number, look: () => void, expired: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#look = look;
    this.#expired = expired;
  }

  /** WATCHDOG=1. */
  fed(): void {
    this.rest();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#look();
      if (this.#timer === null) this.#expired();
    }, this.#timeoutMs);
  }

  /** There is no main process; the next one begins by its first sign of life. */
  rest(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** What the supervisor is told, sd_watchdog_enabled(3); the host's own environment may ask for another time. */
export function watchdogMs(env: NodeJS.ProcessEnv): number {
  const usec = Number(env.WATCHDOG_USEC);
  return Number.isSafeInteger(usec) && usec >= 1_000 ? Math.floor(usec / 1_000) : WATCHDOG_MS;
}
