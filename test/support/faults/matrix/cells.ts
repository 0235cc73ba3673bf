/** Every transition of the tables as a place where something can fall: the rows of the fault matrix. */
import type { Table } from '../../../../src/machine/table.js';
import { ROLL } from '../../../../src/roll/roll.js';
import { PREDECESSOR } from '../../../../src/takeover/predecessor.js';
import { SUCCESSOR } from '../../../../src/takeover/successor.js';
import type { Place } from '../faults.js';

type AnyTable = Table<string, string, string, string>;

const TABLES = { predecessor: PREDECESSOR, successor: SUCCESSOR, roll: ROLL } as unknown as Record<
  'predecessor' | 'successor' | 'roll',
  AnyTable
>;

export type Machine = keyof typeof TABLES;

export interface Cell extends Place {
  readonly machine: Machine;
}

export const CELLS: readonly Cell[] = (Object.keys(TABLES) as Machine[]).flatMap((machine) =>
  Object.entries(TABLES[machine]).flatMap(([state, row]) =>
    Object.entries(row).flatMap(([event, cell]) => (cell.kind === 'go' ? { machine, state, event } : [])),
  ),
);

/** `roll.switching.opened`, as it stands in a table and in `--only`. */
export const nameOf = ({ machine, state, event }: Place) => `${machine}.${state}.${event}`;
