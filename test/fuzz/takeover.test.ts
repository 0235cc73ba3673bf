/** What two supervisors say to each other, and the snapshot that a successor reads. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { isReport } from '../../src/inventory/check-report.js';
import { isSnapshot } from '../../src/inventory/check-snapshot.js';
import { Generation } from '../../src/inventory/generation.js';
import { Inventory, type Snapshot } from '../../src/inventory/inventory.js';
import { isComplete, totals } from '../../src/inventory/report.js';
import {
  decodeFromPredecessor,
  decodeFromSuccessor,
  MAX_SNAPSHOT_BYTES,
  TAKEOVER_VERSION,
} from '../../src/takeover/messages.js';
import { fuzz } from './fuzz.js';
import { messages, mutated, number, text } from './messages.js';
import { snapshot } from './state.js';

const fromSuccessor = messages(['hello', 'refused', 'ack', 'took'], {
  version: fc.oneof(fc.constant(TAKEOVER_VERSION), number),
  batond: text,
  code: text,
  message: text,
  fds: number,
});

fuzz('takeover: from the successor', fromSuccessor, (input) => {
  const message = decodeFromSuccessor(input);
  if (message?.type === 'took') expect(Number.isSafeInteger(message.fds)).toBe(true);
  if (message?.type === 'refused') expect(typeof message.message).toBe('string');
});

const fromPredecessor = messages(['inventory', 'fds', 'yours'], {
  version: number,
  bytes: number,
  fds: number,
  names: fc.array(text, { maxLength: 4 }),
});

fuzz('takeover: from the predecessor', fromPredecessor, (input) => {
  const message = decodeFromPredecessor(input);
  if (message?.type === 'inventory') expect(message.bytes).toBeLessThanOrEqual(MAX_SNAPSHOT_BYTES);
  if (message?.type === 'fds') expect(message.names.every((name) => typeof name === 'string')).toBe(true);
});

fuzz('takeover: a whole snapshot', snapshot, (input) => {
  expect(isSnapshot(JSON.parse(JSON.stringify(input)))).toBe(true);
});

/** What a restore does with it, as far as it needs no descriptors: none of it may fail once it was believed. */
fuzz('takeover: a damaged snapshot', mutated(snapshot), (input) => {
  if (isSnapshot(input)) follow(input);
});

function follow(state: Snapshot): void {
  Inventory.missing(state, new Set());
  for (const record of state.generations) {
    const generation = new Generation(record);
    expect(generation.record.claims).toHaveLength(new Set(record.claims.map(({ listener }) => listener)).size);
    for (const { pid } of record.workers) expect(pid).toBeGreaterThan(1);
  }
  for (const { report } of state.reports?.open ?? []) {
    expect(isReport(report)).toBe(true);
    isComplete(report);
    expect(Object.values(totals(report)).every(Number.isFinite)).toBe(true);
  }
}
