/**
 * Signs of life for systemd's watchdog, sd_watchdog_enabled(3): at half the interval, the only wake-up of an idle
 * supervisor. A loop that hangs sends none, and systemd starts the next supervisor.
 */
import type { Notifier } from './notify.js';

export interface WatchdogOptions {
  /** WATCHDOG_PID names the process that systemd started: a successor inherits it, stale, and is watched all the same. */
  readonly successor: boolean;
  /** May withhold the sign: false says that only a restart would help. */
  readonly isAlive?: () => boolean;
}

export interface Watchdog {
  /** Null where systemd watches nobody, or somebody else. */
  readonly intervalMs: number | null;
  stop(): void;
}

/** What setTimeout(3) of Node takes; a watchdog of weeks is fed more often than it asks for. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export function startWatchdog(
  notifier: Pick<Notifier, 'watchdog'>,
  env: NodeJS.ProcessEnv,
  { successor, isAlive = () => true }: WatchdogOptions,
): Watchdog {
  const intervalMs = watchdogIntervalMs(env, successor ? null : process.pid);
  if (intervalMs === null) return { intervalMs, stop() {} };
  const ping = () => {
    if (isAlive()) notifier.watchdog();
  };
  // At once: the predecessor's last sign may be almost an interval old.
  ping();
  const timer = setInterval(ping, intervalMs);
  timer.unref();
  return { intervalMs, stop: () => clearInterval(timer) };
}

/** Half of WATCHDOG_USEC; null where it is not set, not a number or, given a pid, meant for another process. */
export function watchdogIntervalMs(env: NodeJS.ProcessEnv, pid: number | null): number | null {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = env;
  if (usec === undefined || !/^\d{1,19}$/.test(usec) || Number(usec) === 0) return null;
  if (pid !== null && watched !== undefined && watched !== '' && watched !== String(pid)) return null;
  return Math.min(Math.max(1, Math.floor(Number(usec) / 2_000)), MAX_TIMER_MS);
}
