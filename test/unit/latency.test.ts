/** Counts by bucket, who counts them, and what is made of what an older preload says. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { decodeFromWorker } from '../../src/channel/decode.js';
import { renderJson, renderStatus } from '../../src/cli/status.js';
import type { GenerationStatus, Status } from '../../src/control/messages.js';
import {
  bucketOf,
  difference,
  LATENCY_BOUNDS_MS,
  LATENCY_BUCKETS,
  noLatency,
  percentile,
  sum,
  total,
} from '../../src/health/latency.js';
import { ASKED_FOR_MS, LoopDelay } from '../../src/worker/loop-delay.js';

function counted(values: readonly number[]): number[] {
  const counts = noLatency();
  for (const ms of values) counts[bucketOf(ms)]!++;
  return counts;
}

describe('counts by bucket', () => {
  test('each value is in the bucket whose bounds it is between', () => {
    expect(LATENCY_BOUNDS_MS[0]).toBe(0.1);
    expect(LATENCY_BOUNDS_MS.at(-1)).toBe(100_000);
    for (const [bucket, bound] of LATENCY_BOUNDS_MS.entries()) {
      expect(bucketOf(bound)).toBe(bucket);
      expect(bucketOf(bound * 1.000_001)).toBe(bucket + 1);
    }
    expect([0, -1, Number.NaN].map(bucketOf)).toEqual([0, 0, 0]);
    expect([Number.POSITIVE_INFINITY, 1e9].map(bucketOf)).toEqual([LATENCY_BUCKETS - 1, LATENCY_BUCKETS - 1]);
  });

  test('a percentile is within 12.3 % of the value itself', () => {
    // The smallest bound itself belongs to the bucket below, which has no smallest value.
    const value = fc.double({ min: 0.1, minExcluded: true, max: 100_000, noNaN: true });
    const values = fc.array(value, { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(values, fc.constantFrom(0.5, 0.9, 0.99, 1), (all, p) => {
        const sorted = [...all].sort((a, b) => a - b);
        const exact = sorted[Math.ceil(p * all.length) - 1]!;
        const told = percentile(counted(all), p)!;
        expect(Math.abs(told - exact) / exact).toBeLessThan(0.123);
      }),
    );
    expect(percentile(noLatency(), 0.99)).toBeNull();
    expect(percentile(counted([1e9]), 0.5)).toBe(100_000);
  });

  test('what came in between is the difference, and a worker that began anew counts from nothing', () => {
    const earlier = counted([1, 5, 5]);
    const later = sum([earlier, counted([5, 300])]);
    expect(difference(later, earlier)).toEqual(counted([5, 300]));
    expect(total(later)).toBe(5);
    expect(difference(counted([5]), earlier)).toEqual(counted([5]));
  });
});

describe('a worker', () => {
  const old = { type: 'measures', id: 1, requests: 7, inFlight: 0, connections: 0 };
  const message = { ...old, rssBytes: 1, heapUsedBytes: 1, utilization: 0.5 };

  test('of an older preload has counted nothing else', () => {
    expect(decodeFromWorker(message)).toEqual({
      ...message,
      accepted: 0,
      errors: 0,
      aborted: 0,
      latency: noLatency(),
      loop: { activeMs: 0, idleMs: 0 },
      delay: null,
      detail: null,
    });
  });

  test('that counts by other buckets, or below nothing, is not believed', () => {
    expect(decodeFromWorker({ ...message, latency: counted([3]) })).toMatchObject({ latency: counted([3]) });
    expect(decodeFromWorker({ ...message, latency: [1, 2] })).toBeNull();
    expect(decodeFromWorker({ ...message, latency: noLatency().fill(-1) })).toBeNull();
    expect(decodeFromWorker({ ...message, errors: -1 })).toBeNull();
    expect(decodeFromWorker({ ...message, delay: { count: 1, sumMs: 1, maxMs: 1, over: [] } })).toBeNull();
  });
});

describe('the event loop', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('is watched for as long as somebody asks, and its counts go on when somebody asks again', () => {
    const delay = new LoopDelay();
    expect(delay.seen).toBeNull();
    delay.watch();
    vi.advanceTimersByTime(1_000);
    expect(delay.seen).toMatchObject({ count: 50, sumMs: 0, maxMs: 0 });
    vi.advanceTimersByTime(ASKED_FOR_MS - 2_000);
    delay.watch();
    vi.advanceTimersByTime(ASKED_FOR_MS);
    const { count } = delay.seen!;
    vi.advanceTimersByTime(100);
    expect(delay.seen).toBeNull();
    expect(vi.getTimerCount()).toBe(0);
    delay.watch();
    expect(delay.seen!.count).toBeGreaterThanOrEqual(count);
  });

  test('is watched as closely as anybody asks who still asks', () => {
    const delay = new LoopDelay();
    delay.watch(60_000, 100);
    vi.advanceTimersByTime(1_000);
    expect(delay.seen).toMatchObject({ count: 10, sumMs: 0 });
    delay.watch(1_000, 20);
    delay.watch(60_000, 100);
    vi.advanceTimersByTime(1_000);
    expect(delay.seen).toMatchObject({ count: 60, sumMs: 0 });
    vi.advanceTimersByTime(1_020);
    expect(delay.seen).toMatchObject({ count: 71, sumMs: 0 });
    expect(vi.getTimerCount()).toBe(1);
  });
});

describe('the status', () => {
  const status = (answers: GenerationStatus['answers']) =>
    ({
      name: 'shop',
      state: 'serving',
      summary: 'Generation 1 serves.',
      supervisor: { pid: 1, version: '0.1.0', uptimeMs: 1 },
      listeners: [],
      generations: [
        { number: 1, role: 'incumbent', release: 'a', entry: 'b', workers: [], drainLeftMs: null, answers },
      ],
      lastReload: null,
    }) as unknown as Status;

  test('tells of answers what there is to tell, in 80 columns', () => {
    const text = (answers: GenerationStatus['answers']) => renderStatus(status(answers), 80);
    expect(text({ errors: 35, aborted: 2, medianMs: 0.4211, p99Ms: 1_234 })).toContain(
      '\n  answers      half within 0.42 ms, 99 % within 1.2 s, 35 of 5xx, 2 broken off\n',
    );
    expect(text({ errors: 0, aborted: 0, medianMs: 4.25, p99Ms: 18.4 })).toContain(
      '\n  answers      half within 4.3 ms, 99 % within 18 ms\n',
    );
    const most = text({ errors: 1e7, aborted: 1e6, medianMs: 99_999, p99Ms: 100_000 });
    expect(Math.max(...most.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    for (const nothing of [undefined, null, { errors: 0, aborted: 0, medianMs: null, p99Ms: null }]) {
      expect(text(nothing)).not.toContain('answers');
    }
  });

  test('has counts by bucket on one line of its JSON, and means the same', () => {
    const whole = { ...status(null), numbers: counted([1, 2]), texts: ['[\n1,\n2]'], nested: [[1, 2], []] };
    const json = renderJson(whole as Status);
    expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(whole)));
    expect(json).toContain(`"numbers": [${counted([1, 2]).join(',')}]`);
  });
});
