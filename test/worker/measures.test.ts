/** What a worker counts of its requests and its event loop. */
import http2 from 'node:http2';
import { expect, test } from 'vitest';
import { LAST_WORDS } from '../../src/channel/messages.js';
import { bucketOf, percentile, total } from '../../src/health/latency.js';
import { Client } from './client.ts';
import { type FakeWorker, startServing } from './fake-supervisor.ts';

const APP = 'ends-requests.mjs';

/** Until it counts so many; the worker may hear of an end after its client. */
async function until(worker: FakeWorker, reached: (measures: Awaited<ReturnType<FakeWorker['measure']>>) => boolean) {
  const deadline = AbortSignal.timeout(10_000);
  for (;;) {
    const measures = await worker.measure();
    if (reached(measures)) return measures;
    if (deadline.aborted) throw new Error(`it counts ${JSON.stringify(measures)}`);
  }
}

test('answers are counted by how long they took, and those of 5xx apart', async () => {
  await using worker = await startServing(APP);
  using client = await Client.connect(worker.listeners.port());
  expect(await worker.measure()).toMatchObject({ errors: 0, aborted: 0, delay: null });
  for (let n = 0; n < 9; n++) await client.get();
  expect((await client.get('/fails')).status).toBe(500);
  const quick = await worker.measure();
  expect(quick).toMatchObject({ requests: 10, inFlight: 0, errors: 1, aborted: 0 });
  expect(total(quick.latency)).toBe(10);
  await client.get('/blocks');
  const { latency } = await worker.measure();
  expect(latency.slice(bucketOf(150)).reduce((all, count) => all + count, 0)).toBeGreaterThanOrEqual(1);
  expect(percentile(latency, 1)).toBeGreaterThan(130);
});

test('pipelined requests are each timed from their own head', async () => {
  await using worker = await startServing(APP);
  using client = await Client.connect(worker.listeners.port());
  client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n'.repeat(5));
  for (let n = 0; n < 5; n++) await client.answer();
  const measures = await until(worker, ({ inFlight }) => inFlight === 0);
  expect(measures).toMatchObject({ requests: 5, errors: 0, aborted: 0 });
  expect(total(measures.latency)).toBe(5);
});

test('a request whose connection closes before its answer is complete was broken off', async () => {
  await using worker = await startServing(APP);
  using broken = await Client.connect(worker.listeners.port());
  broken.write('GET /breaks HTTP/1.1\r\nHost: test\r\n\r\n');
  await broken.ended;
  using leaves = await Client.connect(worker.listeners.port());
  leaves.write('GET /lasts HTTP/1.1\r\nHost: test\r\n\r\n');
  await until(worker, ({ inFlight }) => inFlight > 0);
  leaves.close();
  const measures = await until(worker, ({ aborted }) => aborted >= 2);
  expect(measures).toMatchObject({ errors: 0, aborted: 2 });
});

test('an event stream whose client leaves was not broken off: it has no other end', async () => {
  await using worker = await startServing(APP);
  using leaves = await Client.connect(worker.listeners.port());
  leaves.write('GET /events HTTP/1.1\r\nHost: test\r\n\r\n');
  await until(worker, ({ inFlight }) => inFlight === 1);
  expect(await leaves.read(12)).toBe('HTTP/1.1 200');
  leaves.close();
  const measures = await until(worker, ({ inFlight }) => inFlight === 0);
  expect(measures).toMatchObject({ requests: 1, errors: 0, aborted: 0 });
  expect(total(measures.latency)).toBe(0);
});

test('neither a probe, nor an upgrade, nor CONNECT is a request that has a latency', async () => {
  await using worker = await startServing(APP);
  using probe = new Client(worker.inject());
  expect((await probe.get('/fails')).status).toBe(500);
  for (const head of ['GET / HTTP/1.1\r\nUpgrade: echo\r\nConnection: Upgrade', 'CONNECT other:80 HTTP/1.1']) {
    using client = await Client.connect(worker.listeners.port());
    client.write(`${head}\r\nHost: test\r\n\r\n`);
    expect((await client.answer()).status).toBe(101);
  }
  const measures = await until(worker, ({ connections }) => connections === 0);
  expect(measures).toMatchObject({ requests: 0, errors: 0, aborted: 0 });
  expect(total(measures.latency)).toBe(0);
});

