/** What is asked for in our words, as journalctl understands it. */
import { describe, expect, test } from 'vitest';
import { logsQuery, shellText, startsOf, startsQuery, type Wanted } from '../../src/systemd/journal-query.js';

const unit = { scope: 'system', unit: 'shop.service' } as const;
const plain = {
  priority: null,
  since: null,
  until: null,
  grep: null,
  lines: null,
  follow: false,
  explain: false,
  json: false,
};
const all: Wanted = { generations: null, slot: null, worker: null, event: null, fields: [] };
const query = (wanted: Partial<Wanted>, workers: { pid: number; boot: string | null }[] = []) =>
  logsQuery(unit, { ...all, ...wanted }, plain, workers)
    .slice(1)
    .join(' ');

describe('a query', () => {
  test('of everything is one of the unit', () => {
    expect(logsQuery(unit, all, plain, [])).toEqual(['--unit=shop.service']);
    expect(logsQuery({ ...unit, scope: 'user' }, all, plain, [])).toEqual(['--user', '--unit=shop.service']);
  });

  test('of a generation is of its fields, and of its workers by their pids in each boot', () => {
    const workers = [
      { pid: 8, boot: 'a' },
      { pid: 9, boot: 'a' },
      { pid: 9, boot: 'b' },
      { pid: 10, boot: null },
    ];
    expect(query({ generations: [7] }, workers)).toBe(
      'BATOND_GENERATION=7 + _BOOT_ID=a _PID=8 _PID=9 + _BOOT_ID=b _PID=9 + _PID=10',
    );
  });

  test('of a slot in several generations, with a field that has to be there in each', () => {
    expect(query({ generations: [6, 7], slot: 1, fields: ['_TRANSPORT=stdout'] }, [{ pid: 8, boot: 'a' }])).toBe(
      'BATOND_GENERATION=6 BATOND_GENERATION=7 BATOND_SLOT=1 _TRANSPORT=stdout + _BOOT_ID=a _PID=8 _TRANSPORT=stdout',
    );
  });

  test('of an event has none of what workers print', () => {
    expect(query({ generations: [7], event: 'crash' }, [{ pid: 8, boot: 'a' }])).toBe(
      'BATOND_GENERATION=7 BATOND_EVENT=crash',
    );
    expect(query({ worker: 8, event: 'crash' })).toBe('BATOND_PID=8 BATOND_EVENT=crash');
  });

  test('of a worker is of what it says and of what is said of it', () => {
    expect(query({ worker: 8 })).toBe('BATOND_PID=8 + _PID=8 + BATOND_WORKER_PID=8');
    expect(query({ worker: 8, generations: [7] }, [{ pid: 9, boot: 'a' }])).toBe(
      'BATOND_GENERATION=7 BATOND_PID=8 + _PID=8 + BATOND_WORKER_PID=8',
    );
  });

  test('is shown as it was asked to be', () => {
    const shown = { ...plain, priority: 'warning', since: '-1h', lines: '5', follow: true, explain: true, json: true };
    expect(logsQuery(unit, all, shown, []).slice(1)).toEqual([
      '--priority=warning',
      '--since=-1h',
      '--lines=5',
      '--follow',
      '--catalog',
      '--output=json',
    ]);
  });
});

test('the workers that were started are asked for, and read', () => {
  expect(startsQuery(unit, { ...all, generations: [7], slot: 0 }).slice(-3)).toEqual([
    'BATOND_EVENT=worker-started',
    'BATOND_GENERATION=7',
    'BATOND_SLOT=0',
  ]);
  const entries = [{ BATOND_PID: '12', _BOOT_ID: 'a' }, { _BOOT_ID: 'a' }, { BATOND_PID: 'x', _BOOT_ID: 'a' }];
  const output = [...entries.map((entry) => JSON.stringify(entry)), 'not json', ''].join('\n');
  expect(startsOf(output)).toEqual([{ pid: 12, boot: 'a' }]);
});

test('a command can be typed into a shell', () => {
  expect(shellText(['journalctl', '--unit=shop.service', '--grep=a b', `--grep=it's`, '_PID=1'])).toBe(
    `journalctl --unit=shop.service '--grep=a b' '--grep=it'\\''s' _PID=1`,
  );
});
