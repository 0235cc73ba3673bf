/** Random events, and effects that fail, on the tables of the roll and of a takeover, through the Runner. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { BatondError } from '../../src/errors.js';
import { Runner } from '../../src/machine/runner.js';
import type { Table } from '../../src/machine/table.js';
import { ROLL, type RollEffect, type RollEvent, type RollState } from '../../src/roll/roll.js';
import { PREDECESSOR, type PredecessorEffect } from '../../src/takeover/predecessor.js';
import { SUCCESSOR, type SuccessorEffect } from '../../src/takeover/successor.js';
import { fuzz } from './fuzz.js';

const eventsOf = <S extends string, E extends string>(table: Record<S, Record<E, unknown>>) =>
  Object.keys(Object.values<Record<E, unknown>>(table)[0]!) as E[];

/** Events from outside, each with what the effects that it causes post themselves: as they do when they fail. */
function script<E extends string>(events: readonly E[]) {
  const event = fc.constantFrom(...events);
  return fc.array(fc.record({ event, posts: fc.array(event, { maxLength: 3 }) }), { maxLength: 40 });
}

/**
 * Runs a script; `effect` is told each effect as it happens, before what it posts is posted. Effects of one event are
 * never interleaved with those of another, whatever they post.
 */
function play<S extends string, E extends string, F extends string, C extends string>(
  table: Table<S, E, F, C>,
  start: S,
  steps: readonly { event: E; posts: readonly E[] }[],
  effect: (name: F, state: S, runner: Runner<S, E, F, C>) => void,
): Runner<S, E, F, C> {
  let posts: E[] = [];
  let due: F[] = [];
  const names = new Set<F>();
  for (const row of Object.values<Record<E, { kind: string }>>(table)) {
    for (const cell of Object.values<{ kind: string; effects?: readonly F[] }>(row)) {
      for (const name of cell.effects ?? []) names.add(name);
    }
  }
  const act = (name: F) => {
    expect(due.shift()).toBe(name);
    effect(name, runner.state, runner);
    const next = posts.shift();
    if (next !== undefined) runner.post(next, new BatondError('CONTROL_FAILED', { reason: next }));
  };
  const runner: Runner<S, E, F, C> = new Runner(table, start, {
    effects: Object.fromEntries([...names].map((name) => [name, () => act(name)])) as Record<F & string, () => void>,
    refused: () => {},
    ignored: () => {},
    moved: (from, event, to) => {
      expect(due).toEqual([]);
      const cell = table[from][event];
      if (cell.kind !== 'go') throw new Error(`${from} moved on ${event}`);
      expect(to).toBe(cell.next);
      due = [...cell.effects];
    },
  });
  for (const { event, posts: own } of steps) {
    posts = [...own];
    runner.post(event);
    expect(due).toEqual([]);
  }
  return runner;
}

fuzz('machines: a roll', script<RollEvent>(eventsOf(ROLL)), (steps) => {
  const world = new Roll();
  const runner = play<RollState, RollEvent, RollEffect, 'BUSY'>(ROLL, 'steady', steps, (effect) => world.act(effect));
  world.judge(runner.state);
});

/** What a roll does to a service, kept as simply as possible. */
class Roll {
  #incumbents: 'accept' | 'paused' = 'accept';
  #candidates: 'none' | 'closed' | 'accept' = 'none';
  #begun = 0;
  #reported = 0;

