/** What an old generation had left, and what grows from one to the next. */
import { expect, test, vi } from 'vitest';
import type { Holdings } from '../../src/channel/messages.js';
import { type AgeRecord, grown } from '../../src/health/growth.js';
import type { Generation } from '../../src/inventory/generation.js';
import type { Inventory } from '../../src/inventory/inventory.js';
import { addRemained } from '../../src/inventory/remained.js';
import type { Phase, Worker } from '../../src/inventory/worker.js';
import type { Log } from '../../src/log.js';
import { monotonicMs } from '../../src/process/monotonic.js';
import { GrowthWatch } from '../../src/supervisor/growth-watch.js';
import { Remains } from '../../src/supervisor/remains.js';

const holdings = (resources: Record<string, number>, gauges = {}, listeners = {}): Holdings => ({
  resources,
  gauges,
  listeners,
});

test('only what did not go away is told, summed over the workers that have said both', () => {
  const one = addRemained(
    undefined,
    holdings({ TCPSocketWrap: 9, Timeout: 3 }, { pool: 4 }, { SIGTERM: 1 }),
    holdings({ Timeout: 2, Immediate: 1 }, { pool: 4 }, { SIGTERM: 1 }),
  );
  expect(one).toEqual({
    workers: 1,
    before: holdings({ Timeout: 3 }, { pool: 4 }),
    left: holdings({ Timeout: 2 }, { pool: 4 }),
  });
  const two = addRemained(one, holdings({ Timeout: 1, FSWatcher: 1 }), holdings({ FSWatcher: 1 }));
  expect(two).toMatchObject({
    workers: 2,
    before: { resources: { Timeout: 3, FSWatcher: 1 } },
    left: { resources: { Timeout: 2, FSWatcher: 1 } },
  });
});

test('the kinds that are told are few, the most frequent ones', () => {
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`Kind${n}`, n + 1]));
  const { before, left } = addRemained(undefined, holdings(many), holdings(many));
  expect(Object.keys(left.resources)).toHaveLength(16);
  expect(left.resources.Kind39).toBe(40);
  expect(Object.keys(before.resources).sort()).toEqual(Object.keys(left.resources).sort());
});

const ages = (kind: string, ...counts: number[]): AgeRecord[] =>
  counts.map((count, index) => ({ generation: index + 1, workers: 2, counts: { [kind]: count } }));

test.each<[why: string, ages: AgeRecord[], kinds: string[]]>([
  ['three rises in a row', ages('Timeout', 4, 5, 6, 8), ['Timeout']],
  ['a rise from nothing', ages('cache', 0, 1, 2, 3), ['cache']],
  ['only the last four count', ages('Timeout', 9, 1, 2, 3, 4), ['Timeout']],
  ['too few generations', ages('Timeout', 1, 2, 4), []],
  ['one that did not rise', ages('Timeout', 4, 8, 8, 16), []],
  ['a rise that is none to speak of', ages('Timeout', 100, 101, 102, 103), []],
  ['what the clients decide', ages('TCPSocketWrap', 1, 2, 4, 8), []],
  [
    'another number of workers',
    ages('Timeout', 4, 5, 6, 8).map((age, index) => (index === 1 ? { ...age, workers: 3 } : age)),
    [],
  ],
])('%s', (_, found, kinds) => {
  expect(grown(found).map(({ kind }) => kind)).toEqual(kinds);
});

/** A worker of a generation that has served, and its answers. */
function drained(answers: (Holdings | null)[]) {
  const worker = { phase: 'open' as Phase, hasChannel: true, holdings: async () => answers.shift() ?? null };
  const found: Holdings[][] = [];
  let release!: () => void;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let stopping = false;
  const remains = new Remains({
    stopping: () => stopping,
    release: () => release(),
    found: (_worker, ...both) => found.push(both),
  });
  remains.begun({ workers: new Map([[0, worker]]), committedAtMs: 1 } as unknown as Generation);
  const holds = () => remains.holds(worker as unknown as Worker);
  const stop = () => {
    stopping = true;
  };
  return { worker, remains, found, released, holds, stop };
}

test('a worker is asked again when it has drained, and then let go, whatever it says', async () => {
  const [before, left] = [holdings({ Timeout: 2 }), holdings({ Timeout: 1 })];
  const answers = drained([before, left]);
  expect(answers.holds()).toBe(false);
  answers.worker.phase = 'drained';
  expect([answers.holds(), answers.holds()]).toEqual([true, true]);
  await answers.released;
  expect(answers.found).toEqual([[before, left]]);
  expect(answers.holds()).toBe(false);

  const silent = drained([before]);
  silent.worker.phase = 'drained';
  silent.holds();
  await silent.released;
  expect(silent.found).toEqual([]);
});

test('neither a stop nor a takeover waits for that', async () => {
  const stopped = drained([holdings({}), holdings({})]);
  stopped.worker.phase = 'drained';
  stopped.stop();
  expect(stopped.holds()).toBe(false);

  const frozen = drained([holdings({}), holdings({})]);
  frozen.worker.phase = 'drained';
  expect(frozen.holds()).toBe(true);
  frozen.remains.freeze();
  expect(frozen.holds()).toBe(false);
});

const MINUTE_MS = 60_000;

/** A generation that was committed so long ago, with one worker. */
function generation(number: number, ageMs: number, answer: Holdings | null): Generation {
  const workers = new Map([[0, { hasChannel: true, holdings: async () => answer }]]);
  const committedAtMs = monotonicMs() - ageMs;
  return { number, role: 'incumbent', slots: 1, committedAtMs, workers } as unknown as Generation;
}

function watching(ages: readonly AgeRecord[] = []) {
  const warnings: { event: string; kind: string; counts: number[] }[] = [];
  const inventory: { incumbent: Generation | null } = { incumbent: null };
  const log = { warn: (fields: (typeof warnings)[number]) => warnings.push(fields) } as unknown as Log;
  const watch = new GrowthWatch({ inventory: inventory as unknown as Inventory, log });
  watch.restore(ages);
  const serve = (incumbent: Generation) => {
    inventory.incumbent = incumbent;
    watch.activate();
  };
  return { watch, warnings, serve };
}

test('the fourth generation in which a kind has grown is said, with what was handed over of those before', async () => {
  const { watch, warnings, serve } = watching(ages('Timeout', 1, 2, 3).map((age) => ({ ...age, workers: 1 })));
  serve(generation(4, MINUTE_MS, holdings({ Timeout: 5, TCPSocketWrap: 90 })));
  await vi.waitFor(() => expect(watch.record).toHaveLength(4));
  expect(warnings).toMatchObject([{ event: 'leak', kind: 'Timeout', counts: [1, 2, 3, 5] }]);
});

test('a generation is asked once, and not where it is older, replaced or silent', async () => {
  const { watch, serve } = watching();
  serve(generation(1, 2 * MINUTE_MS, holdings({ Timeout: 1 })));
  const replaced = generation(2, MINUTE_MS, holdings({ Timeout: 1 }));
  serve(replaced);
  replaced.role = 'draining';
  serve(generation(3, MINUTE_MS, null));
  serve(generation(4, MINUTE_MS, holdings({ Timeout: 1 })));
  await vi.waitFor(() => expect(watch.record).toHaveLength(1));
  watch.activate();
  watch.freeze();
  expect(watch.record).toEqual([{ generation: 4, workers: 1, counts: { Timeout: 1 } }]);
});
