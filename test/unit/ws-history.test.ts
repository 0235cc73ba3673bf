/** What an inflater needs to go on where another has stopped. */
import { createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw, constants as zlib } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { History } from '../../src/ws/history.ts';

const text = (n: number) => Buffer.from(`${'abcdefgh'.repeat(n % 50)}${n}${'q'.repeat((n * 37) % 4_000)}`);

test('keeps the last bytes in order, however they come', () => {
  const history = new History(8);
  let all = Buffer.alloc(0);
  for (const length of [1, 100, 155, 1, 0, 256, 700, 3, 255, 257]) {
    const bytes = Buffer.from(Array.from({ length }, (_, index) => (length + index) % 251));
    all = Buffer.concat([all, bytes]);
    history.add(bytes);
    expect(Buffer.compare(Buffer.from(history.bytes()), all.subarray(-256))).toBe(0);
  }
});

test('goes on from what another has kept', () => {
  const first = new History(8);
  first.add(Buffer.from('a'.repeat(200)));
  const second = new History(8, first.bytes());
  expect(Buffer.from(second.bytes()).toString()).toBe('a'.repeat(200));
  second.add(Buffer.from('b'.repeat(100)));
  expect(Buffer.from(second.bytes()).toString()).toBe('a'.repeat(156) + 'b'.repeat(100));
});

describe.each([9, 12, 15])('a window of 2^%i bytes', (windowBits) => {
  test('is all that an inflater needs at any message', async () => {
    const deflate = createDeflateRaw({ windowBits });
    const history = new History(windowBits);
    for (let n = 0; n < 60; n++) {
      const packed = await flush(deflate, text(n));
      // A fresh one for each message, as if every message came to another process.
      const dictionary = history.bytes();
      const inflate = createInflateRaw({
        windowBits,
        ...(dictionary.length > 0 && { dictionary: Buffer.from(dictionary) }),
      });
      const message = await flush(inflate, packed);
      expect(message.equals(text(n))).toBe(true);
      history.add(message);
      inflate.close();
    }
    deflate.close();
  });
});

/** One message through a stream of zlib. */
function flush(stream: DeflateRaw | InflateRaw, input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const onData = (part: Buffer) => parts.push(part);
    stream.on('data', onData);
    stream.once('error', reject);
    stream.write(input);
    stream.flush(zlib.Z_SYNC_FLUSH, () => {
      stream.off('data', onData);
      stream.off('error', reject);
      resolve(Buffer.concat(parts));
    });
  });
}
