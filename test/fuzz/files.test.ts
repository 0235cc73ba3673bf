/** What lies on disk: state, reports, units. Whatever became of a file, it is read as a whole or not at all. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import pino from 'pino';
import { afterAll, expect } from 'vitest';
import { isOutcome } from '../../src/control/check-line.js';
import { BatondError } from '../../src/errors.js';
import { isRelease } from '../../src/inventory/check-snapshot.js';
import { readHistory, writeHistory } from '../../src/inventory/history-file.js';
import { isComplete, totals } from '../../src/inventory/report.js';
import { ReportFiles } from '../../src/inventory/report-files.js';
import { readState, writeState } from '../../src/inventory/state-file.js';
import { isSameRelease, isUsable } from '../../src/release/compare.js';
import { History } from '../../src/supervisor/history.js';
import { readStamp, stampUnit } from '../../src/systemd/unit-stamp.js';
import { fuzz } from './fuzz.js';
import { damaged, mutated, text } from './messages.js';
import { historyEntry, outcome, release, report } from './state.js';

const folder = mkdtempSync(join(tmpdir(), 'batond-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const written = (of: fc.Arbitrary<unknown>) =>
  fc.oneof(
    damaged(of.map((value) => JSON.stringify(value))),
    mutated(of).map((value) => Buffer.from(JSON.stringify(value))),
    damaged(text),
  );

const state = fc.record({ good: fc.array(release, { maxLength: 3 }), lastReload: fc.option(outcome) });

fuzz(
  'files: the state, there and back',
  state,
  (input) => {
    const path = join(folder, 'whole.json');
    writeState(path, input);
    expect(readState(path)).toEqual(JSON.parse(JSON.stringify(input)));
  },
  { share: 0.2 },
);

fuzz(
  'files: a damaged state',
  written(state.map((value) => ({ version: 1, ...value }))),
  (bytes) => {
    const path = join(folder, 'state.json');
    writeFileSync(path, bytes);
    let read: ReturnType<typeof readState>;
    try {
      read = readState(path);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      return;
    }
    for (const one of read?.good ?? []) {
      expect(isRelease(one)).toBe(true);
      isSameRelease(one, one);
      isUsable(one);
    }
    if (read?.lastReload != null) expect(isOutcome(read.lastReload)).toBe(true);
  },
  { share: 0.2 },
);

const entries = fc.array(historyEntry, { maxLength: 3 });

fuzz(
  'files: the history, there and back',
  entries,
  (input) => {
    const path = join(folder, 'whole-history.json');
    writeHistory(path, input);
    expect(readHistory(path)).toEqual(JSON.parse(JSON.stringify(input)));
  },
  { share: 0.2 },
);

fuzz(
  'files: a damaged history',
  written(entries.map((all) => ({ version: 1, entries: all }))),
  (bytes) => {
    const path = join(folder, 'history.json');
    writeFileSync(path, bytes);
    const history = new History(path, pino({ enabled: false }), () => {});
    expect(Number.isSafeInteger(history.nextGeneration)).toBe(true);
    for (const { generation } of history.rows()) {
      try {
        expect(isRelease(history.releaseOf(generation ?? 0))).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(BatondError);
      }
    }
  },
  { share: 0.2 },
);

mkdirSync(join(folder, 'reports'));
const reports = new ReportFiles(folder);

fuzz(
  'files: a damaged report',
  written(report.map((one) => ({ ...one, number: 7 }))),
  (bytes) => {
    writeFileSync(join(folder, 'reports', '7.json'), bytes);
    expect(reports.numbers()).toEqual([7]);
    const read = reports.read(7);
    if (read === null) return;
    expect(read.number).toBe(7);
    isComplete(read);
    expect(Object.values(totals(read)).every(Number.isFinite)).toBe(true);
  },
  { share: 0.2 },
);

const unit = fc.tuple(text, fc.array(text, { maxLength: 3 })).map(([body, folders]) => stampUnit(body, folders));

fuzz('files: a unit, there and back', fc.tuple(text, fc.array(text, { maxLength: 3 })), ([body, folders]) => {
  // A lone surrogate has no UTF-8: it is another character as soon as it is written.
  const stamp = readStamp(stampUnit(body, folders));
  expect(stamp).toEqual({ body, folders: JSON.parse(JSON.stringify(folders)), intact: true });
});

fuzz('files: a damaged unit', damaged(fc.oneof(unit, text)), (bytes) => {
  const stamp = readStamp(bytes.toString('utf8'));
  if (stamp === null) return;
  expect(stamp.folders.every((one) => typeof one === 'string')).toBe(true);
  if (stamp.intact) expect(stampUnit(stamp.body, stamp.folders).split('\n').slice(2).join('\n')).toBe(stamp.body);
});
