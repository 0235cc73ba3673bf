/** What speaks against a candidate by what its app says of itself. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CandidateHealth } from '../../src/health/candidate.js';

const levels = {
  degradedFailures: 2,
  degradedWithinMs: 60_000,
  unhealthyFailures: 4,
  unhealthyWithinMs: 120_000,
  recoverSamples: 2,
};
const RULES = { levels, minTrust: 0.995 };

test('a candidate whose checks keep failing is not waited for', () => {
  const health = new CandidateHealth(RULES, 0);
  const found = [1, 2, 3, 4].map((second) => {
    health.add('g2s0', 'good', second * 2_000);
    health.add('g2s1', 'failed', second * 2_000);
    return health.judge(false, second * 2_000)?.rule ?? null;
  });
  expect(found).toEqual([null, null, null, 'health']);
  expect(health.judge(false, 8_000)?.reason).toBe('worker g2s1 is UNHEALTHY: its checks fail, or it does not answer');
});

test('one that was not well for long enough is not trusted in the end, and not before', () => {
  const health = new CandidateHealth(RULES, 0);
  for (const at of [1_000, 2_000]) health.add('g2s0', 'failed', at);
  expect(health.judge(false, 3_000)).toBeNull();
  expect(health.judge(true, 10_000)).toEqual({
    rule: 'trust',
    reason: 'it was healthy for 20.0 % of its time, and upgrade.min_trust is 99.5 %',
  });
});

test('one that is well, or says nothing, has nothing against it', () => {
  const samples = fc.array(fc.constant('good' as const), { maxLength: 50 });
  fc.assert(
    fc.property(samples, (all) => {
      const health = new CandidateHealth(RULES, 0);
      for (const [index, sample] of all.entries()) health.add(`g2s${index % 3}`, sample, index * 2_000);
      expect(health.judge(true, all.length * 2_000)).toBeNull();
    }),
  );
});
