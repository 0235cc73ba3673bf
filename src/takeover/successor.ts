/**
 * A takeover as the supervisor sees it that receives the inventory (S2). Until `yours` it holds duplicates and touches
 * nothing; if its predecessor goes silent or away before that word, it ends and has changed nothing.
 */
import { go, ignore, type Table } from '../machine/table.js';

export type SuccessorState = 'greeting' | 'receiving' | 'waiting' | 'main' | 'over';

export type SuccessorEvent =
  | 'inventory'
  | 'batch'
  /** The last announced descriptor is here and each has been checked. */
  | 'complete'
  | 'yours'
  | 'predecessorGone'
  /** The message makes no sense here, or what came is not what was announced. */
  | 'violated'
  | 'timedOut';

export type SuccessorEffect = 'acknowledge' | 'took' | 'restore' | 'giveUp';

const done = ignore('the predecessor has done its part');
const over = ignore('this process has given up and is ending');

export const SUCCESSOR: Table<SuccessorState, SuccessorEvent, SuccessorEffect, never> = {
  greeting: {
    inventory: go('receiving', 'acknowledge'),
    batch: go('over', 'giveUp'),
    complete: ignore('nothing was announced yet'),
    yours: go('over', 'giveUp'),
    predecessorGone: go('over', 'giveUp'),
    violated: go('over', 'giveUp'),
    timedOut: go('over', 'giveUp'),
  },
  receiving: {
    inventory: go('over', 'giveUp'),
    batch: go('receiving', 'acknowledge'),
    complete: go('waiting', 'took'),
    yours: go('over', 'giveUp'),
    predecessorGone: go('over', 'giveUp'),
    violated: go('over', 'giveUp'),
    timedOut: go('over', 'giveUp'),
  },
  waiting: {
    inventory: go('over', 'giveUp'),
    batch: go('over', 'giveUp'),
    complete: ignore('it was complete already'),
    yours: go('main', 'restore'),
    predecessorGone: go('over', 'giveUp'),
    violated: go('over', 'giveUp'),
    timedOut: go('over', 'giveUp'),
  },
  main: {
    inventory: done,
    batch: done,
    complete: done,
    yours: done,
    predecessorGone: done,
    violated: done,
    timedOut: done,
  },
  over: {
    inventory: over,
    batch: over,
    complete: over,
    yours: over,
    predecessorGone: over,
    violated: over,
    timedOut: over,
  },
};
