/** What metrics keep and how they are written: no counter jumps back, whoever ends when. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Measures } from '../../src/channel/messages.js';
import { bucketOf, LATENCY_BOUNDS_MS, noLatency, total } from '../../src/health/latency.js';
import { bucketName, type Counts, countsOf, countsOfLength, DURATION_BOUNDS } from '../../src/metrics/counts.js';
import { expose, formatFor } from '../../src/metrics/exposition.js';
import { METRIC_NAMES, Sheet } from '../../src/metrics/families.js';
import { Ledger, type LedgerRecord, type Living } from '../../src/metrics/ledger.js';
import { Metrics } from '../../src/supervisor/metrics.js';

function measures(requests: number, latency: readonly number[] = noLatency()): Measures {
  return {
    requests,
    inFlight: 0,
    connections: 0,
    accepted: 0,
    rssBytes: 0,
    heapUsedBytes: 0,
    utilization: 0,
    errors: 0,
    aborted: 0,
    latency,
    loop: { activeMs: 0, idleMs: 0 },
    delay: null,
    detail: null,
  };
}

describe('the buckets of metrics', () => {
  test('have every answer in the right one, and a sum that is nearly right', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.2, max: 90_000, noNaN: true }), { minLength: 1 }), (answers) => {
        const latency = noLatency();
        for (const ms of answers) latency[bucketOf(ms)] = (latency[bucketOf(ms)] as number) + 1;
        const counts = countsOf(measures(answers.length, latency));
        let below = 0;
        for (const bound of DURATION_BOUNDS) {
          below += counts[bucketName('duration', bound)] ?? 0;
          // A bound of metrics is one of the worker's, rounded to four digits as those are.
          const exact = LATENCY_BOUNDS_MS.filter((ms) => ms / 1_000 <= bound * 1.0001).at(-1)!;
          expect(below).toBe(answers.filter((ms) => ms <= exact).length);
        }
        expect(below + (counts[bucketName('duration', Number.POSITIVE_INFINITY)] ?? 0)).toBe(total(latency));
        const seconds = answers.reduce((sum, ms) => sum + ms / 1_000, 0);
        expect(Math.abs(counts.duration! - seconds)).toBeLessThanOrEqual(seconds * 0.065);
      }),
    );
  });
});

/** A worker, and what of it a supervisor has heard. */
interface One {
  readonly slot: number;
  requests: number;
  heard: number | null;
}

type Step =
  | { readonly do: 'work'; readonly who: number; readonly times: number }
  | { readonly do: 'hear' | 'end' | 'kill'; readonly who: number }
  | { readonly do: 'start' | 'tell' | 'takeOver' }
  | { readonly do: 'die'; readonly killed: readonly number[] };

const who = fc.nat(5);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('work' as const), who, times: fc.integer({ min: 1, max: 9 }) }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('hear' as const, 'end' as const, 'kill' as const), who }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constantFrom('start' as const, 'tell' as const, 'takeOver' as const) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), killed: fc.array(who, { maxLength: 2 }) }) },
  ),
  { maxLength: 60 },
);

class World {
  ledger = new Ledger(null);
  readonly workers: One[] = [{ slot: 0, requests: 0, heard: null }];
  /** What is in the file: what the next supervisor would begin with. */
  #onRecord: LedgerRecord | null = null;
  #slots = 1;
  told = 0;
  /** Of workers that were killed before anybody had heard of it. */
  lost = 0;
  readonly #ended: One[] = [];

  get living(): Living[] {
    return this.workers.map(({ heard }) => ({
      process: 'main',
      counts: heard === null ? null : { requests: heard },
      answers: true,
    }));
  }

