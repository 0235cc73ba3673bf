/** New connections that a worker hands to another by what the first request says, or by chance; in doubt it keeps them. */
import { expect, test } from 'vitest';
import type { Diversion } from '../../src/channel/diversion.ts';
import { native } from '../../src/native.ts';
import { Client } from './client.ts';
import { type FakeWorker, Listeners, startWorker } from './fake-supervisor.ts';

const V2: Diversion = { by: 'header', name: 'X-Canary', value: 'v2', share: 1_000 };
const HEAD = 'GET /who HTTP/1.1\r\nHost: test\r\n';

/** Two workers of one listener; the second accepts nothing by itself. */
class Two implements AsyncDisposable {
  readonly incumbent: FakeWorker;
  readonly candidate: FakeWorker;

  private constructor(app: string) {
    const listeners = new Listeners();
    this.incumbent = startWorker(app, {}, listeners);
    this.candidate = startWorker(app, {}, listeners);
  }

  static async start(diversion: Diversion, app = 'answers-http.mjs'): Promise<Two> {
    const two = new Two(app);
    await Promise.all([two.incumbent.next('ready'), two.candidate.next('ready')]);
    await two.incumbent.open();
    two.introduce();
    await two.divert(diversion);
    return two;
  }

  get port(): number {
    return this.incumbent.listeners.port();
  }

  introduce(): void {
    const [ours, theirs] = native().socketpair('seqpacket');
    this.incumbent.send({ type: 'link', peer: 'candidate', takes: true }, [ours]);
    this.candidate.send({ type: 'link', peer: 'incumbent' }, [theirs]);
    native().close(ours);
    native().close(theirs);
  }

  async divert(diversion: Diversion, listeners = this.incumbent.listeners.names): Promise<void> {
    this.incumbent.send({ type: 'divert', diversion, listeners });
    await this.incumbent.ping();
  }

  /** How many connections each has been the server of. */
  async accepted(): Promise<[number, number]> {
    const [one, other] = await Promise.all([this.incumbent.measure(), this.candidate.measure()]);
    return [one.accepted!, other.accepted!];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.candidate[Symbol.asyncDispose]();
    await this.incumbent[Symbol.asyncDispose]();
  }
}

async function answerOf(two: Two, ...parts: string[]): Promise<number> {
  using client = await Client.connect(two.port);
  client.socket.setNoDelay(true);
  for (const part of parts) {
    client.write(part);
    // Each part is read by itself: the worker has seen the one before.
    await two.incumbent.ping();
  }
  return (await client.answer()).status;
}

test('a request with the header goes over, and every other stays', async () => {
  await using two = await Two.start(V2);
  expect(await answerOf(two, `${HEAD}x-canary: v2\r\n\r\n`)).toBe(200);
  expect(await two.accepted()).toEqual([0, 1]);
  for (const other of ['', 'x-canary: v1\r\n', 'cookie: x-canary=v2\r\n']) {
    expect(await answerOf(two, `${HEAD}${other}\r\n`)).toBe(200);
  }
  expect(await two.accepted()).toEqual([3, 1]);
});

test('a head that comes in pieces is waited for, and is read whole by whoever gets it', async () => {
  await using two = await Two.start(V2);
  const head = `${HEAD}X-Canary: v2\r\n\r\n`;
  expect(await answerOf(two, ...head.match(/.{1,7}/gs)!)).toBe(200);
  expect(await answerOf(two, ...head)).toBe(200);
  expect(await two.accepted()).toEqual([0, 2]);
  expect(await answerOf(two, ...`${HEAD}\r\n`)).toBe(200);
  expect(await two.accepted()).toEqual([1, 2]);
});

