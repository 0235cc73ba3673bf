/**
 * What an app gives to the next generation of itself: caches, counters, sessions, anything that the structured clone
 * algorithm takes. The old process saves when the new one has been proven; the new one restores before its first
 * connection. Outside batond, or under one that cannot carry state, nothing is ever called.
 */
import { appSide } from './app-side.js';
import type { Otherwise } from './channel/messages.js';
import type { StateOrigin } from './worker/app-side.js';

export interface SaveOptions {
  /** Of the shape of the value, as you count it: `restore` hears it. A non-negative integer; 1 by default. */
  readonly version?: number;
}

export interface RestoreOptions {
  /**
   * What happens where the state cannot be had: it was not saved, is too large, or `restore` threw. 'rollback', the
   * default: the reload fails and the old generation serves on. 'empty': the new one begins without it.
   */
  readonly otherwise?: Otherwise;
}

const registered = new Set<string>();

function registerOnce(name: string): void {
  if (registered.has(name)) throw new TypeError(`state.${name} has been called already: a process has one state`);
  registered.add(name);
}

/**
 * `give` returns what the next generation gets, or a promise of it; `undefined` is "nothing". It is called when the next
 * generation is ready to serve, while this process still serves: what changes afterwards stays here. The value is
 * copied in the turn of the loop in which it is there, so it cannot be half of one moment and half of another.
 */
export function save(give: () => unknown, { version = 1 }: SaveOptions = {}): void {
  if (typeof give !== 'function') throw new TypeError('state.save takes a function that gives the state');
  if (!Number.isSafeInteger(version) || version < 0) throw new TypeError(`${version} is no version of a state`);
  registerOnce('save');
  appSide()?.state?.save(give, version);
}

/**
 * `take` gets what `save` of the generation before gave, before this process gets its first connection. Register it
 * before the process is ready. With fewer workers than before it is called once for each state, in the order of their
 * slots; with more, in some of them never, as at a first start and after a crash.
 */
export function restore<State>(
  take: (state: State, origin: StateOrigin) => unknown,
  { otherwise = 'rollback' }: RestoreOptions = {},
): void {
  if (typeof take !== 'function') throw new TypeError('state.restore takes a function that takes the state');
  if (otherwise !== 'rollback' && otherwise !== 'empty') {
    throw new TypeError(`otherwise is "rollback" or "empty", not ${JSON.stringify(otherwise)}`);
  }
  registerOnce('restore');
  appSide()?.state?.restore((state, origin) => take(state as State, origin), otherwise);
}
