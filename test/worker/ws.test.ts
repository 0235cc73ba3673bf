/** Live WebSockets move to another worker; real clients of `ws` hold the other ends. */
import { deflateRawSync, constants as zlib } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type AppPair, startAppPair } from './app-pair.ts';
import { connect, type WsClient } from './ws-client.ts';
import { CONTINUATION, frame, PING, TEXT } from './ws-frame.ts';

const APP = 'echoes-ws.mjs';
const old = ({ sender }: AppPair) => sender.process.pid;
const next = ({ receiver }: AppPair) => receiver.process.pid;
const argument = (options: object) => [JSON.stringify(options)];
const connectTo = (pair: AppPair, path = '/?name=ann', options: object = {}) =>
  connect(`ws://127.0.0.1:${pair.port}${path}`, [], options);

/** The worker has read all that was written before: its loop has turned more than once since. */
async function untilRead(pair: AppPair): Promise<void> {
  for (let i = 0; i < 3; i++) await pair.sender.ping();
}

async function connectMany(pair: AppPair, count: number, options: object = {}): Promise<WsClient[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => connectTo(pair, `/?name=${index}`, options)));
}

test('a WebSocket moves with its data, and the next message is answered by the other worker', async () => {
  await using pair = await startAppPair(APP);
  await using client = await connect(`ws://127.0.0.1:${pair.port}/chat?name=ann`, ['b', 'a']);
  expect(await client.ask('1')).toMatchObject({ pid: old(pair), count: 1, name: 'ann', protocol: 'b' });
  expect(await pair.move()).toMatchObject({ moved: 1, finished: 0 });
  expect(await client.ask('2')).toMatchObject({ pid: next(pair), count: 2, name: 'ann', echo: '2', protocol: 'b' });
  expect(pair.receiver.stdout).toContain('"url":"/chat?name=ann","remote":"127.0.0.1"');
  expect(client.closed).toBe(null);
});

test('where it has left, it is closed without a close, and what is sent on it fails', async () => {
  await using pair = await startAppPair(APP);
  await using client = await connectTo(pair);
  await pair.move();
  await pair.sender.said('unsent');
  expect(pair.sender.stdout).toContain(JSON.stringify({ what: 'migrated', pid: old(pair), clients: 0, state: 3 }));
  expect(pair.sender.stdout).toContain(JSON.stringify({ what: 'unsent', pid: old(pair), code: 'BATOND_MIGRATED' }));
  expect(pair.sender.stdout).not.toContain('"close"');
  client.ws.close(4000);
  await pair.receiver.said('"close"');
  expect(pair.receiver.stdout).toContain(JSON.stringify({ what: 'close', pid: next(pair), code: 4000, clients: 0 }));
});

test('one of a server without a server moves too, and is not verified again', async () => {
  const options = { noServer: true, path: '/chat' };
  await using pair = await startAppPair(APP, argument({ options }), { args: argument({ options, refuses: true }) });
  await using client = await connectTo(pair, '/chat?name=ann');
  await client.ask('1');
  expect(await pair.move()).toMatchObject({ moved: 1 });
  expect(await client.ask('2')).toMatchObject({ pid: next(pair), count: 2, name: 'ann' });
});

test('where the service stops, all are told at once', async () => {
  await using pair = await startAppPair(APP);
  const clients = await connectMany(pair, 5);
  await pair.sender.drain('close', 30_000);
  for (const client of clients) {
    await client.end();
    expect(client.closed).toEqual({ code: 1001, reason: 'service stops' });
  }
});

test.each([0, 5])(
  'no numbered frame is lost, repeated or out of order while 50 move (answers after %i ms)',
  async (slowly) => {
    await using pair = await startAppPair(APP, argument({ slowly }));
    const clients = await connectMany(pair, 50);
    let moved = false;
    const begun = Promise.all(clients.map((client) => client.until('answers', () => client.answered > 50)));
    const streams = clients.map(async (client) => {
      // Up to eight are under way, so that some are read, some are in the kernel and some are answered at any time.
      let sent = 0;
      let answered = 0;
      const read = async () =>
        expect(JSON.parse(await client.next())).toMatchObject({ echo: String(++answered), count: answered });
      for (let more = 100; more > 0; more -= moved ? 1 : 0) {
        client.ws.send(String(++sent));
        if (sent > 8) await read();
      }
      while (answered < sent) await read();
      return sent;
    });
    await begun;
    // Nobody pauses for it.
    expect((await pair.move()).moved).toBe(50);
    moved = true;
    const sent = await Promise.all(streams);
    for (const [index, client] of clients.entries()) {
      expect(client.closed).toBe(null);
      expect(await client.ask('last')).toMatchObject({ pid: next(pair), count: sent[index]! + 1 });
      client.ws.terminate();
    }
  },
);

describe('a frame that is half there', () => {
  const compress = (text: string) => deflateRawSync(text, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4);
  const rows = [
    ['short', frame('hello'), 'hello', 11],
    ['of a 16-bit length', frame('x'.repeat(300)), 'x'.repeat(300), 20],
    ['of a 64-bit length', frame('y'.repeat(70_000)), 'y'.repeat(70_000), 24],
    ['compressed', frame(compress('z'.repeat(3_000)), { compressed: true }), 'z'.repeat(3_000), 12],
  ] as const;

  test.each(rows)('travels along, wherever it is cut: %s', async (_name, bytes, text, cuts) => {
    await using pair = await startAppPair(APP, argument({ options: { perMessageDeflate: true } }));
    const ends = [...Array.from({ length: cuts - 1 }, (_, index) => index + 1), bytes.length - 1];
    const clients = await connectMany(pair, ends.length);
    for (const [index, end] of ends.entries()) clients[index]!.socket.write(bytes.subarray(0, end));
    await untilRead(pair);
    expect(await pair.move()).toMatchObject({ moved: ends.length, finished: 0 });
    for (const [index, end] of ends.entries()) clients[index]!.socket.write(bytes.subarray(end));
    for (const client of clients) {
      expect(JSON.parse(await client.next())).toMatchObject({ pid: next(pair), count: 1, echo: text });
      expect(await client.ask('more')).toMatchObject({ pid: next(pair), count: 2, echo: 'more' });
      client.ws.terminate();
    }
  });
});

