/** The fault matrix is complete: a new transition brings its own faults, or says why it has none. */
import { describe, expect, test } from 'vitest';
import { CASES, sample } from '../support/faults/matrix/cases.js';
import { CELLS, nameOf } from '../support/faults/matrix/cells.js';
import { SCENARIOS, UNREACHED } from '../support/faults/matrix/scenarios.js';

describe('the fault matrix', () => {
  test('reaches every transition of the tables by a scenario, or names it with the reason why not', () => {
    const known = [...Object.keys(SCENARIOS), ...Object.keys(UNREACHED)];
    expect(new Set(known).size, 'a transition stands in both lists').toBe(known.length);
    expect(CELLS.map(nameOf).sort()).toEqual(known.sort());
    for (const why of Object.values(UNREACHED)) expect(why.length).toBeGreaterThan(20);
  });

  test('arranges what it needs at transitions that there are', () => {
    const names = new Set([...CELLS.map(nameOf), 'boot..']);
    for (const { arranged = [] } of Object.values(SCENARIOS)) {
      for (const place of arranged) expect(names).toContain(nameOf(place));
    }
  });

  test('lets each of the five fall, killed and stopped', () => {
    for (const victim of ['S1', 'S2', 'incumbent', 'candidate', 'client']) {
      for (const signal of ['SIGKILL', 'SIGSTOP']) {
        expect(CASES.filter((one) => one.victim === victim && one.signal === signal).length).toBeGreaterThan(9);
      }
    }
    expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
  });

  test('draws the same sample for the same seed', () => {
    const names = (seed: number) => sample(CASES, 20, seed).map(({ name }) => name);
    expect(names(7)).toEqual(names(7));
    expect(names(7)).not.toEqual(names(8));
    expect(new Set(names(7)).size).toBe(20);
  });
});
