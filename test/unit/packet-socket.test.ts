/** One end of a channel: what its owner may count on when the other end goes away. */
import { expect, test } from 'vitest';
import { PacketSocket } from '../../src/channel/packet-socket.js';
import { native } from '../../src/native.js';

/** Resolves with the reason for which the channel ended, and with what was received before. */
function follow(fd: number): { socket: PacketSocket; ended: Promise<string>; received: unknown[] } {
  const received: unknown[] = [];
  let tell: (reason: string) => void = () => {};
  const ended = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const socket = new PacketSocket(fd, { onPacket: (message) => received.push(message), onClose: tell });
  return { socket, ended, received };
}

test('a channel whose other end has closed can still be lent, until its owner closes it', async () => {
  const [ours, theirs] = native().socketpair('seqpacket');
  const { socket, ended, received } = follow(ours);
  native().send(theirs, Buffer.from('{"last":"words"}'));
  native().close(theirs);
  expect(await ended).toContain('closed its end');
  expect(received).toEqual([{ last: 'words' }]);
  expect(socket.closed).toBe(true);
  expect(native().socketInfo(socket.fd).type).toBe('seqpacket');
  socket.close();
  expect(() => socket.fd).toThrow();
  socket.close();
});

test('what is sent to an end that has closed is dropped, and the last words are still read', async () => {
  const [ours, theirs] = native().socketpair('seqpacket');
  const { socket, ended, received } = follow(ours);
  native().send(theirs, Buffer.from('{"last":"words"}'));
  native().close(theirs);
  socket.send({ too: 'late' });
  await ended;
  expect(received).toEqual([{ last: 'words' }]);
  socket.close();
});

test('what is no message ends the channel', async () => {
  const [ours, theirs] = native().socketpair('seqpacket');
  const { socket, ended } = follow(ours);
  native().send(theirs, Buffer.from('no json'));
  expect(await ended).toContain('no message');
  socket.close();
  native().close(theirs);
});
