/** Which slot is for what when processes get more or fewer workers while they run. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Release } from '../../src/release/release.js';
import { left, scale, scaledOf, slotRanges } from '../../src/release/slots.js';

const run = { kind: 'command', program: '/bin/true', args: [], env: {} } as const;
const release: Release = {
  ...run,
  label: 'r',
  directory: '/',
  resolvedAt: 0,
  processes: [{ ...run, name: 'queue', tier: 'core', ready: 'notify', workers: 2 }],
};

test('further workers get numbers that nobody has, and the highest of too many go', () => {
  const begun = slotRanges(release, 'listen', 4);
  expect(begun.map(({ slots }) => slots)).toEqual([
    [0, 1],
    [2, 3],
  ]);
  const more = scale(begun, 'main', 4);
  expect(more[0].slots).toEqual([0, 1, 4, 5]);
  const fewer = scale(more, 'main', 1);
  expect(fewer[0]).toMatchObject({ slots: [0], leaving: [1, 4, 5] });
  // A number is free again only when its worker has ended.
  expect(scale(fewer, 'queue', 3)[1]!.slots).toEqual([2, 3, 6]);
  expect(scale(left(fewer, 4), 'queue', 3)[1]!.slots).toEqual([2, 3, 4]);
});

test('no two processes ever have one slot, and what is on record says the same again', () => {
  const step = fc.oneof(
    fc.record({ name: fc.constantFrom('main', 'queue'), workers: fc.integer({ min: 1, max: 8 }) }),
    fc.record({ gone: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let ranges = slotRanges(release, 'listen', 4);
      for (const one of steps) {
        const before = ranges;
        ranges = 'gone' in one ? left(ranges, one.gone) : scale(ranges, one.name, one.workers);
        const all = ranges.flatMap(({ slots, leaving }) => [...slots, ...leaving]);
        expect(new Set(all).size).toBe(all.length);
        if ('gone' in one) continue;
        const range = ranges.find(({ name }) => name === one.name)!;
        expect(range.slots.length).toBe(one.workers);
        // Whoever had a slot of it keeps it, or is leaving.
        const had = before.find(({ name }) => name === one.name)!;
        for (const slot of had.slots) expect([...range.slots, ...range.leaving]).toContain(slot);
      }
      const count = ranges.flatMap(({ slots }) => slots).length;
      expect(slotRanges(release, 'listen', count, scaledOf(ranges))).toEqual(ranges);
    }),
  );
});
