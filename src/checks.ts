/**
 * What an app says of its own health: checks that are asked of it, and counts of what it holds. Outside batond nothing
 * is ever called, and the same mistakes are refused, so that they show where the app is written.
 */
import { appSide } from './app-side.js';
import { CHECK_NAME, type CheckStatus, type Fact, MAX_CHECKS } from './channel/checks.js';

/** What a check gives: nothing, or a status and whatever helps to understand it. Without a status all is well. */
export interface CheckReport {
  readonly status?: CheckStatus;
  readonly [fact: string]: Fact | undefined;
}

export interface CheckOptions {
  /** After so many milliseconds it counts as down; whoever asks may have less patience. */
  readonly timeoutMs?: number;
}

/** `signal` is aborted when nobody waits for the answer any more. */
export type Check = (asked: {
  readonly signal: AbortSignal;
}) => CheckReport | undefined | Promise<CheckReport | undefined>;

/** Takes the registration back; one that another has replaced stays. */
export type Unregister = () => void;

const checks = new Map<string, Unregister>();
const gauges = new Map<string, Unregister>();

/**
 * `check` is called when somebody wants to know, never twice at a time, and with none waiting for it costs nothing. It
 * gives `{ status: 'ok' | 'degraded' | 'down', ...facts }`, or a promise of it; to throw is to be down. A name that is
 * registered again is replaced.
 */
export function register(name: string, check: Check, { timeoutMs }: CheckOptions = {}): Unregister {
  if (typeof check !== 'function') throw new TypeError('health.register takes a function that checks');
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw new TypeError(`${timeoutMs} is no number of milliseconds that a check may take`);
  }
  return add(checks, name, () => appSide()?.health?.check(name, check, timeoutMs ?? null));
}

/**
 * `read` gives how much of something the process holds (connections of a pool, listeners, timers): asked for around a
 * reload, to name what keeps an old generation from ending and what grows from one to the next.
 */
export function gauge(name: string, read: () => number): Unregister {
  if (typeof read !== 'function') throw new TypeError('health.gauge takes a function that gives a number');
  return add(gauges, name, () => appSide()?.health?.gauge(name, read));
}

function add(all: Map<string, Unregister>, name: string, offer: () => Unregister | undefined): Unregister {
  if (typeof name !== 'string' || !CHECK_NAME.test(name)) {
    throw new TypeError(`${JSON.stringify(name)} is no name: a letter, then up to 63 letters, digits and any of _.:-`);
  }
  if (!all.has(name) && all.size >= MAX_CHECKS) throw new RangeError(`there are ${MAX_CHECKS} of them already`);
  const withdraw = offer();
  const unregister = () => {
    if (all.get(name) !== unregister) return;
    all.delete(name);
    withdraw?.();
  };
  all.set(name, unregister);
  return unregister;
}
