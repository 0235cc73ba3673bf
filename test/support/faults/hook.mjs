// Loaded into supervisors by NODE_OPTIONS: makes a process fall at one exact transition of a protocol table.
//
// The tables are plain data that the runner reads at each event, so a cell that is replaced by a getter is a hook into
// "this event in this state, before any of its effects" (or, with `after`, after one of them), without a line of test
// code in the product. The fault is read from a file, once: { machine, state, event, after?, signal }. `machine: "boot"` falls when a successor starts.
// It does nothing in any process that is not a supervisor, and must never change a cell's value.

import { readFileSync, unlinkSync } from 'node:fs';

const file = process.env.BATOND_FAULT_FILE;
const isSupervisor =
  process.env.NOTIFY_SOCKET !== undefined &&
  process.env.BATOND_WORKER === undefined &&
  /\/main\.js$/.test(process.argv[1] ?? '') &&
  process.argv[2] === 'run';

if (file !== undefined && isSupervisor) {
  const dist = new URL('../../../dist/', import.meta.url);
  const [{ PREDECESSOR }, { SUCCESSOR }, { ROLL }] = await Promise.all([
    import(new URL('takeover/predecessor.js', dist).href),
    import(new URL('takeover/successor.js', dist).href),
    import(new URL('roll/roll.js', dist).href),
  ]);
  for (const [machine, table] of Object.entries({ predecessor: PREDECESSOR, successor: SUCCESSOR, roll: ROLL })) {
    for (const [state, row] of Object.entries(table)) {
      for (const [event, cell] of Object.entries(row)) {
        if (cell.kind === 'go') fallBetween(cell, (after) => fallAt({ machine, state, event, after }));
        Object.defineProperty(row, event, {
          enumerable: true,
          get: () => {
            fallAt({ machine, state, event });
            return cell;
          },
        });
      }
    }
  }
  if (process.env.BATOND_TAKEOVER !== undefined) fallAt({ machine: 'boot', state: '', event: '' });
}

/**
 * @param {{ effects: readonly string[] }} cell
 * @param {(after: string) => void} done
 */
function fallBetween(cell, done) {
  const { effects } = cell;
  Object.defineProperty(cell, 'effects', {
    value: {
      *[Symbol.iterator]() {
        for (const effect of effects) {
          yield effect;
          done(effect);
        }
      },
    },
  });
}

/** @param {{ machine: string, state: string, event: string, after?: string }} here */
function fallAt(here) {
  let fault;
  try {
    fault = JSON.parse(readFileSync(String(file), 'utf8'));
  } catch {
    return;
  }
  if (fault.machine !== here.machine || fault.state !== here.state || fault.event !== here.event) return;
  if (fault.after !== here.after) return;
  unlinkSync(String(file));
  process.kill(fault.pid ?? process.pid, fault.signal);
}
