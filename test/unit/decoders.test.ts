/** Messages that once were believed, or ended the process that read them. */
import { describe, expect, test } from 'vitest';
import { decodeFromPeer, isMoving } from '../../src/channel/decode-peer.js';
import { decodeToWorker } from '../../src/channel/decode-to-worker.js';
import { isSnapshot } from '../../src/inventory/check-snapshot.js';
import { native } from '../../src/native.js';
import { journalFields } from '../../src/systemd/journal-fields.js';
import { decodeFromPredecessor, decodeFromSuccessor } from '../../src/takeover/messages.js';
import { Channel } from '../../src/worker/channel.js';
import { Links } from '../../src/worker/links.js';
import { openFds } from '../native/expectations.js';

describe('what a worker reads of its supervisor', () => {
  test('is a known message with all that belongs to it', () => {
    expect(decodeToWorker({ type: 'ping', id: 1 }, 0)).toEqual({ type: 'ping', id: 1 });
    expect(decodeToWorker({ type: 'ping' }, 0)).toBeNull();
    expect(decodeToWorker({ type: 'tickets', secret: 7 }, 0)).toBeNull();
    expect(decodeToWorker({ type: 'constructor', id: 1 }, 0)).toBeNull();
    expect(decodeToWorker({ type: 'listener', id: 1, name: 'listener-1' }, 0)).toBeNull();
    expect(decodeToWorker(null, 0)).toBeNull();
  });

  test('leaves no descriptor behind that came with a message which has none', async () => {
    const before = openFds();
    const n = native();
    const [ours, theirs] = n.socketpair('seqpacket');
    const channel = new Channel(ours);
    const gone = new Promise<void>((resolve) => channel.start(() => {}, resolve));
    channel.keepAlive(true, {});
    n.send(theirs, Buffer.from('{"type":"ping","id":1}'), { fds: [theirs] });
    n.send(theirs, Buffer.from('{"type":"listener","id":1}'), { fds: [theirs] });
    n.close(theirs);
    await gone;
    expect(openFds()).toBe(before);
  });
});

describe('what a worker reads of another', () => {
  test('is given up where it cannot be followed, and left alone where it is newer', () => {
    expect(decodeFromPeer({ type: 'accept', id: 1, taken: 7 })).toBeNull();
    expect(decodeFromPeer({ type: 'yours' })).toBeNull();
    expect(decodeFromPeer({ type: 'newer' })).toBe('unknown');
  });

  test('costs no memory that it has not sent', () => {
    const moving = { listener: 'http', kind: 'http' };
    expect(isMoving(moving)).toBe(true);
    expect(isMoving({ ...moving, state: { length: 1e9 } })).toBe(false);
    expect(isMoving({ ...moving, memfd: { index: 0, unreadBytes: 0.5, stateBytes: 0 } })).toBe(false);
  });

  test('ends the link where it cannot be followed', async () => {
    const n = native();
    const [ours, theirs] = n.socketpair('seqpacket');
    const closed = new Promise<boolean>((resolve) => {
      const links = new Links({
        fromSender: () => {},
        fromReceiver: () => {},
        closed: (_link, ended) => resolve(ended),
      });
      links.add(ours, 'peer');
    });
    n.send(theirs, Buffer.from('{"type":"offer","id":1}'));
    // The sender lives: it serves on, and nothing of what it offered is ours.
    expect(await closed).toBe(false);
    n.close(theirs);
  });
});

describe('what supervisors read of each other', () => {
  test('is no message where it is no object', () => {
    expect(decodeFromSuccessor(null)).toBeNull();
    expect(decodeFromPredecessor(null)).toBeNull();
  });

  test('is no snapshot where any part of it is not what it must be', () => {
    const snapshot = {
      version: 1,
      name: 'shop',
      nextGeneration: 2,
      nextListener: 1,
      listeners: [],
      generations: [],
      notifyPaths: {},
      good: [],
      lastReload: null,
      serviceStartedAt: 0,
      reloadSinceMs: null,
    };
    expect(isSnapshot(snapshot)).toBe(true);
    expect(isSnapshot(null)).toBe(false);
    expect(isSnapshot({ ...snapshot, good: [null] })).toBe(false);
    expect(isSnapshot({ ...snapshot, generations: [{ number: 1 }] })).toBe(false);
    expect(isSnapshot({ ...snapshot, listeners: undefined })).toBe(false);
  });
});

test('a record whose level is an object is one of no importance', () => {
  const [priority] = journalFields({ level: { toString: false } }, { identifier: 'shop', fields: {} });
  expect(priority).toEqual(['PRIORITY', '7']);
});

test('a field of a record cannot be named by what every object has', () => {
  const record = JSON.parse('{"level":30,"msg":"m","__proto__":"a","constructor":"b"}');
  const names = journalFields(record, { identifier: 'shop', fields: {} }).map(([name]) => name);
  expect(names).toEqual(['PRIORITY', 'SYSLOG_IDENTIFIER', 'MESSAGE', 'PROTO__', 'CONSTRUCTOR']);
});
