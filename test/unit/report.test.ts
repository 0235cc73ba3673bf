/** Reports: what is measured, what is kept, and how it reads in a terminal of 80 columns. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { renderReport, renderReports } from '../../src/cli/report.js';
import {
  addTally,
  beginDrain,
  endDrain,
  enterPhase,
  isComplete,
  newReport,
  type OpenReport,
  totals,
} from '../../src/inventory/report.js';
import { KEPT_REPORTS, ReportFiles } from '../../src/inventory/report-files.js';
import { describeCut, summaryOf } from '../../src/supervisor/report-words.js';

function reloaded(number = 7): OpenReport {
  const open = newReport(number, 'reload', 3, 1_000);
  enterPhase(open, 'takeover', 1_000);
  enterPhase(open, 'boot', 1_080.04);
  enterPhase(open, 'boot', 1_100);
  enterPhase(open, 'switch', 1_300);
  open.report.to = 4;
  open.report.release = 'r4@4.0.0';
  beginDrain(open, 3, 1_400);
  enterPhase(open, null, 1_410);
  open.report.verdict = { ok: true, code: null, message: 'generation 4 (r4@4.0.0) serves' };
  open.report.durationMs = 410;
  return open;
}

describe('a report', () => {
  test('has each phase once, with its length', () => {
    expect(reloaded().report.phases).toEqual([
      { phase: 'takeover', ms: 80 },
      { phase: 'boot', ms: 220 },
      { phase: 'switch', ms: 110 },
    ]);
  });

  test('is complete when its verdict is known and the last generation that it sent away is gone', () => {
    const open = reloaded();
    beginDrain(open, 2, 1_405);
    expect(isComplete(open.report)).toBe(false);
    endDrain(open, 3, 1_900);
    expect(isComplete(open.report)).toBe(false);
    endDrain(open, 2, 2_405);
    expect(isComplete(open.report)).toBe(true);
    expect(open.report.drains.map(({ ms }) => ms)).toEqual([500, 1_000]);
  });

  test('adds up what the workers tell and what the supervisor cut', () => {
    const { report } = reloaded();
    const [drain] = report.drains;
    addTally(drain!, { moved: 5, finished: 2, told: 3, cut: 1 });
    addTally(drain!, { moved: 1, finished: 0, told: 0, cut: 0 });
    drain!.cut.noOldAfter = 2;
    drain!.workers.killed = 1;
    expect(totals(report)).toEqual({ moved: 6, finished: 2, told: 3, cut: 3 });
    expect(describeCut(report)).toEqual({
      cut: 2,
      killed: 1,
      message: 'no older generation runs: 2 connections were cut, 1 worker was killed',
    });
  });

  test('travels as JSON, marks and all', () => {
    const open = reloaded();
    const again = JSON.parse(JSON.stringify(open)) as OpenReport;
    endDrain(again, 3, 1_650);
    expect(again.report.drains[0]?.ms).toBe(250);
  });
});

describe('report files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'batond-reports-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('are read back as they were written, and replaced', () => {
    const files = new ReportFiles(folder);
    expect(files.numbers()).toEqual([]);
    const { report } = reloaded();
    files.write(report);
    files.write({ ...report, durationMs: 411 });
    expect(files.numbers()).toEqual([7]);
    expect(files.read(7)).toEqual({ ...report, durationMs: 411 });
    expect(readdirSync(join(folder, 'reports'))).toEqual(['7.json']);
  });

  test(`are the last ${KEPT_REPORTS}`, () => {
    const files = new ReportFiles(folder);
    for (let number = 1; number <= KEPT_REPORTS + 3; number++) files.write(reloaded(number).report);
    expect(files.numbers()).toHaveLength(KEPT_REPORTS);
    expect(files.numbers()[0]).toBe(4);
  });

  test('that cannot be understood count as none, and no other name is a report', () => {
    const files = new ReportFiles(folder);
    files.write(reloaded().report);
    writeFileSync(join(folder, 'reports/8.json'), '{"version":');
    writeFileSync(join(folder, 'reports/9.json'), '{"version":99}');
    writeFileSync(join(folder, 'reports/10.json.4711'), '{}');
    expect(files.numbers()).toEqual([7, 8, 9]);
    expect([files.read(7)?.number, files.read(8), files.read(9)]).toEqual([7, null, null]);
  });
});

describe('on a terminal', () => {
  const full = () => {
    const open = reloaded();
    const [drain] = open.report.drains;
    addTally(drain!, { moved: 512, finished: 20, told: 3, cut: 1 });
    Object.assign(drain!.cut, { drainTimeout: 12, noOldAfter: 3 });
    Object.assign(drain!.workers, { timedOut: 2, killed: 1, lost: 1 });
    Object.assign(open.report.peak, { rssBytes: 300 * 2 ** 20, fds: 1_234 });
    return open;
  };

  test('a report fits 80 columns and says what was cut and why', () => {
    const open = full();
    open.report.verdict = { ok: false, code: 'CANDIDATE_EXITED', message: 'a long reason '.repeat(20).trim() };
    const text = renderReport(open.report);
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text).toContain('reload 7: failed (CANDIDATE_EXITED)');
    expect(text).toContain('512 moved, 20 finished, 3 told to go');
    expect(text).toContain('12 still open after upgrade.drain_timeout');
    expect(text).toContain('generation 3 still drains');
    endDrain(open, 3, 2_400);
    expect(renderReport(open.report)).toContain('generation 3 was gone after 1.0 s');
  });

  test('a path longer than a line has one of its own, and what follows is broken as ever', () => {
    const open = full();
    const path = `/srv/${'deep/'.repeat(20)}server.js`;
    const message = `it was (${path}) that ended; ${'and so on '.repeat(12).trim()}`;
    open.report.verdict = { ok: false, code: 'CANDIDATE_EXITED', message };
    const lines = renderReport(open.report).split('\n');
    expect(lines.filter((line) => line.length > 80)).toEqual([`              (${path})`]);
  });

  test('a trial has the numbers of both generations beside each other', () => {
    const { report } = full();
    const figures = {
      requests: 1_204_000,
      failed: 25,
      ended: 1_204_000,
      p99Ms: 12.3,
      delayP99Ms: 3.1,
      delayMaxMs: 298,
    };
    report.soak = {
      forMs: 600_000,
      ms: 12_345,
      failed: 'a worker grows by 19 MiB a second and has 230 MiB, '.repeat(3),
      candidate: { ...figures, rssBytes: 230 * 2 ** 20, growth: 19.5 * 2 ** 20 },
      incumbent: {
        ...figures,
        ended: 0,
        p99Ms: null,
        delayP99Ms: null,
        delayMaxMs: null,
        rssBytes: null,
        growth: null,
      },
    };
    const text = renderReport(report);
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text).toMatch(/^ {2}soak {8}12\.3 s of 10 min: a worker grows by 19 MiB a second and has/m);
    expect(text).toMatch(/^ +generation 4 +generation 3$/m);
    expect(text).toMatch(/^ +requests +1,204,000 +1,204,000$/m);
    expect(text).toMatch(/^ +failed +25 \(0\.0 %\) +-$/m);
    expect(text).toMatch(/^ +loop late p99, max +3\.1 ms, 298 ms +-$/m);
    expect(text).toMatch(/^ +grows a second by +19\.5 MiB +-$/m);
  });

  test('a list has a line for each reload', () => {
    const failed = full().report;
    failed.verdict = { ok: false, code: 'CANDIDATE_NOT_ANSWERING', message: '' };
    const text = renderReports([summaryOf(failed), summaryOf(reloaded(8).report)]);
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text.trimEnd().split('\n')).toHaveLength(3);
    expect(text).toMatch(/^ +8 .* 3>4 +410 ms +\.\.\. +0 +0 +done$/m);
  });
});
