/** The names of signals by their numbers. Some have two: the first is the usual one, SIGABRT and not SIGIOT. */
import { constants } from 'node:os';

export const SIGNAL_NAMES: ReadonlyMap<number, NodeJS.Signals> = new Map(
  (Object.entries(constants.signals) as [NodeJS.Signals, number][]).reverse().map(([name, number]) => [number, name]),
);
