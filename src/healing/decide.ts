/**
 * From a rule to what becomes of the slot: the pause, and what has to be remembered of it. Pure: chance is an argument.
 */
import type { Action, Rule } from './rules.js';

/** What is remembered of a slot between two of its workers. */
export interface SlotState {
  /** Crashes in a row: what costs a generation its place. */
  readonly inARow: number;
  /** Ends in a row that something else is to blame for. */
  readonly waits: number;
  /** Whether its worker has the variables of `on_dependency_failure`. */
  readonly standby: boolean;
}

export interface Limits {
  readonly delayMs: number;
  readonly delayMaxMs: number;
  /** Whether there are variables for a standby. */
  readonly hasStandby: boolean;
}

export interface Decision {
  /** What is done, which is not always what the rule says: a standby may not be there, or have refused too. */
  readonly action: Action;
  /** Milliseconds until it is started again; null where it is not. */
  readonly delayMs: number | null;
  readonly slot: SlotState;
}

/**
 * `stable` says that the worker lived long enough to end a row; `isSpent` that there were more restarts than the budget
 * has, after which nothing is started again sooner than after the longest pause. `chance` is from 0 to 1.
 */
export function decide(
  { action: said, delayMs: wanted }: Rule,
  before: SlotState,
  { stable, isSpent, chance }: { readonly stable: boolean; readonly isSpent: boolean; readonly chance: number },
  limits: Limits,
): Decision {
  // A standby that refuses too is no better than the first: both are tried in turn, ever more slowly.
  const action = said === 'standby' && (before.standby || !limits.hasStandby) ? 'backoff' : said;
  const row = stable ? { inARow: 0, waits: 0 } : before;
  const least = isSpent ? limits.delayMaxMs : 0;
  switch (action) {
    case 'restart': {
      const inARow = row.inARow + 1;
      const slot = { inARow, waits: 0, standby: false };
      return { action, delayMs: Math.max(least, pauseMs(inARow, chance, limits)), slot };
    }
    case 'backoff': {
      const waits = row.waits + 1;
      const slot = { inARow: row.inARow, waits, standby: false };
      return { action, delayMs: Math.max(least, pauseMs(waits, chance, limits)), slot };
    }
    case 'retry':
    case 'standby': {
      const slot = { inARow: row.inARow, waits: row.waits + 1, standby: action === 'standby' };
      return { action, delayMs: Math.max(least, wanted), slot };
    }
    case 'keep':
    case 'done':
      return { action, delayMs: null, slot: { ...row, standby: false } };
  }
}

/** Exponential back-off with ±25 % of chance, so that slots which fell together do not rise together. */
function pauseMs(inARow: number, chance: number, { delayMs, delayMaxMs }: Limits): number {
  const grown = Math.min(delayMaxMs, delayMs * 2 ** Math.max(0, inARow - 1));
  return grown * (0.75 + chance / 2);
}
