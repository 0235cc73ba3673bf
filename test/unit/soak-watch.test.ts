/** The watch of a trial: who is asked when, when it speaks, and that it is silent when it has been disposed of. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Measures } from '../../src/channel/messages.js';
import type { Sample } from '../../src/health/levels.js';
import type { Failure } from '../../src/health/soak.js';
import type { Generation } from '../../src/inventory/generation.js';
import type { Phase } from '../../src/inventory/worker.js';
import { SoakWatch } from '../../src/supervisor/soak-watch.js';
import { LIMITS, type Nature, randomOf, SimulatedWorker, WELL } from '../support/soak-simulation.js';

interface FakeWorker {
  readonly asked: boolean[];
  readonly generation: Generation;
  /** It answers no more, until it is told to: then what waits is answered with nothing. */
  hang(): void;
}

function serving(number: number, nature: Partial<Nature> = {}, phase: Phase = 'open', hasChannel = true): FakeWorker {
  const simulated = new SimulatedWorker(`g${number}s0`, { ...WELL, ...nature }, randomOf(number));
  const asked: boolean[] = [];
  let hangs = false;
  const worker = {
    id: `g${number}s0`,
    process: { pid: 1_000 + number },
    phase,
    hasChannel,
    measure: ({ delay }: { delay: boolean }): Promise<Measures | null> => {
      asked.push(delay);
      simulated.live(asked.length > 1 ? 1 : 10);
      if (hangs) return new Promise((resolve) => setTimeout(() => resolve(null), 1_000));
      return Promise.resolve(simulated.look(true).measures);
    },
  };
  const generation = { number, mainWorkers: [worker], coreWorkers: [worker] } as unknown as Generation;
  return {
    asked,
    generation,
    hang: () => {
      hangs = true;
    },
  };
}

const RULES = {
  levels: {
    degradedFailures: 2,
    degradedWithinMs: 60_000,
    unhealthyFailures: 4,
    unhealthyWithinMs: 120_000,
    recoverSamples: 2,
  },
  minTrust: 0.995,
};
/** What the app of a worker says of itself, by the worker's id. */
const says = new Map<string, Sample>();

let watch: SoakWatch;
let looks = 0;

function watching(incumbent: FakeWorker) {
  looks = 0;
  watch = new SoakWatch({
    incumbent: () => incumbent.generation,
    limits: LIMITS,
    rules: RULES,
    check: (worker) => Promise.resolve(says.get(worker.id) ?? null),
    baselineMs: 3_000,
    looked: () => looks++,
    now: () => performance.now(),
  });
}

function trying(candidate: FakeWorker, forMs: number) {
  const heard = { progress: [] as string[], failures: [] as Failure[] };
  watch.begin({
    candidate: candidate.generation,
    forMs,
    progress: (atMs, text) => heard.progress.push(`${Math.round(atMs / 1_000)} ${text}`),
    failed: (failure) => heard.failures.push(failure),
  });
  return heard;
}

beforeEach(() => {
  says.clear();
  vi.useFakeTimers();
});
afterEach(async () => {
  watch[Symbol.dispose]();
  // What a worker that hangs was asked runs into its own time-out, and leads to nothing more.
  vi.runOnlyPendingTimers();
  await Promise.resolve();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('the watch of a trial', () => {
  test('knows the incumbents after three seconds, and watches their event loops for it', async () => {
    const incumbent = serving(1);
    watching(incumbent);
    await vi.advanceTimersByTimeAsync(2_500);
    expect(watch.knowsIncumbents).toBe(false);
    expect(watch.report).toBeNull();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(watch.knowsIncumbents).toBe(true);
    expect(incumbent.asked).toEqual([true, true, true, true]);
    expect(looks).toBe(4);
  });

  test('asks the candidate from the first moment of the trial on, and tells now and then how it goes', async () => {
    watching(serving(1));
    await vi.advanceTimersByTimeAsync(3_400);
    const candidate = serving(2);
    const { progress, failures } = trying(candidate, 12_000);
    await vi.advanceTimersByTimeAsync(0);
    expect(candidate.asked).toEqual([true]);
    await vi.advanceTimersByTimeAsync(12_000);
    const ending = watch.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(await ending).toBeNull();
    expect(failures).toEqual([]);
    expect(progress).toHaveLength(2);
    expect(progress[0]).toMatch(/^5 [\d,]+ requests, \d\.\d % errors, p99 \d+ ms \(before \d+ ms\)$/);
    expect(watch.report).toMatchObject({ forMs: 12_000, ms: 12_000, failed: null });
    expect(watch.report!.candidate.requests).toBeGreaterThan(1_000);
  });

  test('hears what the app of a candidate says of itself, every other second', async () => {
    watching(serving(1));
    await vi.advanceTimersByTimeAsync(3_400);
    says.set('g2s0', 'failed');
    const { failures } = trying(serving(2), 600_000);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(failures).toEqual([]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(failures.map(({ rule }) => rule)).toEqual(['health']);
  });

  test('leaves a candidate alone between a canary and its trial, and knows what came of it', async () => {
    watching(serving(1));
    await vi.advanceTimersByTimeAsync(3_400);
    const candidate = serving(2);
    const { failures } = trying(candidate, 600_000);
    await vi.advanceTimersByTimeAsync(1_000);
    watch.rest();
    says.set('g2s0', 'failed');
    const asked = candidate.asked.length;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(candidate.asked).toHaveLength(asked);
    expect(failures).toEqual([]);
    expect(watch.report).toMatchObject({ forMs: 600_000, failed: null });
  });

  test('says once, and as soon as it is clear, what speaks against the candidate', async () => {
    watching(serving(1));
    await vi.advanceTimersByTimeAsync(3_400);
    const { failures } = trying(serving(2, { errorRatio: () => 0.5 }), 600_000);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(failures.map(({ rule }) => rule)).toEqual(['errors']);
    expect(watch.report?.failed).toBe(failures[0]?.reason);
    const ending = watch.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(await ending).toBe(failures[0]);
  });

  test('never has two questions on their way to a worker that does not answer', async () => {
    watching(serving(1));
    await vi.advanceTimersByTimeAsync(3_400);
    const candidate = serving(2);
    const { failures } = trying(candidate, 12_000);
    await vi.advanceTimersByTimeAsync(3_000);
    candidate.hang();
    const before = candidate.asked.length;
    await vi.advanceTimersByTimeAsync(6_000);
    expect(candidate.asked.length - before).toBeLessThanOrEqual(6);
    expect(failures.map(({ rule }) => rule)).toEqual(['delay']);
  });

  test('asks nobody and says nothing when it has been disposed of, a look under way included', async () => {
    const incumbent = serving(1);
    watching(incumbent);
    await vi.advanceTimersByTimeAsync(3_400);
    incumbent.hang();
    const candidate = serving(2, { errorRatio: () => 1 });
    const { failures } = trying(candidate, 12_000);
    await vi.advanceTimersByTimeAsync(100);
    watch[Symbol.dispose]();
    const asked = incumbent.asked.length + candidate.asked.length;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(incumbent.asked.length + candidate.asked.length).toBe(asked);
    expect(failures).toEqual([]);
  });

  test('asks no program that has no channel', async () => {
    const incumbent = serving(1, {}, 'open', false);
    watching(incumbent);
    const { failures } = trying(serving(2, {}, 'open', false), 5_000);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(incumbent.asked).toEqual([]);
    expect(failures).toEqual([]);
    expect(watch.report).toMatchObject({ candidate: { requests: 0, p99Ms: null, rssBytes: null } });
  });
});
