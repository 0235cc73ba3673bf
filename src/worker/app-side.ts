/**
 * What the app can say and hear, all of it optional: the library (index.ts) finds it through a global symbol, as the app
 * may have its own copy of the package, and an app made for PM2 or a cluster says it with `process.send`.
 */
import type { Idle, Otherwise, ReadyBy } from '../channel/messages.js';
import type { KindsSide } from './migratable.js';

/** What the library looks for on `globalThis`. */
export const APP_SIDE = Symbol.for('batond.worker');

/** What `onDrain` tells. */
export interface Leaving {
  /** From now until SIGTERM. */
  readonly timeoutMs: number;
  /** The service stops: nobody serves after this process. */
  readonly stopping: boolean;
}

/** Where a state comes from that is to be restored. */
export interface StateOrigin {
  /** What the old process said to `state.save`. */
  readonly version: number;
  /** The generation that saved it. */
  readonly generation: number;
  /** Of the worker that saved it: its place, 0 to slots - 1. */
  readonly slot: number;
  readonly slots: number;
}

/** What an app says of its state. */
export interface StateSide {
  save(give: () => unknown, version: number): void;
  restore(take: (state: unknown, origin: StateOrigin) => unknown, otherwise: Otherwise): void;
}

/** What an app says of its health; each gives what takes it back. */
export interface HealthSide {
  check(name: string, run: (asked: { readonly signal: AbortSignal }) => unknown, timeoutMs: number | null): () => void;
  gauge(name: string, read: () => unknown): () => void;
}

type OnDrain = (leaving: Leaving) => void;

export interface AppSide {
  ready(): void;
  onDrain(listener: OnDrain): void;
  /** Which connections can move and how; not in every version of this package. */
  readonly kinds?: KindsSide;
  /** What travels to the next generation; not in every version of this package. */
  readonly state?: StateSide;
  /** Not in every version of this package. */
  readonly health?: HealthSide;
}

export function offerToApp(
  readyBy: ReadyBy,
  ready: () => void,
  sides: { readonly kinds: KindsSide; readonly state: StateSide; readonly health: HealthSide },
): { draining(timeoutMs: number, idle: Idle): void } {
  const listeners: OnDrain[] = [];
  let leaving: { readonly untilMs: number; readonly stopping: boolean } | null = null;
  // On its own, so that a listener that throws fails like any other of the app's code and stops no other.
  const call = (listener: OnDrain) =>
    setImmediate(() => {
      const { untilMs = 0, stopping = false } = leaving ?? {};
      listener({ timeoutMs: Math.max(0, untilMs - performance.now()), stopping });
    });
  const side: AppSide = {
    ready,
    onDrain(listener) {
      if (leaving !== null) call(listener);
      else listeners.push(listener);
    },
    ...sides,
  };
  Object.defineProperty(globalThis, APP_SIDE, { value: side, enumerable: false, configurable: true });
  if (readyBy === 'notify') offerProcessSend(ready);
  return {
    draining(timeoutMs, idle) {
      if (leaving !== null) return;
      leaving = { untilMs: performance.now() + timeoutMs, stopping: idle === 'close' };
      for (const listener of listeners.splice(0)) call(listener);
    },
  };
}

/** Only where readiness is waited for, because to many apps `process.send` means that they are someone's child. */
function offerProcessSend(ready: () => void): void {
  if (process.send !== undefined) return;
  process.send = (message: unknown, ...rest: unknown[]): boolean => {
    if (saysReady(message)) ready();
    const callback = rest.find((value) => typeof value === 'function') as ((error: Error | null) => void) | undefined;
    if (callback !== undefined) process.nextTick(callback, null);
    return true;
  };
  process.connected = true;
}

function saysReady(message: unknown): boolean {
  if (message === 'ready' || message === 'online') return true;
  return typeof message === 'object' && message !== null && (message as { cmd?: unknown }).cmd === 'ready';
}
