/** What is on disk may be damaged, or of another version: it is believed as a whole or not at all. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load.js';
import { readLastGood, writeLastGood } from '../../src/inventory/last-good-file.js';
import { newReport } from '../../src/inventory/report.js';
import { ReportFiles } from '../../src/inventory/report-files.js';
import { sealText } from '../../src/inventory/sealed-text.js';
import { readState } from '../../src/inventory/state-file.js';
import { resolveRelease } from '../../src/release/release.js';

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

/** Of a configuration that has something of everything. */
function lastGood() {
  writeFileSync(join(folder, 'server.js'), '');
  const toml = `name = "shop"\nentry = "server.js"\n[env]\nA = "1"\n[control]\nread = ["user:0"]
[[listener]]\nname = "http"\naddress = "127.0.0.1:80"\n[[listener]]\nname = "local"\naddress = "/run/local.sock"\n`;
  writeFileSync(join(folder, 'batond.toml'), toml);
  const config = loadConfig({ cwd: folder, flags: {}, cores: 2 });
  return { config, release: resolveRelease(config, { env: {}, execPath: process.execPath, now: 1 }), at: 2 };
}

test('the last good configuration comes back as it was, and nobody else may read it', () => {
  const path = join(folder, 'state', 'last-good.json');
  const written = lastGood();
  writeLastGood(path, written);
  writeLastGood(path, written);
  expect(readLastGood(path)).toEqual(written);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder, 'state'))).toEqual(['last-good.json']);
});

/** What an older batond has not written: the defaults then hold. */
const YOUNGER: ReadonlySet<string> = new Set([
  'admission',
  'evidence',
  'degrade',
  'probes',
  'health',
  'soak',
  'admin',
] satisfies (keyof Config)[]);

test('a last good configuration that is damaged, or of another version, is none', () => {
  const path = join(folder, 'last-good.json');
  expect(readLastGood(path)).toBeNull();
  const written = lastGood();
  writeLastGood(path, written);
  const text = readFileSync(path, 'utf8');
  const { config } = written;
  const spoiled = [
    '',
    text.slice(0, -1),
    text.replace('"shop"', '"shoq"'),
    sealText(2, JSON.stringify(written)),
    sealText(1, JSON.stringify({ ...written, release: { kind: 'node' } })),
    ...Object.keys(config)
      .filter((key) => !YOUNGER.has(key))
      .map((key) => sealText(1, JSON.stringify({ ...written, config: { ...config, [key]: undefined } }))),
  ];
  for (const one of spoiled) {
    writeFileSync(path, one);
    expect(readLastGood(path), one).toBeNull();
  }
});
