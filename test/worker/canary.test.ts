/** A listener with a second socket: a worker accepts on the sockets that it is told, and on no others. */
import { expect, test } from 'vitest';
import { openBeside, setShare } from '../../src/inventory/canary-socket.ts';
import { type Fd, native } from '../../src/native.ts';
import { Client } from './client.ts';
import { type FakeWorker, Listeners, startWorker } from './fake-supervisor.ts';

const SILENCE_MS = 200;

/** The first listener of the worker, which gets a second socket. */
class Pair implements Disposable {
  readonly first: Fd;
  readonly second: Fd;
  readonly name: string;

  constructor(worker: FakeWorker) {
    const name = worker.listeners.names[0]!;
    this.name = name;
    this.first = worker.listeners.give(JSON.parse(name), 511).fd;
    this.second = openBeside(this.first);
  }

  /** A connection that waits in one of the two. */
  async connect(worker: FakeWorker, which: 'first' | 'second'): Promise<Client> {
    setShare(this.first, which === 'first' ? 0 : 1_000);
    const client = await Client.connect(worker.listeners.port());
    client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
    return client;
  }

  [Symbol.dispose](): void {
    native().close(this.second);
  }
}

let lastId = 0;

async function open(worker: FakeWorker, on: 'all' | 'main' | 'canary'): Promise<void> {
  worker.send({ type: 'open', id: ++lastId, on });
  expect(await worker.next('opened')).toMatchObject({ on });
}

test.each([
  ['answers-http.mjs', []],
  ['is-a-cluster.mjs', ['0']],
] as const)('%s accepts on the second socket, on the first, or on both, as it is told', async (app, args) => {
  await using worker = startWorker(app, { args });
  await worker.next('ready');
  using pair = new Pair(worker);
  worker.send({ type: 'canary', name: pair.name }, [pair.second]);
  for (const [on, first, second] of [
    ['canary', false, true],
    ['main', true, false],
    ['all', true, true],
    ['canary', false, true],
    ['all', true, true],
  ] as const) {
    await open(worker, on);
    using inFirst = await pair.connect(worker, 'first');
    using inSecond = await pair.connect(worker, 'second');
    for (const [client, served] of [
      [inFirst, first],
      [inSecond, second],
    ] as const) {
      if (served) expect((await client.answer()).status).toBe(200);
      else expect(await client.staysSilent(SILENCE_MS)).toBe(true);
    }
    // What waited is served by the next who is told to.
    await open(worker, 'all');
    if (!first) expect((await inFirst.answer()).status).toBe(200);
    if (!second) expect((await inSecond.answer()).status).toBe(200);
  }
  await worker.pause();
  using waiting = await pair.connect(worker, 'second');
  expect(await waiting.staysSilent(SILENCE_MS)).toBe(true);
  await open(worker, 'all');
  expect((await waiting.answer()).status).toBe(200);
});

test('a second socket that comes while it accepts is accepted on, and coming again changes nothing', async () => {
  await using worker = startWorker('answers-http.mjs');
  await worker.next('ready');
  await open(worker, 'all');
  using pair = new Pair(worker);
  for (let round = 0; round < 3; round++) worker.send({ type: 'canary', name: pair.name }, [pair.second]);
  worker.send({ type: 'canary', name: 'nobody has it' }, [pair.second]);
  {
    using client = await pair.connect(worker, 'second');
    expect((await client.answer()).status).toBe(200);
  }
  expect(await worker.attend()).toMatchObject({ open: true, on: 'all' });
  expect((await worker.measure()).accepted).toBe(1);
  await worker.drain();
  using late = await pair.connect(worker, 'second');
  expect(await late.staysSilent(SILENCE_MS)).toBe(true);
});

test('a worker that is told as by an older supervisor accepts on both', async () => {
  await using worker = startWorker('answers-http.mjs', {}, new Listeners());
  await worker.next('ready');
  using pair = new Pair(worker);
  worker.send({ type: 'canary', name: pair.name }, [pair.second]);
  await worker.open();
  for (const which of ['first', 'second'] as const) {
    using client = await pair.connect(worker, which);
    expect((await client.answer()).status).toBe(200);
  }
});
