/** What a connection brings with it arrives as it was, in the packet or beside it, and leaves no descriptor behind. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MAX_PACKET_BYTES } from '../../src/channel/messages.js';
import { native } from '../../src/native.js';
import { OfferPacket, savedOf } from '../../src/worker/offer-packet.js';

const descriptors = () => readdirSync('/proc/self/fd').length;

test.each([
  ['nothing', 0, 0],
  ['a little', 10, 20],
  ['more than a packet', 300_000, 2_000_000],
  ['state alone', 0, 100_000],
])('%s', (_what, unreadBytes, stateBytes) => {
  const before = descriptors();
  for (let round = 0; round < 20; round++) {
    const connection = native().memfdCreate('connection');
    const unread = Buffer.alloc(unreadBytes, 'unread');
    const state = Buffer.alloc(stateBytes, 'state');
    const packet = new OfferPacket();
    packet.add('first', 'http', connection);
    packet.add('second', 'kind', connection, { unread, state });
    const { connections, fds } = packet.finish();
    expect(JSON.stringify(connections).length).toBeLessThan(MAX_PACKET_BYTES);
    const [first, second] = JSON.parse(JSON.stringify(connections));
    expect(savedOf(first, fds)).toEqual({ state: undefined, unread: undefined });
    const saved = savedOf(second, fds);
    expect(Buffer.compare(saved.unread ?? Buffer.alloc(0), unread)).toBe(0);
    expect(Buffer.compare(saved.state ?? Buffer.alloc(0), state)).toBe(0);
    packet.close();
    native().close(connection);
  }
  expect(descriptors()).toBe(before);
});

test('a packet that says it is full is never too large', () => {
  const listener = JSON.stringify({ path: '\0'.repeat(100) });
  const packet = new OfferPacket();
  const saved = { state: Buffer.alloc(4_000), unread: Buffer.alloc(90) };
  let count = 0;
  for (; packet.hasRoom(listener, 4_090); count++) packet.add(listener, 'kind', 0, saved);
  expect(count).toBeGreaterThan(1);
  expect(JSON.stringify({ type: 'offer', id: 1, ...packet.finish() }).length).toBeLessThan(MAX_PACKET_BYTES);
});

test('a sender that lies about what it brings is refused', () => {
  const fd = native().memfdCreate('short');
  const moving = { listener: 'one', kind: 'kind', memfd: { index: 0, unreadBytes: 0, stateBytes: 10 } };
  expect(() => savedOf(moving, [fd])).toThrow('0 bytes instead of 10');
  expect(() => savedOf({ ...moving, memfd: { ...moving.memfd, index: 7 } }, [fd])).toThrow(RangeError);
  expect(() => savedOf({ ...moving, memfd: { ...moving.memfd, stateBytes: 2 ** 40 } }, [fd])).toThrow(RangeError);
  native().close(fd);
});
