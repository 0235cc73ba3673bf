/** A reload as a trace: where its spans begin and end, what they say, and whose part it is. */
import { describe, expect, test } from 'vitest';
import { reloadOptions, rollbackOptions } from '../../src/control/options.js';
import type { DrainReport, Report } from '../../src/inventory/report.js';
import { traceOfDrains, traceOfReload } from '../../src/tracing/reload-trace.js';
import { parseTraceParent } from '../../src/tracing/trace-context.js';

const PLACE = { service: 'shop', host: 'one' };
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const drain: DrainReport = {
  generation: 6,
  atMs: 400,
  ms: 1_500.5,
  moved: 3,
  finished: 2,
  told: 1,
  cut: { idle: 1, drainTimeout: 2, noOldAfter: 0 },
  workers: { timedOut: 1, killed: 0, lost: 0 },
};

const report: Report = {
  version: 1,
  number: 12,
  kind: 'reload',
  startedAt: 1_700_000_000_000,
  from: 6,
  to: 7,
  release: 'r7',
  verdict: { ok: true, code: null, message: 'generation 7 serves' },
  durationMs: 410.2,
  phases: [
    { phase: 'takeover', ms: 100.1 },
    { phase: 'boot', ms: 250 },
    { phase: 'switch', ms: 10 },
    { phase: 'commit', ms: 50.1 },
  ],
  drains: [drain],
  peak: { rssBytes: 1, fds: 2 },
};

describe('the trace of a reload', () => {
  test('has its phases one after the other, and ends with its verdict', () => {
    const trace = traceOfReload(report, PLACE)!;
    expect(trace.reload).toEqual({
      name: 'reload',
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_000_410.2,
      attributes: {
        'batond.reload.number': 12,
        'batond.reload.kind': 'reload',
        'batond.generation.from': 6,
        'batond.generation.to': 7,
        'batond.release': 'r7',
        'batond.verdict.code': 'ok',
        'batond.peak.rss_bytes': 1,
      },
      error: null,
    });
    expect(trace.parts.map(({ name }) => name)).toEqual(['takeover', 'boot', 'switch', 'commit']);
    let end = report.startedAt;
    for (const part of trace.parts) {
      expect(part.startMs).toBe(end);
      expect(part.error).toBeNull();
      end = part.endMs;
    }
    expect(end).toBeCloseTo(trace.reload!.endMs, 3);
  });

  test('that was taken back is an error, and so is the phase that failed', () => {
    const verdict = { ok: false, code: 'CANDIDATE_EXITED', message: 'generation 7 exited' };
    const phases = [...report.phases.slice(0, 2), { phase: 'rollback', ms: 5 } as const];
    const trace = traceOfReload({ ...report, verdict, phases }, PLACE)!;
    expect(trace.reload).toMatchObject({ error: 'generation 7 exited' });
    expect(trace.parts.map(({ name, error }) => [name, error])).toEqual([
      ['takeover', null],
      ['boot', 'generation 7 exited'],
      ['rollback', null],
    ]);
    expect(trace.parts[1]!.attributes).toEqual({ 'batond.verdict.code': 'CANDIDATE_EXITED' });
    const early = traceOfReload({ ...report, verdict, to: null, phases: phases.slice(0, 1) }, PLACE)!;
    expect(early.parts).toMatchObject([{ name: 'takeover', error: 'generation 7 exited' }]);
    expect(early.reload!.attributes).not.toHaveProperty('batond.generation.to');
  });

  test('goes on with that of what asked for it, unless that is not recorded', () => {
    const trace = traceOfReload({ ...report, traceparent: PARENT }, PLACE)!;
    expect(trace).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parent: { spanId: 'b7ad6b7169203331', flags: 1 },
    });
    expect(traceOfReload({ ...report, traceparent: PARENT.replace(/01$/, '00') }, PLACE)).toBeNull();
    expect(traceOfReload(report, PLACE)!.parent).toBeNull();
  });

  test('has the same ids in each supervisor, and others in each reload and on each machine', () => {
    const ids = (of: Report, host = 'one') => {
      const { traceId, spanId } = traceOfReload(of, { service: 'shop', host })!;
      return `${traceId} ${spanId}`;
    };
    expect(ids(report)).toMatch(/^[0-9a-f]{32} [0-9a-f]{16}$/);
    expect(ids({ ...report, phases: [], release: null })).toBe(ids(report));
    const { traceId, spanId } = traceOfDrains(report, PLACE)!;
    expect(`${traceId} ${spanId}`).toBe(ids(report));
    const all = [ids(report), ids(report, 'two'), ids({ ...report, number: 13 }), ids({ ...report, startedAt: 1 })];
    expect(new Set(all).size).toBe(4);
  });

  test('has its drains from when they began, where that is known', () => {
    const { reload, parts } = traceOfDrains(report, PLACE)!;
    expect(reload).toBeNull();
    expect(parts).toMatchObject([
      {
        name: 'drain',
        startMs: 1_700_000_000_400,
        endMs: 1_700_000_001_900.5,
        attributes: { 'batond.generation': 6, 'batond.connections.cut': 3, 'batond.workers.timed_out': 1 },
      },
    ]);
    const { atMs: _, ...old } = drain;
    expect(traceOfDrains({ ...report, drains: [old] }, PLACE)).toBeNull();
    expect(traceOfDrains({ ...report, drains: [] }, PLACE)).toBeNull();
  });
});

describe('traceparent', () => {
  test('is taken where it is one', () => {
    expect(parseTraceParent(PARENT)).toEqual({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      flags: 1,
    });
    // Of a newer version, which may say more.
    expect(parseTraceParent(`01${PARENT.slice(2)}-more`)).toMatchObject({ flags: 1 });
  });

  test.each([
    undefined,
    '',
    'x',
    `${PARENT}-more`,
    `ff${PARENT.slice(2)}`,
    PARENT.toUpperCase(),
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
  ])('is ignored where it is %j', (text) => {
    expect(parseTraceParent(text)).toBeNull();
  });

  test('of a request is kept, or left out', () => {
    const query = (traceparent: string) => new URLSearchParams({ force: '1', traceparent });
    expect(reloadOptions(query(PARENT))).toEqual({ noOldAfterMs: null, force: true, traceparent: PARENT });
    expect(reloadOptions(query('none'))).toEqual({ noOldAfterMs: null, force: true });
    expect(rollbackOptions(query(PARENT))).toEqual({ to: null, force: true, traceparent: PARENT });
  });
});
