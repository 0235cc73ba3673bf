/** When a circuit fires and when it is over: the language of its conditions, what is read, and rules over time. */
import { describe, expect, test } from 'vitest';
import { keep, type Reading, sampleOf, WINDOW_MS } from '../../src/circuit/reading.js';
import { carryOver, type RuleRecord, step, weightOf } from '../../src/circuit/rule.js';
import { parseWhen, reasonOf, type Sample, type When } from '../../src/circuit/when.js';
import { bucketOf, noLatency } from '../../src/health/latency.js';

describe('a condition', () => {
  test.each([
    [
      'cpu_throttled|memory_pressure|p99>1200ms for 30s',
      {
        any: [
          { kind: 'cpu_throttled', over: 0.25 },
          { kind: 'memory_pressure', over: 0.1 },
          { kind: 'p99', overMs: 1_200 },
        ],
        forMs: 30_000,
      },
    ],
    [
      'errors > 0.5% | p99 > 1m30s',
      {
        any: [
          { kind: 'errors', over: 0.005 },
          { kind: 'p99', overMs: 90_000 },
        ],
        forMs: 0,
      },
    ],
    ['cpu_throttled>50% for 0s', { any: [{ kind: 'cpu_throttled', over: 0.5 }], forMs: 0 }],
  ])('%j is understood', (text, when) => expect(parseWhen(text)).toEqual(when));

  test.each([
    ['', '"" is no condition: cpu_throttled, memory_pressure, p99>DURATION, errors>PERCENT or level>=DEGRADED'],
    ['p99>1s|', '"" is no condition'],
    ['p99', '"p99" has no limit: write "p99>1200ms"'],
    ['p99>1200', '"p99>1200" has no limit'],
    ['p99>0s', '"p99>0s" has no limit'],
    ['errors', '"errors" needs a limit'],
    ['errors>5', '"errors>5" has no limit that it could have: write errors>5%'],
    ['errors>100%', '"errors>100%" has no limit that it could have'],
    ['memory_pressure>-1%', 'has no limit that it could have'],
    ['level>=OK', '"level>=OK" is no condition'],
    ['p95>1s', '"p95>1s" is no condition'],
    ['toString', '"toString" is no condition'],
    ['p99>1s for ever', '"for ever" is no time'],
    ['p99>1s for 25h', '"for 25h" is no time'],
    ['for 30s', '"for 30s" is no condition'],
    [Array(9).fill('p99>1s').join('|'), 'it has 9 conditions: at most 8'],
  ])('%j is refused with what is wrong', (text, said) => expect(parseWhen(text)).toContain(said));

  const NOTHING: Sample = { cpuThrottled: null, memoryPressure: null, errors: null, p99Ms: null, level: 'OK' };
  test.each([
    [{ cpuThrottled: 0.31 }, 'the CPU quota ran out in 31 %, more than 25 %'],
    [{ cpuThrottled: 0.25 }, null],
    [{ memoryPressure: 0.113 }, 'memory was waited for in 11.3 %, more than 10 %'],
    [{ errors: 0.06 }, 'the answers of 5xx are 6 %, more than 5 %'],
    [{ p99Ms: 1_350.4 }, 'p99 is 1s350ms, more than 1s200ms'],
    [{ p99Ms: 1_200 }, null],
    [{ level: 'UNHEALTHY' as const }, 'the service is UNHEALTHY'],
    [{ level: 'OK' as const }, null],
    [{}, null],
  ])('of %j it says %j', (sample, reason) => {
    const when = parseWhen('cpu_throttled|memory_pressure|errors>5%|p99>1200ms|level>=DEGRADED') as When;
    expect(reasonOf(when, { ...NOTHING, ...sample })).toBe(reason);
  });
});

