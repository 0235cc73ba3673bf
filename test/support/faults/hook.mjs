// Loaded into supervisors by NODE_OPTIONS: makes processes fall at one exact transition of a protocol table.
//
// The tables are plain data that the runner reads at each event, so a cell that is replaced by a getter is a hook into
// "this event in this state, before any of its effects" (or, with `after`, after one of them), without a line of test
// code in the product. The faults are read
// from a file, see faults.ts: each happens once, and the file goes with the last one. `machine: "boot"` is the start of
// a successor. It does nothing in any process that is not a supervisor, and must never change a cell's value.

import { appendFileSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';

const file = String(process.env.BATOND_FAULT_FILE);
const isSuccessor = process.env.BATOND_TAKEOVER !== undefined;
/** The end of a successor's takeover channel. */
const channel = Number(process.env.BATOND_TAKEOVER);
const isSupervisor =
  process.env.NOTIFY_SOCKET !== undefined &&
  process.env.BATOND_WORKER === undefined &&
  /\/main\.js$/.test(process.argv[1] ?? '') &&
  process.argv[2] === 'run';

if (process.env.BATOND_FAULT_FILE !== undefined && isSupervisor) {
  const dist = new URL('../../../dist/', import.meta.url);
  const [{ PREDECESSOR }, { SUCCESSOR }, { ROLL }, { native }, { pidOf }, { strike }] = await Promise.all([
    import(new URL('takeover/predecessor.js', dist).href),
    import(new URL('takeover/successor.js', dist).href),
    import(new URL('roll/roll.js', dist).href),
    import(new URL('native.js', dist).href),
    import('./roles.mjs'),
    import('./strike.mjs'),
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
  if (isSuccessor) fallAt({ machine: 'boot', state: '', event: '' });

  /** @param {{ machine: string, state: string, event: string, after?: string }} here */
  function fallAt(here) {
    const fault = take(here);
    if (fault === null) return;
    if (fault.say !== undefined) native().send(channel, Buffer.from(JSON.stringify(fault.say)));
    const self = here.machine === 'predecessor' ? 'S1' : 'S2';
    // Oneself last: after that nobody would strike the others.
    const fallen = fault.strikes
      .map(({ role, pid, signal }) => ({ role, signal, pid: pid ?? pidOf(role, { self, incumbent: fault.incumbent }) }))
      .sort((a, b) => Number(a.pid === process.pid) - Number(b.pid === process.pid));
    for (const one of fallen) {
      const record = (held) => appendFileSync(`${file}.fallen`, `${JSON.stringify({ ...here, ...one, held })}\n`);
      if (one.pid === null) record(0);
      else strike(one.pid, one.signal, one.role === 'incumbent' || one.role === 'candidate', record);
    }
  }
}

/** @param {{ effects: readonly string[] }} cell @param {(after: string) => void} done */
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

/** The fault that was armed for this transition, which is out of the file from here on. */
function take(here) {
  let faults;
  try {
    faults = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
  const at = faults.findIndex(
    ({ machine, state, event, after }) =>
      machine === here.machine && state === here.state && event === here.event && after === here.after,
  );
  if (at < 0) return null;
  const [fault] = faults.splice(at, 1);
  if (faults.length === 0) unlinkSync(file);
  else {
    writeFileSync(`${file}.next`, JSON.stringify(faults));
    renameSync(`${file}.next`, file);
  }
  return fault;
}
