/** Raw connections and long responses move to another worker and go on there. */
import { describe, expect, test } from 'vitest';
import { type AppPair, startAppPair } from './app-pair.ts';
import { Client } from './client.ts';

const LINES = 'counts-lines.mjs';
const EVENTS = 'streams-events.mjs';
const old = ({ sender }: AppPair) => sender.process.pid;
const next = ({ receiver }: AppPair) => receiver.process.pid;

/** What comes on a connection, read up to a mark. */
async function connectTo(pair: AppPair) {
  const client = await Client.connect(pair.port);
  let text = '';
  client.socket.on('data', (data) => {
    text += data;
  });
  const until = async (mark: string) => {
    await expect.poll(() => text, { timeout: 5_000, interval: 5 }).toContain(mark);
    const end = text.indexOf(mark) + mark.length;
    const taken = text.slice(0, end);
    text = text.slice(end);
    return taken;
  };
  return {
    client,
    until,
    ask: (line: string) => {
      client.write(`${line}\n`);
      return until('\n');
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

describe('a connection of a protocol of its own', () => {
  test('moves with its state and half a line, and is no new connection there', async () => {
    await using pair = await startAppPair(LINES);
    using line = await connectTo(pair);
    expect(await line.ask('a')).toBe(`1 ${old(pair)} a ${old(pair)}\n`);
    line.client.write('hal');
    for (let i = 0; i < 3; i++) await pair.sender.ping();
    expect(await pair.move()).toMatchObject({ moved: 1, finished: 0 });
    expect(await line.ask('f')).toBe(`2 ${next(pair)} half ${old(pair)}\n`);
    expect(pair.receiver.stdout).toBe('');
    expect(pair.sender.stdout).not.toContain('close');
    expect(pair.sender.stdout).toContain(`migrated ${old(pair)} true`);
  });

  test('that takes long to restore does not hold up who is served there', async () => {
    await using pair = await startAppPair(LINES, ['20']);
    const clients = await Promise.all(Array.from({ length: 40 }, () => connectTo(pair)));
    await Promise.all(clients.map((line) => line.ask('a')));
    const moved = pair.move();
    await pair.receiver.said('restored');
    expect((await pair.receiver.measure()).connections).toBeLessThan(40);
    expect(await moved).toMatchObject({ moved: 40 });
    const answers = await Promise.all(clients.map((line) => line.ask('b')));
    for (const answer of answers) expect(answer).toBe(`2 ${next(pair)} b ${old(pair)}\n`);
    for (const { client } of clients) client.close();
  });

  test('stays while the app says "not now", and goes when it says that it is safe', async () => {
    await using pair = await startAppPair(LINES);
    using line = await connectTo(pair);
    line.client.write('wait\n');
    await pair.sender.said('waiting');
    const moved = pair.move();
    await pair.sender.ping();
    expect(pair.sender.untaken('drained')).toEqual([]);
    expect(await line.ask('b')).toBe(`2 ${old(pair)} b ${old(pair)}\n`);
    expect(await moved).toMatchObject({ moved: 1 });
    expect(await line.ask('c')).toBe(`3 ${next(pair)} c ${old(pair)}\n`);
  });

  test('stays until all that was written to it is with the kernel', async () => {
    await using pair = await startAppPair(LINES);
    using line = await connectTo(pair);
    line.client.socket.pause();
    line.client.write('flood\n');
    for (let i = 0; i < 3; i++) await pair.sender.ping();
    const moved = pair.move();
    await pair.sender.ping();
    expect(pair.sender.untaken('drained')).toEqual([]);
    line.client.socket.resume();
    expect((await line.until('f\n')).length).toBeGreaterThan(8 << 20);
    expect(await moved).toMatchObject({ moved: 1 });
    expect(await line.ask('c')).toBe(`2 ${next(pair)} c ${old(pair)}\n`);
  });

  test('takes along what a paused socket has read', async () => {
    await using pair = await startAppPair(LINES);
    using line = await connectTo(pair);
    await line.ask('pause');
    line.client.write('later\n');
    for (let i = 0; i < 3; i++) await pair.sender.ping();
    expect(await pair.move()).toMatchObject({ moved: 1 });
    expect(await line.until('\n')).toBe(`2 ${next(pair)} later ${old(pair)}\n`);
  });

  test('goes on where it was when the other release does not know it', async () => {
    await using pair = await startAppPair(LINES, [], { app: 'echoes-net.mjs' });
    using line = await connectTo(pair);
    await line.ask('a');
    const moved = pair.move();
    for (let i = 0; i < 3; i++) await pair.sender.ping();
    expect(await line.ask('b')).toBe(`2 ${old(pair)} b ${old(pair)}\n`);
    line.client.socket.destroy();
    expect(await moved).toMatchObject({ moved: 0, finished: 1 });
  });
});

describe('a response that goes on for long', () => {
  const event = (n: number, pid: number | undefined) => `data: ${n} ${String(pid).padStart(7)}\n\n`;
  const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

  test('goes on in the other worker, and the connection with it', async () => {
    await using pair = await startAppPair(EVENTS);
    using stream = await connectTo(pair);
    stream.client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
    await stream.until('\r\n\r\n');
    expect(await stream.until('\n\n\r\n')).toBe(chunk(event(1, old(pair))));
    expect(await pair.move()).toMatchObject({ moved: 1, finished: 0 });
    await pair.sender.said('migrated');
    await pair.sender.said('unsent ERR_STREAM_DESTROYED');
    expect(pair.sender.stdout).not.toContain('close');
    pair.receiver.process.stdin!.write('xy');
    for (const n of [2, 3]) expect(await stream.until('\n\n\r\n')).toBe(chunk(event(n, next(pair))));
    pair.receiver.process.stdin!.write('end');
    expect(await stream.until('0\r\n\r\n')).toBe(`${chunk('data: end\n\n')}0\r\n\r\n`);
    await pair.receiver.said(`close ${next(pair)}`);
    stream.client.write('GET /pid HTTP/1.1\r\nHost: test\r\n\r\n');
    expect(await stream.until(String(next(pair)))).toContain('200 OK');
  });

  test('moves again from there', async () => {
    await using pair = await startAppPair(EVENTS);
    await using third = await startAppPair(EVENTS);
    using stream = await connectTo(pair);
    stream.client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
    await stream.until('\n\n\r\n');
    await pair.move();
    // Under the name of the same listener, whatever its port.
    pair.receiver.link(third.receiver);
    expect((await pair.receiver.drain('move')).tally).toMatchObject({ moved: 1 });
    third.receiver.process.stdin!.write('x');
    expect(await stream.until('\n\n\r\n')).toBe(chunk(event(2, third.receiver.process.pid)));
  });

  test.each([
    ['/close', 'data: end\n\n'],
    ['/length', 'data: end\n\n'],
  ])('keeps the framing of its head (%s)', async (path) => {
    await using pair = await startAppPair(EVENTS);
    using stream = await connectTo(pair);
    stream.client.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
    const head = await stream.until('\r\n\r\n');
    const framed = head.includes('chunked') ? chunk : (text: string) => text;
    await stream.until(framed(event(1, old(pair))));
    expect(await pair.move()).toMatchObject({ moved: 1 });
    pair.receiver.process.stdin!.write('x');
    expect(await stream.until(framed(event(2, next(pair))))).toBe(framed(event(2, next(pair))));
    pair.receiver.process.stdin!.write('end');
    await stream.until(framed('data: end\n\n'));
    if (path === '/close') expect(await stream.client.ended).toBe('fin');
    else {
      stream.client.write('GET /pid HTTP/1.1\r\nHost: test\r\n\r\n');
      expect(await stream.until(String(next(pair)))).toContain('200 OK');
    }
  });

  test('does not move while the client has begun to ask for more', async () => {
    await using pair = await startAppPair(EVENTS);
    using stream = await connectTo(pair);
    stream.client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\nGET /pid HT');
    await stream.until('\n\n\r\n');
    const moved = pair.move();
    for (let i = 0; i < 3; i++) await pair.sender.ping();
    expect(pair.sender.untaken('drained')).toEqual([]);
    stream.client.write('TP/1.1\r\nHost: test\r\n\r\n');
    pair.sender.process.stdin!.write('end');
    expect(await stream.until(String(old(pair)))).toContain('0\r\n\r\nHTTP/1.1 200 OK');
    await moved;
  });

  test('is closed there when the client goes away', async () => {
    await using pair = await startAppPair(EVENTS);
    using stream = await connectTo(pair);
    stream.client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
    await stream.until('\n\n\r\n');
    await pair.move();
    stream.client.socket.end();
    await pair.receiver.said(`close ${next(pair)}`);
    expect((await pair.receiver.measure()).connections).toBe(0);
  });
});
