/** The tables as tables: what must hold whatever order events come in, walked exhaustively. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BatondError } from '../../src/errors.js';
import { Runner } from '../../src/machine/runner.js';
import { diagram, type Table } from '../../src/machine/table.js';
import { ROLL, type RollEffect, type RollEvent, type RollState } from '../../src/roll/roll.js';
import { PREDECESSOR } from '../../src/takeover/predecessor.js';
import { SUCCESSOR } from '../../src/takeover/successor.js';

const TABLES = { roll: ROLL, predecessor: PREDECESSOR, successor: SUCCESSOR };
const START = { roll: 'steady', predecessor: 'idle', successor: 'greeting' } as const;

type AnyTable = Table<string, string, string, string>;

function reachable(table: AnyTable, start: string): Set<string> {
  const seen = new Set([start]);
  for (const state of seen) {
    for (const cell of Object.values(table[state]!)) if (cell.kind === 'go') seen.add(cell.next);
  }
  return seen;
}

describe.each(Object.keys(TABLES) as (keyof typeof TABLES)[])('the table of the %s', (name) => {
  const table = TABLES[name] as unknown as AnyTable;

  test('has every state reachable from its start', () => {
    expect([...reachable(table, START[name])].sort()).toEqual(Object.keys(table).sort());
  });

  test('gives every ignored event its reason', () => {
    for (const row of Object.values(table)) {
      for (const cell of Object.values(row)) if (cell.kind === 'ignore') expect(cell.why.length).toBeGreaterThan(10);
    }
  });

  test('has its diagram in ARCHITECTURE.md as it is', () => {
    const text = readFileSync(new URL('../../ARCHITECTURE.md', import.meta.url), 'utf8');
    expect(text).toContain(diagram(table, START[name]));
  });
});

describe('a roll', () => {
  const UNDER_WAY: RollState[] = ['booting', 'probing', 'canarying', 'restoring', 'switching', 'soaking'];
  const FAILURES: RollEvent[] = ['candidateFailed', 'timedOut', 'aborted'];

  test.each(UNDER_WAY.flatMap((state) => FAILURES.map((event) => [state, event] as const)))(
    'that fails while %s (%s) resumes the incumbents before it dismisses the candidates',
    (state, event) => {
      const failing = ROLL[state][event];
      expect(failing).toEqual({ kind: 'go', next: 'rollingBack', effects: ['resumeIncumbents'] });
      for (const end of ['resumed', 'timedOut'] as const) {
        expect(ROLL.rollingBack[end]).toEqual({
          kind: 'go',
          next: 'steady',
          effects: ['dismissCandidates', 'reportFailed'],
        });
      }
    },
  );

  test('that loses a state while restoring goes back, and elsewhere goes on', () => {
    const rows = Object.entries(ROLL).map(([state, row]) => [state, row.stateLost.kind]);
    expect(Object.fromEntries(rows)).toMatchObject({ restoring: 'go', switching: 'ignore', committing: 'ignore' });
    expect(ROLL.restoring.stateLost).toEqual(ROLL.restoring.candidateFailed);
  });

  test('opens no candidate on any path before what it restores is there', () => {
    for (const [state, row] of Object.entries(ROLL)) {
      for (const [event, cell] of Object.entries(row)) {
        if (cell.kind !== 'go' || !(cell.effects as readonly RollEffect[]).includes('openCandidates')) continue;
        expect([state, event]).toEqual(['restoring', 'restored']);
      }
    }
  });

  test('pauses no incumbent on any path before the candidates accept', () => {
    const paths: { state: RollState; opened: boolean }[] = [{ state: 'steady', opened: false }];
    const seen = new Set<string>();
    for (const { state, opened } of paths) {
      if (seen.has(`${state} ${opened}`)) continue;
      seen.add(`${state} ${opened}`);
      for (const cell of Object.values(ROLL[state])) {
        if (cell.kind !== 'go') continue;
        const effects: readonly RollEffect[] = cell.effects;
        if (effects.includes('pauseIncumbents')) expect(opened).toBe(true);
        const opens = effects.includes('openCandidates') || opened;
        paths.push({ state: cell.next, opened: cell.next === 'steady' ? false : opens });
      }
    }
  });

  test('reports exactly once for each begin, whatever comes in between', () => {
    const events = Object.keys(ROLL.steady) as RollEvent[];
    let seed = 7;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 12) % below;
    };
    let begun = 0;
    let reported = 0;
    const count: Partial<Record<RollEffect, () => void>> = {
      startCandidates: () => begun++,
      reportDone: () => reported++,
      reportFailed: () => reported++,
    };
    const effects = new Proxy({}, { get: (_, effect: RollEffect) => count[effect] ?? (() => {}) });
    const runner = new Runner(ROLL, 'steady', {
      effects: effects as Record<RollEffect, () => void>,
      refused: () => {},
      moved: () => {},
      ignored: () => {},
    });
    for (let n = 0; n < 20_000; n++) {
      const event = events[random(events.length)]!;
      // Somebody else began this one.
      if (event === 'cutOff' && runner.state === 'steady') begun++;
      runner.post(event);
      expect(begun - reported).toBe(runner.state === 'steady' ? 0 : 1);
    }
    expect(begun).toBeGreaterThan(100);
  });
});

describe('the runner', () => {
  test('keeps the first cause and lets effects finish before their events', () => {
    const order: string[] = [];
    const runner: Runner<RollState, RollEvent, RollEffect, 'BUSY'> = new Runner(ROLL, 'steady', {
      effects: new Proxy({} as Record<RollEffect, () => void>, {
        get: (_, effect: RollEffect) => () => {
          order.push(effect);
          if (effect === 'resumeIncumbents') {
            runner.post('resumed');
            runner.post('candidateFailed', new BatondError('CANDIDATE_NOT_READY', {}));
            order.push('end of resumeIncumbents');
          }
        },
      }),
      refused: () => {},
      moved: () => {},
      ignored: () => {},
    });
    runner.post('begin');
    runner.post('candidateFailed', new BatondError('CANDIDATE_EXITED', { how: 'exited' }));
    expect(order).toEqual([
      'startCandidates',
      'resumeIncumbents',
      'end of resumeIncumbents',
      'dismissCandidates',
      'reportFailed',
    ]);
    expect(runner.cause?.code).toBe('CANDIDATE_EXITED');
  });
});
