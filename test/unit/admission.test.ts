/** What speaks against a reload, and by how much: a table of cases, and what people are told. */
import { describe, expect, test } from 'vitest';
import { type AskedFor, type Now, type Rules, refusalOf } from '../../src/admission/admission.js';
import { frozen, WEEK_MS } from '../../src/admission/freeze.js';
import { type Figures, shortages } from '../../src/admission/room.js';
import { factsOf } from '../../src/admission/words.js';
import { BatondError } from '../../src/errors.js';
import { weekMs } from '../../src/process/week-time.js';

const MIB = 2 ** 20;
const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];
const at = (day: number, hours: number, minutes = 0) => day * DAY + hours * HOUR + minutes * MINUTE;

const size = (mebibytes: number, tasks = 11, files = 30) => ({ bytes: mebibytes * MIB, tasks, files });
const FIGURES: Figures = {
  slots: 2,
  workers: [size(180), size(200)],
  supervisor: size(32, 9, 40),
  memory: { amount: 412 * MIB, of: 'memory.max of shop.service' },
  tasks: { amount: 31, of: 'pids.max of shop.service' },
  descriptors: { amount: 20, of: 'RLIMIT_NOFILE, 64' },
  files: { amount: 100, of: 'fs.file-max of the machine' },
};

describe('room for two generations', () => {
  test('what just fits is admitted', () => expect(shortages(FIGURES)).toEqual([]));

  test.each([
    ['memory', { memory: { amount: 96 * MIB, of: 'x' } }, { needed: 412 * MIB, left: 96 * MIB }],
    ['tasks', { tasks: { amount: 30, of: 'x' } }, { needed: 31, left: 30 }],
    ['descriptors', { descriptors: { amount: 19, of: 'x' } }, { needed: 20, left: 19 }],
    ['files', { files: { amount: 0, of: 'x' } }, { needed: 100, left: 0 }],
  ] as const)('%s that is lacking is named, with what is needed and what is left', (resource, figures, numbers) => {
    expect(shortages({ ...FIGURES, ...figures })).toEqual([{ resource, of: 'x', ...numbers }]);
  });

  test('a worker that is being started again counts as much as those that run', () => {
    const one = { ...FIGURES, workers: [size(190), null] };
    expect(shortages({ ...one, memory: { amount: 411 * MIB, of: 'x' } })).toMatchObject([{ needed: 412 * MIB }]);
  });

  test.each([
    ['no limit is', { memory: null, tasks: null, descriptors: null, files: null }],
    ['the size of no worker is', { workers: [null], memory: { amount: 0, of: 'x' }, tasks: { amount: 0, of: 'x' } }],
    ['of no worker there is anything', { workers: [], memory: { amount: 0, of: 'x' } }],
    ['the size of the supervisor is not', { supervisor: null, memory: { amount: 380 * MIB, of: 'x' } }],
  ] as const)('where %s known, that does not speak against it', (_, figures) => {
    expect(shortages({ ...FIGURES, ...figures })).toEqual([]);
  });
});

describe('freeze windows', () => {
  const weekend = { from: 'Fri 18:00', to: 'Mon 06:00' };
  const nightly = { from: '22:00', to: '06:00' };
  const tuesday = { from: 'Tue 09:00', to: 'Tue 10:30' };

  test.each([
    ['before it begins', [weekend], at(4, 17, 59), null],
    ['as it begins', [weekend], at(4, 18), { leftMs: 60 * HOUR, until: 'Mon 06:00' }],
    ['over the end of the week', [weekend], at(0, 5, 59), { leftMs: MINUTE, until: 'Mon 06:00' }],
    ['as it ends', [weekend], at(0, 6), null],
    ['every night, in the evening', [nightly], at(2, 23), { leftMs: 7 * HOUR, until: 'Thu 06:00' }],
    ['every night, in the morning', [nightly], at(3, 1), { leftMs: 5 * HOUR, until: 'Thu 06:00' }],
    ['every night, on the first', [nightly], at(0, 0), { leftMs: 6 * HOUR, until: 'Mon 06:00' }],
    ['at noon', [nightly], at(3, 12), null],
    ['within a day', [tuesday], at(1, 10), { leftMs: HOUR / 2, until: 'Tue 10:30' }],
    ['where one ends in another', [nightly, weekend], at(4, 17), null],
    ['until the last of them ends', [weekend, nightly], at(6, 23), { leftMs: 7 * HOUR, until: 'Mon 06:00' }],
    ['from one into the next', [{ from: 'Mon 06:00', to: 'Mon 07:00' }, weekend], at(6, 6), { leftMs: 25 * HOUR }],
  ] as const)('%s', (_, windows, now, expected) => {
    const found = frozen(windows, now);
    if (expected === null) expect(found).toBe(null);
    else expect(found).toMatchObject(expected);
  });

  test('windows that never end are told as a week', () => {
    const always = [
      { from: '00:00', to: '12:00' },
      { from: '12:00', to: '00:00' },
    ];
    expect(frozen(always, at(3, 3))).toMatchObject({ leftMs: WEEK_MS });
  });

  test('the time of the week is that of the wall', () => {
    // The first day of 2024 was a Monday.
    expect(weekMs(new Date(2024, 0, 1, 0, 0))).toBe(0);
    expect(weekMs(new Date(2024, 0, 7, 23, 59, 59, 999))).toBe(WEEK_MS - 1);
    expect(weekMs(new Date(2024, 0, 5, 18, 0))).toBe(at(4, 18));
  });
});

