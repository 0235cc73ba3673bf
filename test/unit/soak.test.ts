/** The rules of a soak: bad releases are caught, each for what it does, and good ones with all their noise are not. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Baseline } from '../../src/health/baseline.js';
import { describeFigures } from '../../src/health/figures.js';
import { atLeastAbove, boundsOf, lineThrough } from '../../src/health/statistics.js';
import { Trial } from '../../src/health/trial.js';
import { LIMITS, type Nature, randomOf, SimulatedWorker, simulate, WELL } from '../support/soak-simulation.js';

const MIB = 2 ** 20;
const seed = fc.integer({ min: 1, max: 2 ** 31 });
/** Deterministic, and many: a rule that is wrong once in a thousand soaks is wrong. */
const RUNS = { seed: 1, numRuns: 100 };

/** A process that is new: slow at first, grows to its size, with the saw teeth of a garbage collector. */
const fresh = (workingMib: number): Partial<Nature> => ({
  medianMs: (second) => (second < 2 ? 25 : 5),
  rssBytes: (second, random) => (60 + (workingMib - 60) * (1 - Math.exp(-second / 6)) + 20 * random()) * MIB,
  busy: (second) => (second < 2 ? 0.7 : 0.25),
});

/** A long pause in every tenth second, as of a major collection. */
const pauses = (_second: number, random: () => number) => (random() < 0.1 ? 150 + 200 * random() : 3 + 8 * random());

describe('a good release passes', () => {
  test('whatever the noise, the length and the load', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed,
          seconds: fc.integer({ min: 1, max: 60 }),
          workers: fc.integer({ min: 1, max: 4 }),
          before: fc.constantFrom(0, 5, 30),
          perSecond: fc.constantFrom(0, 1, 20, 200),
          errorRatio: fc.constantFrom(0, 0.001, 0.02, 0.3),
          abortedRatio: fc.constantFrom(0, 0.01, 0.2),
          pausing: fc.boolean(),
          workingMib: fc.integer({ min: 70, max: 150 }),
          share: fc.constantFrom(0.001, 0.01, 0.5, 1),
        }),
        ({ perSecond, errorRatio, abortedRatio, pausing, workingMib, ...simulation }) => {
          const blockedMs = pausing ? pauses : WELL.blockedMs;
          const incumbent = { perSecond, errorRatio: () => errorRatio, abortedRatio, blockedMs };
          expect(simulate({ ...simulation, incumbent, candidate: fresh(workingMib) }).failure).toBeNull();
        },
      ),
      RUNS,
    );
  });

  test('though its working size is three times that of its predecessor', () => {
    fc.assert(
      fc.property(seed, fc.constantFrom(30, 60, 120), (seed, seconds) => {
        const candidate = fresh(400);
        expect(simulate({ seed, seconds, candidate }).failure).toBeNull();
      }),
      { ...RUNS, numRuns: 30 },
    );
  });

  test.each([
    ['is as slow and late as the one before', { blockedMs: () => 400, medianMs: () => 300 }],
    ['answers many with 5xx, as the one before', { errorRatio: () => 0.5 }],
    ['is busy all the time, as the one before', { busy: () => 0.99 }],
    ['has twice the load', { busy: () => 0.4 }],
  ])('that %s', (_name, incumbent: Partial<Nature>) => {
    fc.assert(
      fc.property(seed, (seed) => {
        const candidate = {
          perSecond: 400,
          busy: (second: number) => Math.min(1, 2 * (incumbent.busy ?? WELL.busy)(second)),
        };
        expect(simulate({ seed, seconds: 20, incumbent, candidate }).failure).toBeNull();
      }),
      { ...RUNS, numRuns: 30 },
    );
  });

  test('that fails, hangs and is slow for two seconds at its start', () => {
    const candidate: Partial<Nature> = {
      errorRatio: (second) => (second < 2 ? 0.5 : 0),
      medianMs: (second) => (second < 4 ? 900 : 5),
      blockedMs: (second) => (second < 2 ? 900 : 3),
    };
    for (let seed = 1; seed < 20; seed++) expect(simulate({ seed, seconds: 30, candidate }).failure).toBeNull();
  });

  test('on a machine so starved that even idle loops are late', () => {
    const starved: Partial<Nature> = { blockedMs: (_second, random) => 250 + 500 * random(), medianMs: () => 120 };
    const baseline = new Baseline();
    const trial = new Trial(LIMITS, 20_000, baseline);
    const random = randomOf(7);
    const incumbent = new SimulatedWorker('old', WELL, random);
    for (let second = 0; second < 20; second++) {
      incumbent.live();
      baseline.add([incumbent.look(true)]);
    }
    const idle = new SimulatedWorker('old', { ...WELL, ...starved }, random);
    const candidate = new SimulatedWorker('new', { ...WELL, ...starved }, random);
    for (let second = 0; second <= 20; second++) {
      idle.live(0);
      candidate.live();
      baseline.add([idle.look(false)]);
      trial.add(second * 1_000, [candidate.look(true)]);
      expect(trial.judge(second === 20)).toBeNull();
    }
  });
});

