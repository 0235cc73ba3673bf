/** What is on disk may be damaged, or of another version: it is believed as a whole or not at all. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newReport } from '../../src/inventory/report.js';
import { ReportFiles } from '../../src/inventory/report-files.js';
import { readState } from '../../src/inventory/state-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batond-state-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each([
  'null',
  '{"version":1,"good":[null]}',
  '{"version":1,"good":[{"kind":"node"}]}',
  '{"version":1,"good":[],"lastReload":"well"}',
  '{"version":2,"good":[]}',
])('a state file that says %s is refused', (text) => {
  const path = join(folder, 'state.json');
  writeFileSync(path, text);
  expect(() => readState(path)).toThrow('has a format that this version does not know');
});

test('a report that lacks a part is none', () => {
  mkdirSync(join(folder, 'reports'));
  const { report } = newReport(7, 'reload', 1, 0);
  const files = new ReportFiles(folder);
  files.write(report);
  expect(files.read(7)).toEqual(report);
  writeFileSync(join(folder, 'reports', '7.json'), JSON.stringify({ ...report, drains: undefined }));
  expect(files.read(7)).toBeNull();
  writeFileSync(join(folder, 'reports', '8.json'), JSON.stringify(report));
  expect(files.read(8)).toBeNull();
});