describe('readings', () => {
  const counts = (ms: Readonly<Record<number, number>>) => {
    const latency = noLatency();
    for (const [at, count] of Object.entries(ms)) latency[bucketOf(Number(at))] = count;
    return latency;
  };
  const reading = (atMs: number, workers: Reading['workers'], more: Partial<Reading> = {}): Reading => ({
    atMs,
    workers,
    cpu: new Map(),
    memoryPressure: null,
    level: 'OK',
    ...more,
  });

  test('are compared over the window, and a new worker counts from nothing', () => {
    const first = reading(0, new Map([[1, { errors: 100, latency: counts({ 1: 1_000 }) }]]));
    const last = reading(
      WINDOW_MS,
      new Map([
        [1, { errors: 101, latency: counts({ 1: 1_050 }) }],
        [2, { errors: 4, latency: counts({ 1: 45, 2000: 5 }) }],
      ]),
    );
    const sample = sampleOf([first, last])!;
    expect(sample.errors).toBeCloseTo(0.05);
    expect(sample.p99Ms).toBeGreaterThan(1_700);
    expect(sample.p99Ms).toBeLessThan(2_250);
  });

  test('in which nothing was answered say nothing of it', () => {
    const same = new Map([[1, { errors: 5, latency: counts({ 5000: 9 }) }]]);
    expect(sampleOf([reading(0, same), reading(1_000, same)])).toMatchObject({ errors: null, p99Ms: null });
    expect(sampleOf([reading(0, same)])).toBe(null);
    expect(sampleOf([])).toBe(null);
  });

  test('count the periods of every group, and the worst counts', () => {
    const at = (own: number, above: number) =>
      new Map([
        ['/shop.service', { periods: 10 + own, throttled: own / 2 }],
        ['/system.slice', { periods: 7 + above, throttled: 0 }],
      ]);
    const [first, last] = [reading(0, new Map(), { cpu: at(0, 0) }), reading(1_000, new Map(), { cpu: at(10, 10) })];
    expect(sampleOf([first, last])).toMatchObject({ cpuThrottled: 0.5 });
    expect(sampleOf([first, { ...first, atMs: 1_000 }])).toMatchObject({ cpuThrottled: null });
  });

  test('are kept for the window and no longer, however many there are', () => {
    const all = Array.from({ length: 20 }, (_, second) => reading(second * 1_000, new Map()));
    const kept = keep(all, 19_000);
    expect(kept.map(({ atMs }) => atMs)).toEqual([14_000, 15_000, 16_000, 17_000, 18_000, 19_000]);
    expect(keep(kept.slice(-1), 19_000)).toHaveLength(1);
  });
});

describe('a rule', () => {
  /** Each character is a second: `x` holds, `.` does not. What comes out is what has changed in it: `F` fired, `O` over. */
  const play = (forMs: number, seconds: string) => {
    let at: Pick<RuleRecord, 'state' | 'sinceMs'> = { state: 'quiet', sinceMs: 0 };
    return [...seconds]
      .map((one, second) => {
        const { change, ...next } = step(at, one === 'x', second * 1_000, forMs);
        at = next;
        return change === 'fired' ? 'F' : change === 'over' ? 'O' : '-';
      })
      .join('');
  };

  test.each([
    ['fires when it has held for as long as it says', 3_000, 'xxxx.', '---F-'],
    ['begins anew when it ceases', 3_000, 'xx.xxxx', '------F'],
    ['is over when it has not held for as long', 3_000, 'xxxx....', '---F---O'],
    ['goes on when it holds again', 3_000, 'xxxx..x.xx...', '---F---------'],
    ['may fire again', 1_000, 'xx..xx..', '-F-O-F-O'],
    ['without a time changes at once', 0, '.x..x.', '-FO-FO'],
    ['says each change once', 0, 'xxxxx', 'F----'],
  ])('%s', (_, forMs, seconds, changes) => expect(play(forMs, seconds)).toBe(changes));

  const record = (when: string, state: RuleRecord['state'], weight = 20): RuleRecord => ({
    when,
    state,
    sinceMs: 5,
    weight,
    due: null,
  });

  test('of several that fire the lowest weight counts, also of one that may be over soon', () => {
    expect(weightOf([])).toBe(100);
    expect(weightOf([record('a', 'rising', 0), record('b', 'quiet', 0)])).toBe(100);
    expect(weightOf([record('a', 'firing', 50), record('b', 'falling', 20), record('c', 'firing', 100)])).toBe(20);
  });

  test('is where it was for the next supervisor, with the weight that its config says', () => {
    const rules = [
      { when: 'a', weight: 30 },
      { when: 'b', weight: 40 },
      { when: 'a', weight: 50 },
    ];
    const recorded = [
      record('gone', 'firing'),
      record('a', 'firing'),
      { ...record('a', 'rising'), due: 'run' as const },
    ];
    expect(carryOver(rules, recorded, 9)).toEqual([
      record('a', 'firing', 30),
      { ...record('b', 'quiet', 40), sinceMs: 9 },
      { ...record('a', 'rising', 50), due: 'run' },
    ]);
  });
});
