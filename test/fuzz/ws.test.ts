/** What is kept of a WebSocket that moves in the middle of something. */
import type { Writable } from 'node:stream';
import fc from 'fast-check';
import { expect } from 'vitest';
import * as ws from 'ws';
import { History } from '../../src/ws/history.js';
import { unreadOf } from '../../src/ws/internals.js';
import { frame } from '../worker/ws-frame.js';
import { fuzz } from './fuzz.js';

/** Exported by its ESM entry, and unknown to its types. */
const { Receiver: ReceiverOfWs } = ws as unknown as { Receiver: new (options: object) => Writable };

const chunk = fc.uint8Array({ maxLength: 700 });

fuzz(
  'ws: the history of a connection',
  fc.record({ bits: fc.integer({ min: 8, max: 10 }), initial: chunk, chunks: fc.array(chunk, { maxLength: 12 }) }),
  ({ bits, initial, chunks }) => {
    const start = initial.subarray(-(2 ** bits));
    const history = new History(bits, start);
    let all = Buffer.from(start);
    for (const bytes of chunks) {
      history.add(bytes);
      all = Buffer.concat([all, bytes]);
    }
    expect(Buffer.compare(Buffer.from(history.bytes()), all.subarray(-(2 ** bits)))).toBe(0);
  },
);

const frames = fc.array(
  fc.record({
    length: fc.oneof(fc.nat(200), fc.constantFrom(125, 126, 65_535, 65_536, 70_000)),
    opcode: fc.constantFrom(1, 2, 9),
    fin: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

/** Valid frames: a message of two fragments where one is said not to be the last; controls are short and whole. */
function bytesOf(input: readonly { length: number; opcode: number; fin: boolean }[]): Buffer {
  return Buffer.concat(
    input.flatMap(({ length, opcode, fin }) => {
      if (opcode === 9) return [frame(Buffer.alloc(length % 126, 'p'), { opcode })];
      const payload = Buffer.alloc(length, 'm');
      return fin
        ? [frame(payload, { opcode })]
        : [frame(payload, { opcode, fin: false }), frame(payload, { opcode: 0 })];
    }),
  );
}

interface Heard {
  readonly heard: string[];
  readonly receiver: object;
}

/** What a receiver of ws makes of bytes once it has had its turns of the loop, and the receiver. */
async function receive(...parts: readonly Buffer[]): Promise<Heard> {
  const heard: string[] = [];
  const receiver = new ReceiverOfWs({ isServer: true });
  const hear = (kind: string) => (data: Buffer, binary?: boolean) => {
    heard.push(`${kind} ${binary} ${data.length}`);
  };
  receiver.on('message', hear('message'));
  receiver.on('ping', hear('ping'));
  receiver.on('error', (error: Error) => heard.push(`error ${error.message}`));
  for (const part of parts) {
    // A copy, because it unmasks in place.
    await new Promise((resolve) => receiver.write(Buffer.from(part), resolve));
  }
  await new Promise((resolve) => setImmediate(resolve));
  return { heard, receiver };
}

fuzz(
  'ws: a frame cut anywhere and written again',
  fc.tuple(frames, fc.nat()),
  async ([input, at]) => {
    const bytes = bytesOf(input);
    const cut = at % (bytes.length + 1);
    const whole = await receive(bytes);
    const { heard, receiver } = await receive(bytes.subarray(0, cut));
    const unread = unreadOf({ _receiver: receiver } as never);
    // In the middle of a message of several fragments it stays where it is.
    if (unread === null) return;
    const rest = await receive(unread, bytes.subarray(cut));
    expect([...heard, ...rest.heard]).toEqual(whole.heard);
  },
  { share: 0.2 },
);