  get done(): number {
    return [...this.workers, ...this.#ended].reduce((sum, { requests }) => sum + requests, 0);
  }

  run(step: Step): void {
    const one = 'who' in step ? this.workers[step.who] : undefined;
    switch (step.do) {
      case 'work':
        if (one !== undefined) one.requests += step.times;
        break;
      case 'hear':
        if (one !== undefined) one.heard = one.requests;
        break;
      case 'end':
        if (one !== undefined) one.heard = one.requests;
        if (one !== undefined) this.#end(one);
        break;
      case 'kill':
        if (one !== undefined) this.#end(one);
        break;
      case 'start':
        this.workers.push({ slot: this.#slots++, requests: 0, heard: null });
        break;
      case 'tell':
        this.tell();
        break;
      case 'takeOver':
        this.tell();
        this.#begin();
        break;
      case 'die':
        for (const index of step.killed) {
          const [killed] = this.workers.splice(index, 1);
          if (killed === undefined) continue;
          this.#ended.push(killed);
          this.lost = Number.POSITIVE_INFINITY;
        }
        this.#begin();
    }
  }

  /** As a scrape does: on record first. */
  tell(): number {
    const told = this.ledger.totals(this.living).get('main')?.requests ?? 0;
    this.#onRecord = this.#record();
    return told;
  }

  #record(): LedgerRecord {
    return JSON.parse(JSON.stringify(this.ledger.record(new Set([1]))));
  }

  #begin(): void {
    this.ledger = new Ledger(this.#onRecord);
    for (const worker of this.workers) worker.heard = null;
  }

  #end(one: One): void {
    this.workers.splice(this.workers.indexOf(one), 1);
    this.#ended.push(one);
    this.lost += one.requests - (one.heard ?? 0);
    if (one.heard !== null) this.ledger.ended('main', 1, one.slot, { requests: one.heard });
  }
}

describe('the totals of a service', () => {
  test('never become less, and miss nothing of workers that were heard', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const world = new World();
        let told = 0;
        for (const step of all) {
          world.run(step);
          const now = world.tell();
          expect(now).toBeGreaterThanOrEqual(told);
          expect(now).toBeLessThanOrEqual(world.done);
          told = now;
        }
        for (const worker of world.workers) worker.heard = worker.requests;
        world.tell();
        if (world.lost === 0) expect(world.tell()).toBe(world.done);
      }),
      { numRuns: 500 },
    );
  });

  test('count once what a worker had said before its supervisor died, though it says it late', () => {
    const before = new Ledger(null);
    const said: Living[] = [
      { process: 'main', counts: { requests: 100 }, answers: true },
      { process: 'main', counts: { requests: 50 }, answers: true },
    ];
    before.totals(said);
    const after = new Ledger(before.record(new Set([1])));
    const slow: Living = { process: 'main', counts: null, answers: true };
    expect(after.totals([{ ...said[0]!, counts: { requests: 120 } }, slow]).get('main')).toEqual({ requests: 150 });
    expect(
      after.totals([
        { ...said[0]!, counts: { requests: 120 } },
        { ...slow, counts: { requests: 60 } },
      ]),
    ).toEqual(new Map([['main', { requests: 180 }]]));
  });

  test('keep what a worker had counted that died with its supervisor', () => {
    const before = new Ledger(null);
    before.totals([
      { process: 'main', counts: { requests: 100 }, answers: true },
      { process: 'main', counts: { requests: 50 }, answers: true },
    ]);
    const after = new Ledger(before.record(new Set([1])));
    const left: Living = { process: 'main', counts: { requests: 110 }, answers: true };
    expect(after.totals([left]).get('main')).toEqual({ requests: 150 });
    expect(after.totals([{ ...left, counts: { requests: 115 } }]).get('main')).toEqual({ requests: 155 });
  });
});

describe('a worker that ends when another supervisor comes', () => {
  const livingIn = (phase: string) => {
    const worker = { slot: 0, measured: null, hasChannel: true, phase };
    const generation = { workers: new Map([[0, worker]]), processOf: () => ({ name: 'main' }) };
    const situation = { inventory: { generations: new Map([[1, generation]]) } };
    return new Metrics(situation as never, {} as never, null).living;
  };

  test('is not counted twice: it is waited for until it says its last words', () => {
    const before = new Ledger(null);
    before.totals([{ process: 'main', counts: { requests: 100 }, answers: true }]);
    const after = new Ledger(before.record(new Set([1])));
    expect(after.totals(livingIn('stopping')).get('main')).toEqual({ requests: 100 });
    after.ended('main', 1, 0, { requests: 101 });
    expect(after.totals([]).get('main')).toEqual({ requests: 101 });
  });

  test('or that boots, and has counted nothing, is not waited for', () => {
    expect(livingIn('booting')).toEqual([{ process: 'main', counts: null, answers: false }]);
  });
});

