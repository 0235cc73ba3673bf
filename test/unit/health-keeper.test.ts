/** Who keeps the levels: what is said, what is on record, when it asks again, and when it gives a generation up. */
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { HealthConfig } from '../../src/config/config.js';
import type { Sample } from '../../src/health/levels.js';
import { Generation, type GenerationRecord } from '../../src/inventory/generation.js';
import type { Inventory } from '../../src/inventory/inventory.js';
import type { Worker } from '../../src/inventory/worker.js';
import { HealthKeeper } from '../../src/supervisor/health-keeper.js';

const RULES: HealthConfig = {
  levels: {
    degradedFailures: 2,
    degradedWithinMs: 60_000,
    unhealthyFailures: 4,
    unhealthyWithinMs: 120_000,
    recoverSamples: 2,
  },
  checkTimeoutMs: 1_000,
  regretAfterMs: 30_000,
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime', 'performance', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Scene {
  readonly keeper: HealthKeeper;
  readonly generation: Generation;
  readonly workers: { phase: string; generation: number; slot: number }[];
  readonly said: { event: string; msg: string; health: string }[];
  readonly regretted: string[];
  /** How often a worker was asked, and what it says. */
  readonly asked: { times: number; sample: Sample };
}

function scene(slots = 2, record: Partial<GenerationRecord> = {}): Scene {
  const generation = new Generation({
    number: 1,
    role: 'incumbent',
    release: {} as GenerationRecord['release'],
    ready: 'listen',
    slots,
    committedAtMs: performance.now(),
    drainUntilMs: null,
    claims: [],
    crashes: [],
    workers: [],
    ...record,
  });
  const workers = Array.from({ length: slots }, (_, slot) => ({ phase: 'open', generation: 1, slot }));
  for (const worker of workers) generation.workers.set(worker.slot, worker as unknown as Worker);
  const said: Scene['said'] = [];
  const asked: Scene['asked'] = { times: 0, sample: 'good' };
  const regretted: string[] = [];
  const keeper = new HealthKeeper({
    inventory: {
      incumbent: generation,
      generations: new Map([[1, generation]]),
      workers: () => workers,
    } as unknown as Inventory,
    rules: RULES,
    regretMs: 300_000,
    log: pino({ base: null }, { write: (line: string) => void said.push(JSON.parse(line)) }),
    look: async () => {
      asked.times++;
      return asked.sample;
    },
    regret: (_, reason) => {
      regretted.push(reason);
      return true;
    },
    changed: () => {},
  });
  keeper.activate();
  return { keeper, generation, workers, said, regretted, asked };
}

const fail = ({ keeper, generation }: Scene, times: number, slots = [0]) => {
  for (let n = 0; n < times; n++) for (const slot of slots) keeper.sample(generation, slot, 'failed', 'it failed');
};

describe('while all is well', () => {
  test('no timer wakes anybody and nothing is said', () => {
    const { keeper, said, generation } = scene();
    keeper.sample(generation, 0, 'good', 'it answers');
    keeper.update();
    expect(vi.getTimerCount()).toBe(0);
    expect(said).toEqual([]);
    expect(keeper.sentence).toBeNull();
    expect(generation.record.health?.slots).toEqual([]);
  });
});

describe('a worker that fails', () => {
  test('is said at each change, is on record, and makes the service DEGRADED', () => {
    const it = scene();
    fail(it, 2);
    expect(it.said.map(({ event, health }) => [event, health])).toEqual([
      ['level', 'DEGRADED'],
      ['service-level', 'DEGRADED'],
    ]);
    expect(it.said[0]!.msg).toBe('worker g1s0 is DEGRADED, it was OK: it failed');
    expect(it.keeper.sentence).toBe('It is DEGRADED: worker 0 DEGRADED.');
    expect(it.generation.record.health?.slots).toMatchObject([{ slot: 0, level: 'DEGRADED' }]);
  });

  test('decays to OK by being asked when its window is over, and then nobody is asked', async () => {
    const it = scene();
    fail(it, 2);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(it.asked.times).toBe(0);
    await vi.advanceTimersByTimeAsync(65_000);
    expect(it.keeper.level).toBe('OK');
    expect(it.keeper.trust).toBeGreaterThan(0.4);
    expect(it.keeper.trust).toBeLessThan(0.6);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(vi.getTimerCount()).toBe(0);
    const { times } = it.asked;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(it.asked.times).toBe(times);
  });

  test('stays as it is for the next supervisor, which goes on from the record', async () => {
    const first = scene();
    fail(first, 2);
    first.keeper.freeze();
    expect(vi.getTimerCount()).toBe(0);
    const record = JSON.parse(JSON.stringify(first.generation.record)) as GenerationRecord;
    const next = scene(2, { health: record.health! });
    expect(next.keeper.level).toBe('DEGRADED');
    expect(next.said).toEqual([]);
    fail(next, 2);
    expect(next.keeper.levelOf(next.generation, 0)).toBe('UNHEALTHY');
    expect(next.keeper.level).toBe('DEGRADED');
  });
});

describe('a slot that runs nothing', () => {
  const resting = (rest: 'kept' | 'done') => ({
    listened: true,
    slots: [
      { slot: 1, rest, standby: false, waits: 0, rule: 'clean-exit', reason: 'exited', sinceMs: 0, dueAtMs: null },
    ],
    restarts: [],
  });

  test('because it has done what it had to do is missed by nobody', () => {
    expect(scene(2, { healing: resting('done') }).keeper.level).toBe('OK');
  });

  test('because it is not started again makes the service DEGRADED', () => {
    const { keeper } = scene(2, { healing: resting('kept') });
    expect(keeper.level).toBe('DEGRADED');
    expect(keeper.sentence).toBe('It is DEGRADED: worker 1 UNHEALTHY.');
  });
});

describe('a service that is UNHEALTHY', () => {
  test('within upgrade.regret is given up after health.regret_after, and not before', async () => {
    const it = scene();
    fail(it, 4, [0, 1]);
    it.asked.sample = 'failed';
    expect(it.keeper.level).toBe('UNHEALTHY');
    await vi.advanceTimersByTimeAsync(29_000);
    expect(it.regretted).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(it.regretted).toEqual(['the service was UNHEALTHY for 30 s (health.regret_after)']);
  });

  test('because nobody accepts is well again as soon as somebody does', async () => {
    const it = scene(1);
    it.workers[0]!.phase = 'stopping';
    it.keeper.update();
    expect(it.keeper.sentence).toBe('It is UNHEALTHY: no worker accepts.');
    it.workers[0]!.phase = 'open';
    it.keeper.update();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(it.keeper.level).toBe('OK');
    expect(it.regretted).toEqual([]);
  });

  test('after upgrade.regret is kept', async () => {
    const it = scene(2, { committedAtMs: performance.now() - 290_000 });
    fail(it, 4, [0, 1]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(it.regretted).toEqual([]);
  });
});
