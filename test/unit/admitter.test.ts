/** What waits to be admitted is looked at again when the refusal says, is said once, and is forgotten when it is over. */
import pino from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Config } from '../../src/config/config.js';
import { BatondError } from '../../src/errors.js';
import type { Generation } from '../../src/inventory/generation.js';
import { monotonicMs } from '../../src/process/monotonic.js';
import { Admitter } from '../../src/supervisor/admitter.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const INTERVAL_MS = 60_000;
const TARGET = { identity: '/srv/r2 1 2', root: '/srv/r2' };

function admitter(committedAtMs: number | null = monotonicMs()) {
  const said: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => said.push(JSON.parse(line).msg) });
  const incumbent = { committedAtMs, coreSlots: [0], coreWorkers: [] } as unknown as Generation;
  const config = { admission: { state: true, minIntervalMs: INTERVAL_MS, freeze: [] } } as unknown as Config;
  const one = new Admitter({ config, log, incumbent: () => incumbent, level: () => 'OK', announce: () => {} });
  return { one, said };
}

test('a refusal is an error that says when to ask again, and is in the log', () => {
  const { one, said } = admitter();
  vi.advanceTimersByTime(20_000);
  const refused = (() => {
    try {
      one.require('reload');
    } catch (error) {
      return error;
    }
    return null;
  })();
  expect(refused).toBeInstanceOf(BatondError);
  expect(refused).toMatchObject({ code: 'TOO_SOON', exitStatus: 75, facts: { retryAfterSeconds: 40 } });
  expect(said).toEqual([expect.stringContaining('reload refused: the last generation was committed 20s ago')]);
  expect(one.waiting).toBe(null);
  one.require('rollback');
});

test('a switch that waits is tried when the refusal says, and said once however often it is looked at', () => {
  const { one, said } = admitter();
  const tried: number[] = [];
  const sinceMs = monotonicMs();
  const look = () => {
    if (one.admits(TARGET, look)) {
      one.forget();
      tried.push(monotonicMs() - sinceMs);
    }
  };
  look();
  vi.advanceTimersByTime(10_000);
  look();
  expect(one.waiting).toContain('/srv/r2 waits: the last generation was committed 10s ago');
  vi.advanceTimersByTime(INTERVAL_MS);
  expect(tried).toEqual([INTERVAL_MS]);
  expect(said).toHaveLength(1);
  expect(one.waiting).toBe(null);
  expect(vi.getTimerCount()).toBe(0);
});

test('a switch that was taken back waits no longer', () => {
  const { one } = admitter();
  expect(one.admits(TARGET, () => {})).toBe(false);
  vi.advanceTimersByTime(INTERVAL_MS);
  expect(one.waiting).toBe(null);
});

test('a reload that began some other way ends the wait', () => {
  const { one } = admitter();
  one.admits(TARGET, () => expect.unreachable());
  one.forget();
  expect(one.waiting).toBe(null);
  vi.advanceTimersByTime(INTERVAL_MS);
});
