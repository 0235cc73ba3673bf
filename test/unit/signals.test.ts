/** Signals of the supervisor: none is lost, whatever it is doing, and of each kind one waits at most. */
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { SignalDesk } from '../../src/supervisor/signal-desk.js';
import { type Doing, HEARD, type Heard, SIGNAL_ACTS } from '../../src/supervisor/signal-table.js';
import { RAISED_FOR_MS, Verbosity } from '../../src/supervisor/verbosity.js';

const log = pino({ level: 'silent' });

function desk(first: Doing) {
  const followed: [Heard, Doing][] = [];
  const passed: Heard[] = [];
  let doing = first;
  const acts = Object.fromEntries(HEARD.map((signal) => [signal, () => void followed.push([signal, doing])]));
  const host = {
    log,
    acts: acts as Record<Heard, () => void>,
    doing: () => doing,
    passOn: (signal: Heard) => void passed.push(signal),
  };
  const made = new SignalDesk(host);
  const become = (next: Doing) => {
    doing = next;
    made.review();
  };
  return { followed, passed, become, hear: (signal: Heard) => made.hear(signal) };
}

describe('a signal', () => {
  test('ends the service whatever is under way', () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
      for (const doing of ['idle', 'rolling', 'handing', 'stopping'] as const) {
        expect(SIGNAL_ACTS[signal][doing]).toBe('now');
      }
    }
  });

  test('goes to the supervisor that has taken over', () => {
    for (const signal of HEARD) expect(SIGNAL_ACTS[signal].yielding).toBe('passOn');
  });

  test('waits for the end of a reload, once, and a configuration is read before the next one begins', () => {
    const { followed, become, hear } = desk('rolling');
    for (const signal of ['SIGUSR2', 'SIGHUP', 'SIGUSR2', 'SIGUSR2', 'SIGHUP'] as const) hear(signal);
    expect(followed).toEqual([]);
    become('idle');
    expect(followed).toEqual([
      ['SIGHUP', 'idle'],
      ['SIGUSR2', 'idle'],
    ]);
    become('idle');
    expect(followed).toHaveLength(2);
  });

  test('that waits in a takeover is passed on, or followed where the takeover fails', () => {
    const taken = desk('handing');
    taken.hear('SIGHUP');
    taken.become('yielding');
    expect(taken.passed).toEqual(['SIGHUP']);
    const failed = desk('handing');
    failed.hear('SIGHUP');
    failed.become('idle');
    expect(failed.followed).toEqual([['SIGHUP', 'idle']]);
  });

  test('is never lost and never followed twice, in any order', () => {
    const step = fc.oneof(
      fc.constantFrom(...HEARD).map((signal) => ({ signal })),
      fc.constantFrom<Doing>('beginning', 'idle', 'rolling', 'handing').map((doing) => ({ doing })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { followed, become, hear } = desk('beginning');
        const due = new Set<Heard>();
        let doing: Doing = 'beginning';
        for (const one of steps) {
          const before = followed.length;
          if ('signal' in one) {
            due.add(one.signal);
            hear(one.signal);
          } else {
            doing = one.doing;
            become(doing);
          }
          for (const [signal] of followed.slice(before)) expect(due.delete(signal)).toBe(true);
          for (const signal of due) expect(SIGNAL_ACTS[signal][doing]).toBe('later');
        }
        const before = followed.length;
        become('idle');
        expect(new Set(followed.slice(before).map(([signal]) => signal))).toEqual(due);
      }),
    );
  });
});

describe('the level of the log', () => {
  test('is raised by one SIGUSR1 and as it was after the next', () => {
    const own = pino({ level: 'warn' }, { write: () => {} });
    const verbosity = new Verbosity(own, () => 'warn');
    verbosity.toggle();
    expect(own.level).toBe('debug');
    expect(verbosity.record).not.toBeNull();
    verbosity.toggle();
    expect(own.level).toBe('warn');
    expect(verbosity.record).toBeNull();
  });

  test('is never lowered by being raised', () => {
    const own = pino({ level: 'trace' }, { write: () => {} });
    new Verbosity(own, () => 'trace').toggle();
    expect(own.level).toBe('trace');
  });

  test('goes on in the next supervisor, for what is left of its time', () => {
    const first = new Verbosity(pino({ level: 'info' }, { write: () => {} }), () => 'info');
    first.toggle();
    const own = pino({ level: 'info' }, { write: () => {} });
    const next = new Verbosity(own, () => 'info');
    next.restore(first.record);
    expect(own.level).toBe('debug');
    expect(next.record).toBe(first.record);
    const late = pino({ level: 'info' }, { write: () => {} });
    new Verbosity(late, () => 'info').restore(first.record! - RAISED_FOR_MS - 1_000);
    expect(late.level).toBe('info');
  });
});
