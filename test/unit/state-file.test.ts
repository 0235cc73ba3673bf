/** A state arrives as it was or is refused with a reason, never half, and leaves no descriptor behind. */
import { fstatSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type Fd, native } from '../../src/native.js';
import { TooLargeError } from '../../src/worker/state-codec.js';
import { readState, writeState } from '../../src/worker/state-file.js';

const MAX = 64 * 2 ** 20;
const descriptors = () => readdirSync('/proc/self/fd').length;

async function roundTrip(value: unknown): Promise<unknown> {
  const { file, bytes } = await writeState(value, 7, MAX);
  try {
    expect(fstatSync(file.fd).size).toBe(bytes);
    expect(native().memfdIsSealed(file.fd)).toBe(true);
    const read = readState(file.fd);
    expect(read.version).toBe(7);
    return read.value;
  } finally {
    file.close();
  }
}

const LARGE = 100_000;

test.each<[string, unknown]>([
  ['a number', 5],
  ['null', null],
  [
    'an object of everything',
    { text: 'é', big: 2n ** 70n, at: new Date(5), none: undefined, re: /x/gi, list: new Array(3) },
  ],
  [
    'maps and sets',
    new Map<unknown, unknown>([
      ['a', new Set([1, 'b'])],
      [{ key: 1 }, new Map()],
    ]),
  ],
  ['an error', new RangeError('too far')],
  ['an empty Buffer', Buffer.alloc(0)],
  ['a small Buffer', Buffer.from('small')],
  ['a large Buffer', Buffer.alloc(LARGE, 'large')],
  ['memory itself', new Uint8Array([1, 2, 3]).buffer],
  [
    'several large ones',
    { one: Buffer.alloc(LARGE, '1'), two: [Buffer.alloc(LARGE + 1, '2'), Buffer.alloc(LARGE, '3')] },
  ],
])('%s arrives', async (_what, value) => {
  const before = descriptors();
  // Not toEqual, which takes seconds for large Buffers.
  expect(isDeepStrictEqual(await roundTrip(value), value)).toBe(true);
  expect(descriptors()).toBe(before);
});

const VIEWS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
] as const;

describe.each([16, LARGE * 8])('binary data of %i bytes', (bytes) => {
  test.each(VIEWS)('%o arrives as the same kind, alone of what its memory has', async (View) => {
    const memory = new ArrayBuffer(bytes + 32);
    new Uint8Array(memory).forEach((_, index, all) => {
      all[index] = index;
    });
    const size = View === DataView ? 1 : (View as typeof Int16Array).BYTES_PER_ELEMENT;
    const view = new (View as typeof Int16Array)(memory, 16, bytes / size);
    const arrived = (await roundTrip(view)) as typeof view;
    expect(arrived.constructor).toBe(View);
    const bytesOf = Buffer.from(arrived.buffer, arrived.byteOffset, arrived.byteLength);
    expect(bytesOf.equals(Buffer.from(memory, 16, bytes))).toBe(true);
    expect(arrived.buffer.byteLength).toBe(bytes);
  });
});

test('what is referred to twice is one, and a circle stays one', async () => {
  const buffer = Buffer.alloc(LARGE, 'x');
  const value: Record<string, unknown> = { buffer, again: { buffer } };
  value.self = value;
  const arrived = (await roundTrip(value)) as { buffer: Buffer; again: { buffer: Buffer }; self: unknown };
  expect(arrived.self).toBe(arrived);
  expect(arrived.again.buffer).toBe(arrived.buffer);
});

test('large binary data that changes after it was given does not change on its way', async () => {
  const value = { buffer: Buffer.alloc(LARGE, 1), count: 1 };
  const writing = writeState(value, 1, MAX);
  value.buffer.fill(2);
  value.count = 2;
  const { file } = await writing;
  expect(isDeepStrictEqual(readState(file.fd).value, { buffer: Buffer.alloc(LARGE, 1), count: 1 })).toBe(true);
  file.close();
});

test.each<[string, unknown]>([
  ['a Buffer', Buffer.alloc(2_000_000)],
  ['many Buffers', Array.from({ length: 30 }, () => Buffer.alloc(70_000))],
  ['a text', 'x'.repeat(2_000_000)],
  ['objects', Array.from({ length: 100_000 }, (_, id) => ({ id, name: 'somebody' }))],
])('%s beyond the limit is refused with its size, and nothing is made of it', async (_what, value) => {
  const before = descriptors();
  const error = await writeState(value, 1, 1_000_000).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TooLargeError);
  expect((error as TooLargeError).bytes).toBeGreaterThan(1_000_000);
  expect(descriptors()).toBe(before);
});

test('what is as large as the limit arrives', async () => {
  const { bytes, file } = await writeState(Buffer.alloc(LARGE), 1, MAX);
  file.close();
  const exact = await writeState(Buffer.alloc(LARGE), 1, bytes);
  exact.file.close();
  await expect(writeState(Buffer.alloc(LARGE), 1, bytes - 1)).rejects.toThrow(TooLargeError);
});

test.each<[string, unknown]>([
  ['a function', { call: () => {} }],
  ['a symbol', Symbol('x')],
  ['a promise', Promise.resolve()],
  ['shared memory', new SharedArrayBuffer(8)],
])('%s is refused', async (_what, value) => {
  const before = descriptors();
  await expect(writeState(value, 1, MAX)).rejects.toThrow();
  expect(descriptors()).toBe(before);
});

describe('a file is refused that', () => {
  async function spoiled(change: (bytes: Buffer) => Buffer): Promise<Fd> {
    const { file } = await writeState({ buffer: Buffer.alloc(LARGE), count: 1 }, 1, MAX);
    const bytes = change(readFileSync(`/proc/self/fd/${file.fd}`));
    file.close();
    const fd = native().memfdCreate('spoiled');
    writeSync(fd, bytes);
    return fd;
  }

  test.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ['is empty', () => Buffer.alloc(0), /ends too early/],
    ['begins otherwise', (bytes) => bytes.fill('x', 0, 8), /no state of batond/],
    ['is of another format', (bytes) => bytes.fill(9, 8, 9), /has format 9, this batond reads 1/],
    ['has an endless head', (bytes) => bytes.fill(0xff, 12, 16), /its head has 4294967295 bytes/],
    ['lacks its end', (bytes) => bytes.subarray(0, -1), /its length is not/],
    ['has more', (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]), /its length is not/],
    [
      'was written by a Node with a newer clone',
      (bytes) => {
        const clone = bytes.lastIndexOf(Buffer.from([0xff]));
        return bytes.fill(0x7f, clone + 1, clone + 2);
      },
      /^Node v\S+ cannot read what v\S+ wrote: .*unsupported version/,
    ],
  ])('%s', async (_what, change, says) => {
    const fd = await spoiled(change);
    expect(() => readState(fd)).toThrow(says);
    native().close(fd);
  });
});