  act(effect: RollEffect): void {
    if (effect === 'startCandidates') {
      expect(this.#candidates).toBe('none');
      this.#candidates = 'closed';
      this.#begun++;
    } else if (effect === 'openCandidates') this.#candidates = 'accept';
    else if (effect === 'pauseIncumbents') this.#incumbents = 'paused';
    else if (effect === 'resumeIncumbents') {
      this.#incumbents = 'accept';
      // A supervisor that died had begun this roll: taking it back is the first that is seen of it.
      if (this.#candidates === 'none') this.#begun++;
    } else if (effect === 'dismissCandidates') this.#candidates = 'none';
    else if (effect === 'promote') {
      expect(this.#candidates).toBe('accept');
      this.#candidates = 'none';
      this.#incumbents = 'accept';
    } else if (effect === 'reportDone' || effect === 'reportFailed') this.#reported++;
    expect(this.#incumbents === 'accept' || this.#candidates === 'accept', 'somebody accepts').toBe(true);
    expect(this.#reported, 'one report for each begin').toBeLessThanOrEqual(this.#begun);
  }

  judge(state: RollState): void {
    expect(this.#begun - this.#reported, 'the one under way has no report yet').toBe(state === 'steady' ? 0 : 1);
    if (state === 'steady') expect([this.#incumbents, this.#candidates]).toEqual(['accept', 'none']);
  }
}

fuzz('machines: the predecessor', script(eventsOf(PREDECESSOR)), (steps) => {
  let [begun, failed, frozen, ended, yields] = [0, 0, false, 0, 0];
  const effects: PredecessorEffect[] = [];
  const runner = play(PREDECESSOR, 'idle', steps, (effect: PredecessorEffect, state) => {
    effects.push(effect);
    if (effect === 'startSuccessor') begun++;
    else if (effect === 'freeze') frozen = true;
    else if (effect === 'thaw') frozen = false;
    else if (effect === 'endSuccessor') ended++;
    else if (effect === 'reportFailed') failed++;
    else if (effect === 'yield') yields++;
    else if (effect === 'sendInventory' || effect === 'sendBatch') expect(frozen).toBe(true);
    else if (effect === 'exit') expect([state, yields]).toEqual(['yielding', 1]);
    if (yields > 0) expect(['yield', 'exit'], 'nothing is taken back after it yielded').toContain(effect);
  });
  expect(begun - failed, 'one verdict for each begin').toBe(runner.state === 'idle' ? 0 : 1);
  expect(ended, 'each successor that failed was ended').toBe(failed);
  if (runner.state === 'idle') expect(frozen, 'it reads its channels again').toBe(false);
});

fuzz('machines: the successor', script(eventsOf(SUCCESSOR)), (steps) => {
  const effects: SuccessorEffect[] = [];
  const runner = play(SUCCESSOR, 'greeting', steps, (effect: SuccessorEffect) => {
    expect(effects, 'nothing follows the end').not.toContain('giveUp');
    expect(effects, 'nothing follows the restore').not.toContain('restore');
    if (effect === 'restore') expect(effects, 'only what it took').toContain('took');
    effects.push(effect);
  });
  expect(effects.includes('restore')).toBe(runner.state === 'main');
  expect(effects.includes('giveUp')).toBe(runner.state === 'over');
});

const ROLL_EFFECTS = Object.values(ROLL).flatMap((row) =>
  Object.values(row).flatMap((cell) => ('effects' in cell ? cell.effects : [])),
);

/** An effect that throws is a broken invariant; what was posted before is still done, and in its order. */
const thrower = fc.tuple(script<RollEvent>(eventsOf(ROLL)), fc.nat(30));

fuzz('machines: an effect throws', thrower, ([steps, at]) => {
  let count = 0;
  const reached: RollState[] = [];
  const act = () => {
    if (count++ === at) throw new Error('broken');
  };
  const effects = Object.fromEntries(ROLL_EFFECTS.map((name) => [name, act])) as Record<RollEffect, () => void>;
  const runner = new Runner<RollState, RollEvent, RollEffect, 'BUSY'>(ROLL, 'steady', {
    effects,
    refused: () => {},
    ignored: () => {},
    moved: (_from, _event, to) => reached.push(to),
  });
  for (const { event } of steps) {
    try {
      runner.post(event);
    } catch (error) {
      expect((error as Error).message).toBe('broken');
    }
    // It moved before its effects, so another post goes on from there, and never into itself.
    expect(runner.state).toBe(reached.at(-1) ?? 'steady');
  }
});
