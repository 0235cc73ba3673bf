/** What holds a worker, in words. */
import { expect, test } from 'vitest';
import { describeHoldings } from '../../src/supervisor/holdings-words.js';

const nothing = { resources: {}, gauges: {}, listeners: {} };

test('names kinds by their number, gauges by their value, and leaves out what is empty', () => {
  const held = {
    resources: { Timeout: 2, TCPSocketWrap: 1 },
    gauges: { 'db.pool': 4, idle: 0 },
    listeners: { exit: 11 },
  };
  expect(describeHoldings(held)).toBe("it is held by 2 Timeout, 1 TCPSocketWrap, db.pool 4, 11 listeners of 'exit'");
  expect(describeHoldings(nothing)).toBe('nothing that it knows of holds it');
  expect(describeHoldings(null)).toBe('it does not say what holds it');
});

test('is a sentence, however many there are', () => {
  const resources = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`Kind${n}`, n + 1]));
  expect(describeHoldings({ ...nothing, resources })).toMatch(/^it is held by 1 Kind0, .*8 Kind7, 52 more$/);
});
