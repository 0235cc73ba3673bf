/** Accepting is the supervisor's to say: nothing before `open`, nothing after `pause`, and nothing is lost over both. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from './client.ts';
import { Listeners, startServing, startWorker } from './fake-supervisor.ts';

/** Long enough for a worker that would answer to have done so, many times over. */
const SILENCE_MS = 200;

test('nothing is accepted before open although the app says listening', async () => {
  await using worker = startWorker('answers-http.mjs');
  await worker.next('ready');
  await worker.said('\n');
  expect(JSON.parse(worker.stdout)).toEqual({
    listening: true,
    address: { address: '127.0.0.1', family: 'IPv4', port: worker.listeners.port() },
  });
  using client = await Client.connect(worker.listeners.port());
  client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
  expect(await client.staysSilent(SILENCE_MS)).toBe(true);
  expect((await worker.measure()).connections).toBe(0);
  await worker.open();
  expect(await client.answer()).toMatchObject({ status: 200, body: 'hello' });
});

test('a paused worker finishes what it has and accepts no more; open resumes', async () => {
  await using worker = await startServing('answers-http.mjs');
  using before = await Client.connect(worker.listeners.port());
  before.post('/echo', 4, 'ab');
  while ((await worker.measure()).inFlight === 0);
  await worker.pause();
  using after = await Client.connect(worker.listeners.port());
  after.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
  before.write('cd');
  expect(await before.answer()).toMatchObject({ body: 'abcd', connection: 'keep-alive' });
  expect(await before.get()).toMatchObject({ body: 'hello' });
  expect(await after.staysSilent(SILENCE_MS)).toBe(true);
  await worker.open();
  expect(await after.answer()).toMatchObject({ body: 'hello' });
});

test('pausing and opening a hundred times under connections loses none', async () => {
  await using worker = await startServing('answers-http.mjs');
  let stop = false;
  let answered = 0;
  const load = Array.from({ length: 4 }, async () => {
    while (!stop) {
      using client = await Client.connect(worker.listeners.port());
      if ((await client.get()).body === 'hello') answered++;
    }
  });
  for (let round = 0; round < 100; round++) {
    await worker.pause();
    await worker.open();
  }
  stop = true;
  await Promise.all(load);
  expect(answered).toBeGreaterThan(0);
});

test('what a paused worker does not accept, another with the same listener does', async () => {
  await using first = await startServing('answers-http.mjs', { args: ['0'] });
  await using second = startWorker('answers-http.mjs', {}, first.listeners);
  await second.next('ready');
  await first.pause();
  using client = await Client.connect(first.listeners.port());
  client.write('GET /pid HTTP/1.1\r\nHost: test\r\n\r\n');
  await second.open();
  expect((await client.answer()).body).toBe(String(second.process.pid));
});

test('a server that comes to listen after open accepts at once', async () => {
  await using worker = startWorker('listens-later.mjs');
  await worker.said('loaded');
  await worker.open();
  worker.process.stdin!.end();
  await worker.next('listening');
  using client = await Client.connect(worker.listeners.port());
  client.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
  expect((await client.answer()).status).toBe(200);
});

test('a gated and a paused worker stay alive though nothing else keeps them', async () => {
  await using worker = startWorker('echoes-net.mjs');
  await worker.next('ready');
  await worker.ping();
  await worker.open();
  await worker.pause();
  await worker.ping();
  await worker.open();
  using client = await Client.connect(worker.listeners.port());
  client.write('abc');
  expect(await client.read(3)).toBe('abc');
});

test('opening, pausing and opening again leaves no descriptor behind', async () => {
  await using worker = await startServing('answers-http.mjs');
  const count = () => readdirSync(`/proc/${worker.process.pid}/fd`).length;
  const before = count();
  for (let round = 0; round < 50; round++) {
    await worker.pause();
    await worker.open();
  }
  expect(count()).toBe(before);
});

test('a connection of the supervisor is answered while gated, and counted nowhere', async () => {
  await using worker = startWorker('answers-http.mjs');
  await worker.next('ready');
  using probe = new Client(worker.inject());
  expect(await probe.get()).toMatchObject({ status: 200, body: 'hello' });
  expect(await worker.measure()).toMatchObject({ requests: 0, inFlight: 0, connections: 0 });
});

test('a connection of the supervisor reaches an https server in clear text', async () => {
  await using worker = startWorker('answers-https.mjs');
  await worker.next('ready');
  using probe = new Client(worker.inject());
  expect((await probe.get()).status).toBe(200);
});

test('a connection of the supervisor is closed where no server speaks HTTP', async () => {
  await using worker = startWorker('echoes-net.mjs');
  await worker.next('ready');
  const socket = worker.inject().resume();
  await new Promise((resolve) => socket.once('close', resolve));
});

test('a listening server can still be passed to a child process', async () => {
  await using worker = startWorker('gives-server-away.mjs');
  await worker.said('sent null');
  await worker.said('child has "127.0.0.1"');
});

test('an app with a cluster of its own is gated, paused and resumed as a whole', async () => {
  await using worker = startWorker('is-a-cluster.mjs', { args: ['0'] });
  await worker.next('ready');
  using first = await Client.connect(worker.listeners.port());
  first.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
  expect(await first.staysSilent(SILENCE_MS)).toBe(true);
  await worker.open();
  expect((await first.answer()).status).toBe(200);
  for (let round = 0; round < 3; round++) {
    await worker.pause();
    using next = await Client.connect(worker.listeners.port());
    next.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
    expect(await next.staysSilent(SILENCE_MS)).toBe(true);
    await worker.open();
    expect((await next.answer()).status).toBe(200);
  }
});

test('the backlog is the one that the app asked for', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'batond-app-'));
  try {
    const app = join(directory, 'app.mjs');
    writeFileSync(app, "import net from 'node:net'; net.createServer().listen({ port: 0, backlog: 7 });");
    await using worker = await startServing(app);
    const filter = `sport = :${worker.listeners.port()}`;
    expect(execFileSync('ss', ['-Hltn', filter], { encoding: 'utf8' }).trim().split(/\s+/)[2]).toBe('7');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('listeners outlive the worker', async () => {
  using listeners = new Listeners();
  const first = startWorker('answers-http.mjs', {}, listeners);
  await first.next('ready');
  first.process.kill('SIGKILL');
  await first.exit();
  using client = await Client.connect(listeners.port());
  client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
  await using second = startWorker('answers-http.mjs', {}, listeners);
  await second.next('ready');
  await second.open();
  expect((await client.answer()).status).toBe(200);
  first.closeChannel();
});
