// What is kept of crashes: bounded, whole at every moment, and one a minute of each way to end.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { renderCrash, renderCrashes } from '../../src/cli/crashes.js';
import {
  type Crash,
  CrashFiles,
  crashId,
  KEPT_CRASHES,
  readCrash,
  readCrashes,
  summaryOfCrash,
} from '../../src/inventory/crash-files.js';
import { crashReports } from '../../src/inventory/crash-folder.js';
import type { Generation } from '../../src/inventory/generation.js';
import type { Worker } from '../../src/inventory/worker.js';
import { createLog, type Log } from '../../src/log.js';
import { Crashes } from '../../src/supervisor/crashes.js';
import { eventually } from '../support/service/wait.js';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'batond-crashes-'));
});
afterEach(() => rmSync(state, { recursive: true }));

function crash(generation: number, facts: Partial<Crash> = {}): Crash {
  const at = Date.UTC(2026, 0, 1) + generation * 1_000;
  const id = crashId(new Date(at), generation, 0, 4_000 + generation);
  return {
    ...{
      id,
      at,
      generation,
      slot: 0,
      process: 'main',
      pid: 4_000 + generation,
      release: 'r1',
      how: 'exited with status 1',
    },
    ...{
      code: 1,
      signal: null,
      cause: null,
      message: 'Error: why',
      stack: 'Error: why\n    at a.js:1:1',
      uptimeMs: 1_500,
    },
    ...{ skipped: 0, lines: ['one', 'two'], memory: null, core: null, report: null },
    folder: new CrashFiles(state).pathOf(id),
    ...facts,
  };
}

describe('what is kept', () => {
  test('comes back as it was, for its owner alone, and what comes later is put in', () => {
    const files = new CrashFiles(state);
    const kept = files.keep(crash(1));
    expect(readCrash(state, kept.id)).toEqual(kept);
    expect(statSync(kept.folder).mode & 0o777).toBe(0o700);
    files.update({ ...kept, core: { pid: 4_001, file: '/var/lib/systemd/coredump/core' } });
    expect(readCrashes(state).map(summaryOfCrash)).toMatchObject([{ id: kept.id, core: { pid: 4_001 } }]);
    expect(readdirSync(kept.folder)).toEqual(['crash.json']);
    expect(readCrash(state, '../../etc')).toBeNull();
  });

  test('is few, the oldest go first, and a folder that is half written goes too', () => {
    const files = new CrashFiles(state);
    mkdirSync(join(state, 'crashes/20260101T000000Z-g1s0-99.partial'), { recursive: true });
    for (let n = 1; n <= KEPT_CRASHES + 2; n++) files.keep(crash(n));
    const numbers = readCrashes(state).map(({ generation }) => generation);
    expect(numbers).toEqual(Array.from({ length: KEPT_CRASHES }, (_, n) => n + 3));
    expect(readdirSync(join(state, 'crashes'))).toHaveLength(KEPT_CRASHES);
  });

  test('has the report that Node left, and a few of those that nobody claims', () => {
    const reports = crashReports(state);
    mkdirSync(reports, { recursive: true });
    for (let n = 10; n < 30; n++) writeFileSync(join(reports, `report.20260101.0000${n}.${n}.0.001.json`), '{}');
    writeFileSync(join(reports, 'report.20260101.000000.4007.0.001.json'), '{}');
    const kept = new CrashFiles(state).keep(crash(7));
    expect(kept.report).toBe(join(kept.folder, 'report.json'));
    expect(existsSync(kept.report!)).toBe(true);
    expect(readdirSync(reports)).toHaveLength(8);
  });

  test('is shown at 80 columns', () => {
    const one = crash(3, {
      signal: 'SIGSEGV',
      code: null,
      how: 'was killed by SIGSEGV',
      core: { pid: 4_003, file: null },
    });
    expect(renderCrashes([one])).toContain('was killed by SIGSEGV, core dump\n');
    expect(renderCrashes([])).toMatch(/^No worker/);
    const text = renderCrash(one);
    expect(text).toContain('coredumpctl debug 4003');
    expect(text).toContain('  | two\n');
    expect(text).toContain('      at a.js:1:1\n');
    expect(renderCrash(crash(3, { lines: null }))).toContain('not known');
  });
});

describe('a crash loop', () => {
  const generation = (role: string) =>
    ({
      number: 1,
      role,
      release: { label: 'r1' },
      processOf: () => ({ name: 'main' }),
      healing: { slots: new Map() },
    }) as unknown as Generation;
  const worker = (pid: number, facts: object = {}) =>
    ({
      slot: 0,
      phase: 'open',
      killedBy: null,
      fatal: null,
      stack: null,
      measured: null,
      lastLines: null,
      startedAtMs: 0,
      process: { pid },
      ...facts,
    }) as unknown as Worker;
  const log: Log = createLog({ name: 'shop', level: 'fatal', env: {} });

  test('leaves one crash of each way to end; who was told to end leaves none', async () => {
    const crashes = new Crashes({ stateDirectory: state, log, underJournal: false });
    expect(crashes.reports).toBe(crashReports(state));
    const incumbent = generation('incumbent');
    for (let pid = 10; pid < 20; pid++) crashes.exited(incumbent, worker(pid), { code: 1, signal: null });
    crashes.exited(incumbent, worker(30), { code: null, signal: 'SIGSEGV' });
    crashes.exited(incumbent, worker(31, { killedBy: 'liveness' }), { code: null, signal: 'SIGKILL' });
    writeFileSync(join(crashes.reports!, 'report.20260101.000000.32.0.001.json'), '{}');
    crashes.exited(incumbent, worker(32), { code: null, signal: 'SIGABRT' });
    crashes.exited(incumbent, worker(40, { phase: 'stopping' }), { code: null, signal: 'SIGTERM' });
    crashes.exited(generation('draining'), worker(41), { code: 0, signal: null });
    const kept = await eventually(
      () => readCrashes(state),
      (found) => found.length === 4,
      { what: () => JSON.stringify(readCrashes(state)) },
    );
    expect(kept.map(({ pid, cause }) => [pid, cause]).sort()).toEqual([
      [10, null],
      [30, null],
      [31, 'liveness'],
      [32, 'heap'],
    ]);
  });
});