describe('a bad release is caught that', () => {
  const runs = { ...RUNS, numRuns: 30 };

  test('answers 500 to 2 % of requests', () => {
    fc.assert(
      fc.property(seed, fc.constantFrom(10, 60, 600), (seed, seconds) => {
        const errorRatio = () => 0.021;
        const { failure, second } = simulate({ seed, seconds, candidate: { errorRatio } });
        expect(failure?.rule).toBe('errors');
        expect(failure?.reason).toMatch(
          /^\d\.\d % of its [\d,]+ requests failed \(\d+ answers of 5xx, \d+ broken off\)/,
        );
        // Two workers of 200 a second.
        expect(second).toBeLessThan(40);
      }),
      runs,
    );
  });

  test('blocks its event loop for 300 ms each second', () => {
    fc.assert(
      fc.property(seed, fc.constantFrom(6, 10, 60), fc.constantFrom(0, 200), (seed, seconds, perSecond) => {
        const { failure } = simulate({ seed, seconds, incumbent: { perSecond }, candidate: { blockedMs: () => 300 } });
        expect(failure?.rule).toBe('delay');
      }),
      runs,
    );
  });

  test('leaks 20 MB a second', () => {
    fc.assert(
      fc.property(seed, fc.constantFrom(8, 20, 60, 600), (seed, seconds) => {
        const rssBytes: Nature['rssBytes'] = (second, random) => (60 + 8 * random()) * MIB + second * 20e6;
        const { failure, second } = simulate({ seed, seconds, workers: 1, candidate: { rssBytes } });
        expect(failure?.rule).toBe('memory');
        expect(second).toBeLessThan(30);
      }),
      runs,
    );
  });

  test('is slower for one in fifty, for all but its first seconds', () => {
    for (let seed = 1; seed < 20; seed++) {
      const random = randomOf(seed);
      const medianMs = () => (random() < 0.05 ? 400 : 5);
      expect(simulate({ seed, seconds: 30, candidate: { medianMs } }).failure?.rule).toBe('latency');
    }
  });

  test('answers nothing more', () => {
    const candidate = { hangs: (second: number) => second > 3, errorRatio: () => 0 };
    const { failure, second } = simulate({ seed: 1, seconds: 30, candidate });
    expect(failure?.rule).toBe('stalled');
    expect(second).toBeLessThan(18);
  });

  test('has a loop that does not turn', () => {
    const { incumbent, candidate } = { incumbent: new SimulatedWorker('old', WELL, randomOf(1)), candidate: 'new' };
    const baseline = new Baseline();
    const trial = new Trial(LIMITS, 10_000, baseline);
    trial.add(0, [new SimulatedWorker(candidate, WELL, randomOf(2)).look(true)]);
    for (let second = 1; second <= 10; second++) {
      incumbent.live(0);
      baseline.add([incumbent.look(false)]);
      trial.add(second * 1_000, [{ worker: candidate, serves: true, measures: null }]);
    }
    expect(trial.judge(true)?.rule).toBe('delay');
  });

  test('needs a whole loop for what took a fifth of it', () => {
    const { failure } = simulate({ seed: 1, seconds: 20, candidate: { busy: () => 1 } });
    expect(failure?.reason).toMatch(
      /^the event loop of a worker is busy 100 % of its time, the incumbent's was 2\d %$/,
    );
  });

  test('fails everything in a soak of a second', () => {
    expect(simulate({ seed: 1, seconds: 1, candidate: { errorRatio: () => 1 } }).failure?.rule).toBe('errors');
  });

  test('is seen at a share of a hundredth, if it is bad enough', () => {
    const { failure } = simulate({ seed: 1, seconds: 60, share: 0.01, candidate: { errorRatio: () => 0.5 } });
    expect(failure?.rule).toBe('errors');
  });
});

