/** Who is asked for state, in which order, and what becomes of answers that come late, wrong or never. */
import { ftruncateSync, readdirSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Otherwise } from '../../src/channel/messages.js';
import { Generation } from '../../src/inventory/generation.js';
import type { StateReport } from '../../src/inventory/report.js';
import type { Phase, Worker } from '../../src/inventory/worker.js';
import type { Log } from '../../src/log.js';
import { type Fd, native } from '../../src/native.js';
import { StateTransfer } from '../../src/supervisor/state-transfer.js';

const MAX = 10_000;
const TIMEOUT_MS = 5_000;
const descriptors = () => readdirSync('/proc/self/fd').length;

let said: string[] = [];
let report: StateReport | null = null;
let transfer: StateTransfer;
let before = 0;

beforeEach(() => {
  vi.useFakeTimers();
  said = [];
  report = null;
  before = descriptors();
});
afterEach(() => {
  transfer[Symbol.dispose]();
  vi.useRealTimers();
  expect(descriptors()).toBe(before);
});

interface Options {
  readonly saves?: boolean;
  readonly restores?: Otherwise | null;
  readonly phase?: Phase;
}

function worker(
  generation: number,
  slot: number,
  { saves = true, restores = 'rollback', phase = 'open' }: Options,
): Worker {
  const id = `g${generation}s${slot}`;
  return {
    id,
    generation,
    slot,
    phase,
    state: { saves, restores },
    save: (to: number) => said.push(`${id} save for ${to}`),
    restore: (from: Pick<Worker, 'slot' | 'generation'>, slots: number) =>
      said.push(`${id} restore g${from.generation}s${from.slot} of ${slots}`),
  } as unknown as Worker;
}

/** Its main program has so many workers; `queue` is how many a core process of that name has. */
function generation(number: number, main: number, queue: number, options: Options): Generation {
  const run = { kind: 'command', program: '/bin/true', args: [], env: {} } as const;
  const beside = { ...run, name: 'queue', tier: 'core', ready: 'notify', workers: queue } as const;
  const processes = queue === 0 ? {} : { processes: [beside] };
  const slots = main + queue;
  const made = new Generation({
    number,
    role: 'incumbent',
    release: { ...run, ...processes, label: 'r1', directory: '/', resolvedAt: 0 },
    ready: 'notify',
    slots,
    committedAtMs: null,
    drainUntilMs: null,
    claims: [],
    crashes: [],
    workers: [],
  });
  for (let slot = slots - 1; slot >= 0; slot--) made.workers.set(slot, worker(number, slot, options));
  return made;
}

interface Start {
  readonly from?: number;
  readonly to?: number;
  /** Workers of the process `queue`: of the one that gives, and of the one that takes. */
  readonly queue?: readonly [number, number];
  readonly giving?: Options;
  readonly taking?: Options;
  readonly lenient?: boolean;
}

function begin({ from = 1, to = 1, queue = [0, 0], giving = {}, taking = {}, lenient = false }: Start = {}) {
  const incumbent = generation(1, from, queue[0], giving);
  const candidate = generation(2, to, queue[1], { phase: 'trusted', ...taking });
  transfer = new StateTransfer({
    from: incumbent,
    to: candidate,
    maxBytes: MAX,
    timeoutMs: TIMEOUT_MS,
    lenient,
    log: { warn: (_fields: object, text: string) => said.push(`warn ${text}`) } as unknown as Log,
    step: () => {},
    moved: (facts) => {
      report = facts;
    },
    done: () => said.push('done'),
    failed: (event, { code, message }) => said.push(`${event} ${code}: ${message}`),
  });
  transfer.begin();
  return {
    giver: (slot = 0) => incumbent.workers.get(slot)!,
    taker: (slot = 0) => candidate.workers.get(slot)!,
    saved: (slot = 0, fd: Fd | null = sealed(), to = 2) =>
      transfer.answered(incumbent.workers.get(slot)!, { type: 'saved', to, bytes: 1, ms: 5 }, fd),
    restored: (slot: number, from: number) =>
      transfer.answered(candidate.workers.get(slot)!, { type: 'restored', from, ms: 7 }, null),
  };
}

function file(bytes = 100): Fd {
  const fd = native().memfdCreate('state');
  writeSync(fd, 'x');
  ftruncateSync(fd, bytes);
  return fd;
}

function sealed(bytes = 100): Fd {
  const fd = file(bytes);
  native().memfdSeal(fd);
  return fd;
}

test('state goes to the workers of the same process, by their places in it', () => {
  const { saved, restored } = begin({ from: 1, to: 2, queue: [2, 1] });
  saved(0);
  restored(0, 0);
  saved(1);
  restored(2, 0);
  saved(2);
  restored(2, 1);
  expect(said).toEqual([
    'g1s0 save for 2',
    'g2s0 restore g1s0 of 1',
    'g1s1 save for 2',
    'g2s2 restore g1s0 of 2',
    'g1s2 save for 2',
    'g2s2 restore g1s1 of 2',
    'done',
  ]);
});