test('what never says enough is the first worker’s after a second: silence, half a head, too much of it, another protocol', async () => {
  await using two = await Two.start(V2);
  const begun = await Promise.all(
    ['', HEAD, `${HEAD}a: ${'x'.repeat(9_000)}\r\n`, '\x16\x03\x01'].map(async (text) => {
      const client = await Client.connect(two.port);
      client.write(text);
      return client;
    }),
  );
  await two.incumbent.until('all four are its own', () => null, untilAccepted(two, 4));
  expect(await two.accepted()).toEqual([4, 0]);
  begun[0]!.write(`${HEAD}X-Canary: v2\r\n\r\n`);
  begun[1]!.write('\r\n');
  expect((await begun[0]!.answer()).status).toBe(200);
  expect((await begun[1]!.answer()).status).toBe(200);
  for (const client of begun) client.socket.destroy();
});

test('a client that ends before it has said anything, and one that ends its side behind its request', async () => {
  await using two = await Two.start(V2);
  const gone = await Client.connect(two.port);
  // One that came later has been served, so that one has been accepted and is waited for.
  expect(await answerOf(two, `${HEAD}\r\n`)).toBe(200);
  gone.socket.resetAndDestroy();
  await two.incumbent.until('it is not waited for any more', () => null, untilAccepted(two, 2));
  using half = await Client.connect(two.port);
  half.socket.end(`${HEAD}X-Canary: v2\r\nConnection: close\r\n\r\n`);
  expect((await half.answer()).status).toBe(200);
  expect((await two.accepted())[1]).toBe(1);
});

test('with nobody to take it, or one that dies, the connection is served where it is', async () => {
  await using two = await Two.start(V2);
  two.candidate.process.kill('SIGSTOP');
  using waiting = await Client.connect(two.port);
  waiting.write(`${HEAD}X-Canary: v2\r\n\r\n`);
  await two.incumbent.ping();
  two.candidate.process.kill('SIGKILL');
  expect((await waiting.answer()).status).toBe(200);
  expect(await answerOf(two, `${HEAD}X-Canary: v2\r\n\r\n`)).toBe(200);
  expect((await two.incumbent.measure()).accepted).toBe(2);
});

test('one that is silent has the connection for two seconds, then the first worker has it', async () => {
  await using two = await Two.start(V2);
  two.candidate.process.kill('SIGSTOP');
  expect(await answerOf(two, `${HEAD}X-Canary: v2\r\n\r\n`)).toBe(200);
  two.candidate.process.kill('SIGCONT');
  await two.candidate.ping();
  expect(await two.accepted()).toEqual([1, 0]);
});

test('a pause gives back what was waited for; open ends the diversion', async () => {
  await using two = await Two.start(V2);
  using waiting = await Client.connect(two.port);
  waiting.write(HEAD);
  // One that came later has been served, so that one has been accepted and is waited for.
  expect(await answerOf(two, `${HEAD}\r\n`)).toBe(200);
  await two.incumbent.pause();
  waiting.write('X-Canary: v2\r\n\r\n');
  expect((await waiting.answer()).status).toBe(200);
  await two.incumbent.open();
  expect(await answerOf(two, `${HEAD}X-Canary: v2\r\n\r\n`)).toBe(200);
  expect(await two.accepted()).toEqual([3, 0]);
});

test('by chance any protocol goes over, a share of it', async () => {
  await using two = await Two.start({ by: 'chance', share: 1_000 }, 'echoes-net.mjs');
  const clients = await Promise.all(Array.from({ length: 20 }, () => Client.connect(two.port)));
  await two.candidate.until('all are its own', () => null, untilAccepted(two, 20));
  expect(await two.accepted()).toEqual([0, 20]);
  await two.divert({ by: 'chance', share: 0 });
  clients.push(await Client.connect(two.port));
  await two.incumbent.until('it is its own', () => null, untilAccepted(two, 21));
  expect(await two.accepted()).toEqual([1, 20]);
  for (const client of clients) client.socket.destroy();
});

/** Resolves when the two have so many together: asked again and again, since nobody tells. */
async function untilAccepted(two: Two, count: number): Promise<true> {
  for (;;) {
    const [one, other] = await two.accepted();
    if (one + other >= count) return true;
  }
}