describe('a record', () => {
  test('forgets the slots of generations that are gone, and no total', () => {
    const ledger = new Ledger(null);
    ledger.ended('main', 1, 0, { requests: 5 });
    ledger.ended('main', 2, 0, { requests: 7 });
    const { slots, past } = ledger.record(new Set([2]));
    expect(slots).toEqual({ '2.0': { requests: 7 } });
    expect(past).toEqual({ main: { requests: 12 } });
  });

  test('has a bound, beyond which all is counted together', () => {
    const ledger = new Ledger(null);
    for (let i = 0; i < 1_000; i++) {
      ledger.count('batond_reloads_total', { kind: 'reload', code: `CODE_${i}` });
      ledger.ended(`process ${i}`, 1, i % 256, { requests: 1 });
    }
    const { occurrences, past, slots } = ledger.record(new Set([1]));
    expect(occurrences).toHaveLength(257);
    expect(occurrences.at(-1)).toEqual({
      name: 'batond_reloads_total',
      labels: { kind: 'other', code: 'other' },
      counts: { times: 744 },
    });
    expect(Object.keys(past)).toHaveLength(65);
    expect(past.other).toEqual({ requests: 936 });
    expect(Object.keys(slots)).toHaveLength(256);
  });

  test('is gone on with', () => {
    const ledger = new Ledger(null);
    ledger.count('batond_reload_duration_seconds', {}, countsOfLength(0.5));
    const next = new Ledger(ledger.record(new Set()));
    next.count('batond_reload_duration_seconds', {}, countsOfLength(2));
    const [only] = [...next.occurrences];
    expect(only?.counts).toEqual({ length: 2.5, 'length.1': 1, 'length.3': 1 } satisfies Counts);
  });
});

describe('what Prometheus reads', () => {
  test.each([
    [undefined, 'text'],
    ['*/*', 'text'],
    ['text/plain;version=0.0.4', 'text'],
    ['application/openmetrics-text', 'openMetrics'],
    // Prometheus 2.42 and 3.
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'openMetrics',
    ],
    ['text/plain;version=0.0.4;q=0.9, application/openmetrics-text;version=1.0.0;q=0.4', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
  ])('%s is answered as %s', (accept, format) => {
    expect(formatFor(accept)).toBe(format);
  });

  test('is escaped, has the service on every line, and cumulative buckets', async () => {
    const sheet = new Sheet();
    sheet.add('batond_requests_total', { process: 'main' }, 7);
    sheet.add('batond_degrade_rule_firing', { rule: 'p99>"1"\\\n' }, true);
    sheet.add('batond_service_trust_ratio', {}, null);
    sheet.histogram(
      'batond_reload_duration_seconds',
      {},
      { length: 3.5, 'length.1': 2, 'length.3': 1 },
      'length',
      [1, 3],
    );
    const { text, type } = await expose(sheet.families, 'shop', 'text');
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines).toEqual([
      'batond_requests_total{process="main",service="shop"} 7',
      'batond_reload_duration_seconds_bucket{le="1",service="shop"} 2',
      'batond_reload_duration_seconds_bucket{le="3",service="shop"} 3',
      'batond_reload_duration_seconds_bucket{le="+Inf",service="shop"} 3',
      'batond_reload_duration_seconds_sum{service="shop"} 3.5',
      'batond_reload_duration_seconds_count{service="shop"} 3',
      'batond_degrade_rule_firing{rule="p99>\\"1\\"\\\\\\n",service="shop"} 1',
    ]);
    const open = await expose(sheet.families, 'shop', 'openMetrics');
    expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.text).toContain(
      '# TYPE batond_requests counter\nbatond_requests_total{process="main",service="shop"} 7\n',
    );
    expect(open.text.endsWith('# EOF\n')).toBe(true);
  });

  test('has names with a unit, and a counter ends with _total', () => {
    for (const name of METRIC_NAMES) expect(name).toMatch(/^batond_[a-z][a-z_]*[a-z]$/);
    const sheet = new Sheet();
    for (const name of METRIC_NAMES) sheet.add(name, {}, 1);
    for (const { name, type, help } of sheet.families) {
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(help, name).toMatch(/^\S.{10,}\.$/);
    }
  });
});