describe('nobody is asked', () => {
  test.each<[string, Start]>([
    ['where no incumbent saves', { giving: { saves: false } }],
    ['where no candidate restores', { taking: { restores: null } }],
    ['that is just starting again after a crash', { giving: { phase: 'booting' } }],
  ])('%s', (_what, start) => {
    begin(start);
    expect(said).toEqual(['done']);
    expect(report).toBe(null);
  });
});

test('incumbents save one after the other, and candidates restore meanwhile', () => {
  const { saved, restored } = begin({ from: 3, to: 2 });
  expect(said.splice(0)).toEqual(['g1s0 save for 2']);
  saved(0);
  expect(said.splice(0)).toEqual(['g2s0 restore g1s0 of 3', 'g1s1 save for 2']);
  saved(1);
  restored(1, 1);
  saved(2);
  expect(said.splice(0)).toEqual(['g2s1 restore g1s1 of 3', 'g1s2 save for 2', 'g2s0 restore g1s2 of 3']);
  restored(0, 0);
  expect(said).toEqual([]);
  restored(0, 2);
  expect(said).toEqual(['done']);
  expect(report).toEqual({ bytes: 300, workers: 3, saveMs: 15, restoreMs: 14, lost: 0 });
});

test('one that has nothing to give is passed over', () => {
  const { saved } = begin();
  saved(0, null);
  expect(said).toEqual(['g1s0 save for 2', 'done']);
});

test("answers of an earlier roll, of others, and after the end are nobody's", () => {
  const { saved, restored, taker } = begin({ from: 2 });
  saved(0, sealed(), 1);
  saved(1);
  restored(0, 0);
  transfer.answered(taker(), { type: 'saved', to: 2, bytes: 1, ms: 1 }, sealed());
  expect(said).toEqual(['g1s0 save for 2']);
  transfer[Symbol.dispose]();
  saved(0);
  expect(said).toEqual(['g1s0 save for 2']);
});

describe('a state counts as not saved', () => {
  test.each<[string, () => Fd, string]>([
    ['that is not sealed', () => file(), 'what it passed is not sealed'],
    [
      'in a file of another kind',
      () =>
        native()
          .socketpair('stream')
          .map((fd, n) => (n === 0 ? native().close(fd) : fd))[1] as Fd,
      'is not sealed',
    ],
    ['that is larger than was said', () => sealed(MAX + 1), 'larger than upgrade.state_max'],
  ])('%s', (_what, make, reason) => {
    begin().saved(0, make());
    expect(said.at(-1)).toContain('stateLost STATE_NOT_SAVED: worker g1s0 did not save its state: ');
    expect(said.at(-1)).toContain(reason);
  });

  test('whose worker ends, whether it was asked or not', () => {
    const { giver, restored } = begin({ from: 3, taking: { restores: 'empty' } });
    transfer.gone(giver(2));
    transfer.gone(giver(0));
    expect(said.filter((line) => line.startsWith('warn'))).toHaveLength(2);
    transfer.answered(giver(1), { type: 'saved', to: 2, bytes: 1, ms: 1 }, sealed());
    restored(0, 1);
    expect(said.at(-1)).toBe('done');
    expect(report).toMatchObject({ workers: 1, lost: 2 });
  });

  test('whose worker ends after it has saved, not at all', () => {
    const { giver, saved, restored } = begin();
    saved();
    transfer.gone(giver());
    restored(0, 0);
    expect(said.at(-1)).toBe('done');
  });

  test('that did not come in time, and the next one is asked with time of its own', () => {
    const { saved, restored } = begin({ from: 2, taking: { restores: 'empty' } });
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect(said.at(-1)).toBe('g1s1 save for 2');
    vi.advanceTimersByTime(TIMEOUT_MS - 1);
    saved(1);
    restored(0, 1);
    expect(said.at(-1)).toBe('done');
  });
});

test('one that is too large says how large, and how large it may be', () => {
  const { giver } = begin();
  transfer.answered(giver(), { type: 'unsaved', to: 2, tooLargeBytes: 11_000, reason: '' }, null);
  expect(said.at(-1)).toBe(
    'stateLost STATE_TOO_LARGE: the state of worker g1s0 is too large: 11 KiB or more, upgrade.state_max is 10 KiB',
  );
});

test('a candidate that does not restore in time fails, whatever it said', () => {
  begin({ taking: { restores: 'empty' } }).saved();
  vi.advanceTimersByTime(TIMEOUT_MS);
  expect(said.at(-1)).toMatch(/^timedOut STATE_NOT_RESTORED: .* no answer within 5 s \(upgrade.ready_timeout\)$/);
});

test('a return to the last good release goes on without what cannot be had', () => {
  const { taker, saved } = begin({ lenient: true });
  saved();
  transfer.answered(taker(), { type: 'unrestored', from: 0, reason: 'Error: no' }, null);
  expect(said.slice(-2)).toEqual([
    'warn worker g2s0 did not restore the state of g1s0: Error: no; worker g2s0 begins without it',
    'done',
  ]);
});