describe('what is not known is not judged', () => {
  test('where the incumbent has answered nothing', () => {
    const incumbent = { perSecond: 0 };
    const candidate = { perSecond: 200, errorRatio: () => 1, medianMs: () => 5_000 };
    expect(simulate({ seed: 1, seconds: 10, incumbent, candidate }).failure).toBeNull();
  });

  test('of workers that count less than these', () => {
    const baseline = new Baseline();
    const trial = new Trial(LIMITS, 5_000, baseline);
    const { measures } = new SimulatedWorker('old', WELL, randomOf(1)).look(true);
    const old = { worker: 'old', serves: true, measures: { ...measures!, requests: 10_000, delay: null } };
    for (let second = 0; second <= 5; second++) {
      baseline.add([old]);
      trial.add(second * 1_000, [{ ...old, worker: 'new' }]);
    }
    expect(trial.judge(true)).toBeNull();
    expect(trial.figures).toMatchObject({ requests: 10_000, failed: 0, ended: 0, p99Ms: null, delayMaxMs: null });
  });
});

test('what a soak saw is told in numbers', () => {
  const { trial } = simulate({ seed: 3, seconds: 10 });
  expect(describeFigures(trial.figures, trial.baselineFigures)).toMatch(
    /^[\d,]+ requests, 0\.\d % errors, p99 \d+ ms \(before \d+ ms\)$/,
  );
  const nobody = { ...trial.figures, requests: 1, ended: 0, p99Ms: null };
  expect(describeFigures(nobody, trial.baselineFigures)).toBe('1 request');
});

describe('statistics', () => {
  test('a ratio lies within its bounds, which close in', () => {
    expect(boundsOf({ count: 0, of: 0 })).toEqual({ lower: 0, upper: 1 });
    const few = boundsOf({ count: 2, of: 100 });
    const many = boundsOf({ count: 200, of: 10_000 });
    expect(few.lower).toBeLessThan(many.lower);
    expect(many.upper).toBeLessThan(few.upper);
    expect(boundsOf({ count: 5, of: 5 }).upper).toBe(1);
  });

  test('ratios that are the same are seldom told apart', () => {
    const random = randomOf(1);
    let told = 0;
    for (let round = 0; round < 2_000; round++) {
      const draw = () => Array.from({ length: 300 }).filter(() => random() < 0.05).length;
      if (atLeastAbove({ count: draw(), of: 300 }, { count: draw(), of: 300 }) > 0) told++;
    }
    expect(told).toBeLessThan(10);
  });

  test('a line goes through its points, and noise makes its slope less sure', () => {
    expect(lineThrough([[0, 1]])).toBeNull();
    expect(
      lineThrough([
        [1, 1],
        [1, 2],
      ]),
    ).toBeNull();
    expect(
      lineThrough([
        [0, 1],
        [1, 3],
        [2, 5],
      ])?.slope,
    ).toBeCloseTo(2);
    const noisy = lineThrough([
      [0, 0],
      [1, 9],
      [2, 1],
      [3, 8],
    ]);
    expect(noisy!.lower).toBeLessThan(0);
  });
});