test('a message of several fragments is taken in where it began, then the connection moves', async () => {
  await using pair = await startAppPair(APP);
  await using client = await connectTo(pair);
  let pongs = 0;
  client.ws.on('pong', () => pongs++);
  client.socket.write(Buffer.concat([frame('one ', { opcode: TEXT, fin: false }), frame('!', { opcode: PING })]));
  await expect.poll(() => pongs, { interval: 5 }).toBe(1);
  const moved = pair.move();
  await untilRead(pair);
  client.socket.write(
    Buffer.concat([frame('!', { opcode: PING }), frame('two ', { opcode: CONTINUATION, fin: false })]),
  );
  await untilRead(pair);
  expect(pair.sender.untaken('drained')).toEqual([]);
  client.socket.write(frame('three', { opcode: CONTINUATION }));
  expect(JSON.parse(await client.next())).toMatchObject({ pid: old(pair), echo: 'one two three' });
  expect(await moved).toMatchObject({ moved: 1 });
  expect(await client.ask('next')).toMatchObject({ pid: next(pair), count: 2 });
});

describe('compression goes on where it was', () => {
  const rows = [
    ['with context takeover', true, true],
    [
      'with small windows',
      { serverMaxWindowBits: 9, clientMaxWindowBits: 9, threshold: 0 },
      { clientMaxWindowBits: 9 },
    ],
    ['without the client’s', { clientNoContextTakeover: true, threshold: 0 }, true],
    ['without either', { clientNoContextTakeover: true, serverNoContextTakeover: true, threshold: 0 }, true],
  ] as const;

  test.each(rows)('%s', async (_name, server, offer) => {
    await using pair = await startAppPair(APP, argument({ options: { perMessageDeflate: server } }));
    const deflate = { ...(typeof offer === 'object' ? offer : {}), threshold: 0 };
    const clients = await connectMany(pair, 5, { perMessageDeflate: deflate });
    // Each message is made of others, far back, so that a wrong history would show.
    const words = Array.from({ length: 3_000 }, (_, index) => ((index * 7_919) % 10_007).toString(36));
    const text = (n: number) =>
      Array.from({ length: 400 }, (_, index) => words[(n * 131 + index * 7) % 3_000]).join(' ');
    for (const client of clients) {
      expect(client.ws.extensions).toBe('permessage-deflate');
      for (let n = 0; n < 40; n++) expect((await client.ask(text(n))).echo).toBe(text(n));
    }
    expect(await pair.move()).toMatchObject({ moved: 5 });
    for (const client of clients) {
      const before = client.socket.bytesWritten;
      expect((await client.ask(text(20))).echo).toBe(text(20));
      // It does refer back to what the old worker has read.
      if (server === true) expect(client.socket.bytesWritten - before).toBeLessThan(text(20).length / 4);
      for (let n = 0; n < 40; n++) expect(await client.ask(text(n))).toMatchObject({ pid: next(pair), echo: text(n) });
      client.ws.terminate();
    }
  });
});

test('a listener that is still at work answers first', async () => {
  await using pair = await startAppPair(APP, argument({ slowly: 300 }));
  await using client = await connectTo(pair);
  client.ws.send('1');
  await pair.sender.said('at work');
  const moved = pair.move();
  expect(JSON.parse(await client.next())).toMatchObject({ pid: old(pair), echo: '1' });
  expect(await moved).toMatchObject({ moved: 1 });
  expect(await client.ask('2')).toMatchObject({ pid: next(pair), count: 2 });
});

test('a restore that takes its time loses no message', async () => {
  await using pair = await startAppPair(APP, argument({ restore: 200 }));
  await using client = await connectTo(pair);
  await client.ask('1');
  await pair.move();
  expect(await client.ask('2')).toMatchObject({ pid: next(pair), count: 2 });
});

test('what does not move in time is closed with 1012, each at its own moment and before the end', async () => {
  await using pair = await startAppPair(APP, argument({ notNow: true }));
  const clients = await connectMany(pair, 20);
  const begun = performance.now();
  const moved = pair.move(2_000);
  const ends = await Promise.all(
    clients.map(async (client) => {
      await client.end();
      expect(client.closed).toEqual({ code: 1012, reason: 'service restart' });
      return performance.now() - begun;
    }),
  );
  expect(await moved).toMatchObject({ moved: 0, finished: 20 });
  expect(Math.min(...ends)).toBeGreaterThan(950);
  expect(Math.max(...ends)).toBeLessThan(1_990);
  expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan(200);
});

test('where the other release does not know the kind, the WebSocket goes on where it was', async () => {
  await using pair = await startAppPair(APP, [], { args: argument({ plain: true }) });
  await using client = await connectTo(pair);
  await client.ask('1');
  const moved = pair.move(2_000);
  await untilRead(pair);
  expect(await client.ask('2')).toMatchObject({ pid: old(pair), count: 2, name: 'ann' });
  await client.end();
  expect(client.closed?.code).toBe(1012);
  expect(await moved).toMatchObject({ moved: 0 });
});
