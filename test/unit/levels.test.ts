/** Levels get worse by windows, better by samples, and decay to OK. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Health,
  LEVELS,
  type LevelRules,
  nextLookMs,
  type Sample,
  sampled,
  serviceLevel,
  WELL,
} from '../../src/health/levels.js';
import { newTrust, reckon, type Trust, trustRatio } from '../../src/health/trust.js';

const RULES: LevelRules = {
  degradedFailures: 2,
  degradedWithinMs: 60_000,
  unhealthyFailures: 4,
  unhealthyWithinMs: 120_000,
  recoverSamples: 2,
};

const rules: fc.Arbitrary<LevelRules> = fc.record({
  degradedFailures: fc.integer({ min: 1, max: 5 }),
  degradedWithinMs: fc.integer({ min: 1, max: 500 }),
  unhealthyFailures: fc.integer({ min: 1, max: 8 }),
  unhealthyWithinMs: fc.integer({ min: 1, max: 500 }),
  recoverSamples: fc.integer({ min: 1, max: 4 }),
});
const steps = fc.array(
  fc.record({ sample: fc.constantFrom<Sample>('good', 'poor', 'failed'), pauseMs: fc.integer({ min: 0, max: 200 }) }),
  { maxLength: 60 },
);
const rank = ({ level }: Health) => LEVELS.indexOf(level);

/** Takes samples at the times when one is asked for, as whoever keeps a level does. */
function settle(
  health: Health,
  nowMs: number,
  of: LevelRules,
  sample: Sample = 'good',
): { health: Health; looks: number } {
  let [state, now, looks] = [health, nowMs, 0];
  for (;;) {
    const at = nextLookMs(state, now, of);
    if (at === null) return { health: state, looks };
    now = Math.max(now, at);
    state = sampled(state, sample, now, of);
    if (++looks > 500) throw new Error(`it never settles: ${JSON.stringify(state)}`);
  }
}

const play = (samples: readonly (readonly [atMs: number, sample: Sample])[]) =>
  samples.reduce<Health>((health, [atMs, sample]) => sampled(health, sample, atMs, RULES), WELL);

describe('a level', () => {
  test('is DEGRADED by two failures in a minute and UNHEALTHY by four in two', () => {
    expect(play([[0, 'failed']]).level).toBe('OK');
    expect(
      play([
        [0, 'failed'],
        [59_000, 'failed'],
      ]).level,
    ).toBe('DEGRADED');
    expect(
      play([
        [0, 'failed'],
        [61_000, 'failed'],
      ]).level,
    ).toBe('OK');
    expect(
      play([
        [0, 'failed'],
        [1, 'failed'],
        [100_000, 'failed'],
        [119_000, 'failed'],
      ]).level,
    ).toBe('UNHEALTHY');
  });

  test('is never UNHEALTHY by what is only poor', () => {
    expect(play(Array.from({ length: 50 }, (_, i) => [i, 'poor'] as const)).level).toBe('DEGRADED');
  });

  test('gets better one step at a time, each after two good samples, when its windows allow it', () => {
    const ill = play([
      [0, 'failed'],
      [1, 'failed'],
      [2, 'failed'],
      [3, 'failed'],
    ]);
    const early = sampled(sampled(ill, 'good', 1_000, RULES), 'good', 2_000, RULES);
    expect(early.level).toBe('UNHEALTHY');
    const first = sampled(early, 'good', 121_000, RULES);
    expect(first.level).toBe('DEGRADED');
    expect(sampled(first, 'good', 121_001, RULES).level).toBe('DEGRADED');
    expect(sampled(sampled(first, 'good', 121_001, RULES), 'good', 121_002, RULES)).toEqual(WELL);
    const again = sampled(sampled(first, 'failed', 121_001, RULES), 'good', 121_002, RULES);
    expect(again).toMatchObject({ level: 'DEGRADED', good: 1 });
  });

  test('never gets better without as many good samples in a row, and then by one step', () => {
    fc.assert(
      fc.property(rules, steps, (of, taken) => {
        let [health, now, good] = [WELL, 0, 0];
        for (const { sample, pauseMs } of taken) {
          now += pauseMs;
          const before = health;
          good = sample === 'good' ? good + 1 : 0;
          health = sampled(before, sample, now, of);
          if (rank(health) >= rank(before)) continue;
          expect(good).toBeGreaterThanOrEqual(of.recoverSamples);
          expect(rank(before) - rank(health)).toBe(1);
          good = 0;
        }
      }),
    );
  });

  test('gets worse by what went wrong alone', () => {
    fc.assert(
      fc.property(rules, steps, (of, taken) => {
        let [health, now] = [WELL, 0];
        for (const { sample, pauseMs } of taken) {
          now += pauseMs;
          const before = health;
          health = sampled(before, sample, now, of);
          if (rank(health) > rank(before)) expect(sample).not.toBe('good');
        }
      }),
    );
  });

  test('decays to OK by the samples that it asks for, and then asks for none', () => {
    fc.assert(
      fc.property(rules, steps, (of, taken) => {
        let [health, now] = [WELL, 0];
        for (const { sample, pauseMs } of taken) {
          now += pauseMs;
          health = sampled(health, sample, now, of);
        }
        const settled = settle(health, now, of);
        expect(settled.health).toBe(WELL);
        expect(settled.looks).toBeLessThan(60);
      }),
    );
  });

  test('remembers no more than can decide anything', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => [i, i % 2 === 0 ? 'failed' : 'poor'] as const);
    const { failures, poor } = play(many);
    expect(failures.length).toBeLessThanOrEqual(4);
    expect(poor.length).toBeLessThanOrEqual(4);
  });
});

test('a service is as bad as its best worker, and no better than DEGRADED with one that is not OK', () => {
  expect(serviceLevel(['OK', 'OK'], 2)).toBe('OK');
  expect(serviceLevel(['OK', 'UNHEALTHY'], 2)).toBe('DEGRADED');
  expect(serviceLevel(['DEGRADED', 'DEGRADED'], 1)).toBe('DEGRADED');
  expect(serviceLevel(['UNHEALTHY', 'UNHEALTHY'], 2)).toBe('UNHEALTHY');
  expect(serviceLevel(['OK', 'OK'], 0)).toBe('UNHEALTHY');
  expect(serviceLevel([], 1)).toBe('UNHEALTHY');
});

describe('trust', () => {
  test('is the healthy part of the time in service, also where nobody looked in between', () => {
    const begun = newTrust(1_000);
    expect(trustRatio(begun, 1_000)).toBe(1);
    const ill = reckon(begun, 2_000, false);
    expect(trustRatio(ill, 3_000)).toBe(0.5);
    const well = reckon(ill, 3_000, true);
    expect(trustRatio(JSON.parse(JSON.stringify(well)), 5_000)).toBe(0.75);
  });

  test('stays between 0 and 1 whatever the clock and the record say', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ atMs: fc.integer({ min: -1_000, max: 1_000 }), healthy: fc.boolean() }), {
          maxLength: 20,
        }),
        (looks) => {
          const trust = looks.reduce<Trust>((all, { atMs, healthy }) => reckon(all, atMs, healthy), newTrust(0));
          const ratio = trustRatio(trust, 500);
          expect(ratio).toBeGreaterThanOrEqual(0);
          expect(ratio).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});