test('an event stream has no latency, however it ends', async () => {
  await using worker = await startServing(APP);
  using client = await Client.connect(worker.listeners.port());
  using other = await Client.connect(worker.listeners.port());
  client.write('GET /events HTTP/1.1\r\nHost: test\r\n\r\n');
  await until(worker, ({ inFlight }) => inFlight === 1);
  // A second is what an answer may take before it is asked what it was.
  for (const since = performance.now(); performance.now() - since < 1_050; ) await other.get('/blocks');
  const blocks = (await worker.measure()).requests - 1;
  await other.get('/end');
  const measures = await until(worker, ({ inFlight }) => inFlight === 0);
  expect(total(measures.latency)).toBe(blocks + 1);
});

test('streams of HTTP/2 are counted alike', async () => {
  await using worker = await startServing(APP, { args: ['http2'] });
  const session = http2.connect(`http://127.0.0.1:${worker.listeners.port()}`);
  const ask = (path: string) =>
    new Promise<number>((resolve) => {
      let status = 0;
      const stream = session.request({ ':path': path });
      stream.on('response', (headers) => {
        status = Number(headers[':status']);
      });
      stream
        .on('error', () => {})
        .on('close', () => resolve(status))
        .resume();
    });
  expect([await ask('/'), await ask('/'), await ask('/fails')]).toEqual([200, 200, 500]);
  const before = await until(worker, ({ inFlight }) => inFlight === 0);
  expect(before).toMatchObject({ requests: 3, errors: 1, aborted: 0 });
  expect(total(before.latency)).toBe(3);
  void ask('/events');
  void ask('/lasts');
  await until(worker, ({ inFlight }) => inFlight === 2);
  session.destroy();
  const after = await until(worker, ({ inFlight }) => inFlight === 0);
  expect(after).toMatchObject({ requests: 5, errors: 1, aborted: 1 });
  expect(total(after.latency)).toBe(3);
});

test('the event loop is watched from when it is asked for, and its time adds up', async () => {
  await using worker = await startServing(APP);
  using client = await Client.connect(worker.listeners.port());
  expect((await worker.measure({ delay: true })).delay).toEqual(expect.objectContaining({ count: 0 }));
  await client.get('/blocks');
  const { delay, loop } = await until(worker, (measures) => (measures.delay?.maxMs ?? 0) > 100);
  expect(delay!.sumMs).toBeGreaterThanOrEqual(delay!.maxMs);
  expect(total(delay!.over)).toBe(delay!.count);
  expect(percentile(delay!.over, 1)).toBeGreaterThan(90);
  expect(loop.activeMs).toBeGreaterThan(100);
  const later = await worker.measure();
  expect(later.loop.activeMs + later.loop.idleMs).toBeGreaterThan(loop.activeMs + loop.idleMs);
});

test('who is scraped tells of its process too, from the first time on, and of its collections', async () => {
  await using worker = await startServing(APP, { nodeArgs: ['--expose-gc'] });
  using client = await Client.connect(worker.listeners.port());
  expect((await worker.measure()).detail).toBeNull();
  const first = await worker.measure({ scraped: true });
  expect(first.delay).not.toBeNull();
  expect(first.detail!.heapLimitBytes).toBeGreaterThan(first.detail!.heapTotalBytes);
  await client.get('/collects');
  const { detail } = await until(worker, (measures) => (measures.detail?.collections.major.count ?? 0) > 0);
  expect(detail!.collections.major.ms).toBeGreaterThan(0);
  expect(detail!.userMs).toBeGreaterThan(first.detail!.userMs);
});

test('what it has counted is said once more when it has drained, and when it exits, however it does', async () => {
  await using worker = await startServing(APP);
  using client = await Client.connect(worker.listeners.port());
  for (let n = 0; n < 3; n++) await client.get();
  await worker.drain('close');
  expect(await worker.next('measures')).toMatchObject({ id: LAST_WORDS, requests: 3, inFlight: 0 });
  await using other = await startServing(APP);
  using last = await Client.connect(other.listeners.port());
  await last.get();
  last.write('GET /throws HTTP/1.1\r\nHost: test\r\n\r\n');
  await other.exit();
  expect(await other.next('measures')).toMatchObject({ id: LAST_WORDS, requests: 2 });
});