describe('what speaks against', () => {
  const RULES: Rules = { freeze: [{ from: 'Fri 18:00', to: 'Mon 06:00' }], minIntervalMs: 60_000, state: true };
  const full = { ...FIGURES, memory: { amount: 96 * MIB, of: 'memory.max of shop.service' } };
  const NOW: Now = { weekMs: () => at(2, 12), sinceCommitMs: 61_000, level: 'DEGRADED', figures: () => FIGURES };
  const cases: [string, AskedFor, Partial<Rules>, Partial<Now>, string | null, number][] = [
    ['nothing', 'reload', {}, {}, null, 0],
    ['a freeze window', 'reload', {}, { weekMs: () => at(5, 6) }, 'FROZEN', 48 * HOUR],
    ['a freeze window for the watch', 'watch', {}, { weekMs: () => at(5, 6) }, 'FROZEN', 48 * HOUR],
    ['no freeze window for a rollback', 'rollback', {}, { weekMs: () => at(5, 6) }, null, 0],
    ['the interval', 'reload', {}, { sinceCommitMs: 12_000 }, 'TOO_SOON', 48_000],
    ['no interval for a rollback', 'rollback', {}, { sinceCommitMs: 12_000 }, null, 0],
    ['no interval where nothing was committed', 'reload', {}, { sinceCommitMs: null }, null, 0],
    ['no interval where none is set', 'reload', { minIntervalMs: 0 }, { sinceCommitMs: 0 }, null, 0],
    ['that it is UNHEALTHY', 'reload', {}, { level: 'UNHEALTHY', sinceCommitMs: 0 }, 'UNHEALTHY', 30_000],
    ['no level for a rollback', 'rollback', {}, { level: 'UNHEALTHY' }, null, 0],
    ['the room', 'reload', {}, { figures: () => full }, 'NO_ROOM', 30_000],
    ['the room for a rollback', 'rollback', {}, { figures: () => full }, 'NO_ROOM', 30_000],
    ['no room where that is off', 'reload', { state: false }, { figures: () => full, level: 'UNHEALTHY' }, null, 0],
    ['what ends last, of all', 'watch', {}, { weekMs: () => at(5, 6), sinceCommitMs: 0 }, 'FROZEN', 48 * HOUR],
  ];
  test.each(cases)('%s', (_, asked, rules, now, code, retryAfterMs) => {
    const refusal = refusalOf(asked, { ...RULES, ...rules }, { ...NOW, ...now });
    if (code === null) expect(refusal).toBe(null);
    else expect(refusal).toMatchObject({ code, retryAfterMs });
  });

  const told = (rules: Partial<Rules>, now: Partial<Now>) => {
    const refusal = refusalOf('reload', { ...RULES, ...rules }, { ...NOW, ...now })!;
    const facts = factsOf(refusal);
    return [new BatondError(refusal.code, facts).message, facts.retryAfterSeconds];
  };

  test('is told with its numbers', () => {
    expect(told({}, { figures: () => full })).toEqual([
      'there is no room for a second generation: for 2 workers and the next supervisor it needs 412 MiB and has 96 MiB ' +
        '(memory.max of shop.service): 316 MiB are lacking; --force tries all the same',
      30,
    ]);
    const few = { ...full, slots: 1, workers: [size(190)], tasks: { amount: 3, of: 'pids.max of shop.service' } };
    expect(told({}, { figures: () => few })[0]).toContain(
      'for 1 worker and the next supervisor it needs 222 MiB and has 96 MiB (memory.max of shop.service): 126 MiB are ' +
        'lacking; it needs 20 tasks and has 3 tasks (pids.max of shop.service): 17 tasks are lacking;',
    );
    expect(told({}, { weekMs: () => at(5, 6) })).toEqual([
      'upgrade.freeze allows no reload from Fri 18:00 to Mon 06:00: try again at Mon 06:00, or with --force',
      48 * 3_600,
    ]);
    expect(told({}, { sinceCommitMs: 12_345 })).toEqual([
      'the last generation was committed 12s ago and upgrade.min_interval is 1m: try again in 48 s, or with --force',
      48,
    ]);
  });

  test('is never told as nothing', () => {
    const hair = { ...FIGURES, memory: { amount: 412 * MIB - 1, of: 'x' } };
    expect(told({}, { figures: () => hair })[0]).toContain(': 1 KiB are lacking');
    expect(told({}, { sinceCommitMs: 59_999.9 })).toEqual([expect.stringContaining('try again in 1 s'), 1]);
  });
});
