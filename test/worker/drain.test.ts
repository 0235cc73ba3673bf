/** Leaving loses nothing: what has begun is finished, what is idle is told, and nobody is reset. */
import http2 from 'node:http2';
import tls from 'node:tls';
import { expect, test } from 'vitest';
import { Client } from './client.ts';
import { startServing } from './fake-supervisor.ts';

test('a busy worker answers 50 keep-alive clients once more, with Connection: close, and resets none', async () => {
  await using worker = await startServing('answers-http.mjs');
  let answers = 0;
  const clients = Array.from({ length: 50 }, async () => {
    using client = await Client.connect(worker.listeners.port());
    for (;;) {
      client.post('/later', 3, 'abc');
      const answer = await client.answer();
      expect(answer.body).toBe('abc');
      answers++;
      if (answer.connection === 'close') return await client.ended;
      expect(answer.connection).toBe('keep-alive');
    }
  });
  while (answers < 500) await worker.measure();
  const drained = worker.drain();
  expect(new Set(await Promise.all(clients))).toEqual(new Set(['fin']));
  await drained;
  expect(await worker.measure()).toMatchObject({ connections: 0, inFlight: 0 });
});

test('a request written into an idle connection as the drain starts is answered', async () => {
  for (let round = 0; round < 10; round++) {
    await using worker = await startServing('answers-http.mjs');
    const clients = await Promise.all(Array.from({ length: 20 }, () => Client.connect(worker.listeners.port())));
    await Promise.all(clients.map((client) => client.get()));
    // The channel and the connections become readable in the same turn of the worker's loop, in either order.
    for (const client of clients.slice(0, 10)) client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
    const drained = worker.drain(round % 2 === 0 ? 'wait' : 'close');
    if (round % 2 === 0) for (const client of clients.slice(10)) client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
    const asked = round % 2 === 0 ? clients : clients.slice(0, 10);
    await Promise.all(
      asked.map(async (client) => {
        let answer = await client.answer();
        expect(answer.body).toBe('hello');
        // Answered before the worker read `drain`, which may be some answers late: libuv reads on while a client writes.
        while (round % 2 === 0 && answer.connection !== 'close') answer = await client.get();
      }),
    );
    for (const client of clients) expect(await client.ended).toBe('fin');
    for (const client of clients) client.close();
    await drained;
  }
});

test('an idle connection stays open until its next request', async () => {
  await using worker = await startServing('answers-http.mjs');
  using client = await Client.connect(worker.listeners.port());
  await client.get();
  const drained = worker.drain('wait');
  await worker.ping();
  expect(await client.staysSilent(100)).toBe(true);
  expect(worker.untaken('drained')).toEqual([]);
  expect(await client.get()).toMatchObject({ body: 'hello', connection: 'close' });
  expect(await client.ended).toBe('fin');
  await drained;
});

test('an idle connection gets a FIN where idle ones are closed, and one with half a request does not', async () => {
  await using worker = await startServing('answers-http.mjs');
  using idle = await Client.connect(worker.listeners.port());
  using half = await Client.connect(worker.listeners.port());
  await Promise.all([idle.get(), half.get()]);
  half.write('GET / HTTP/1.1\r\nHo');
  using busy = await Client.connect(worker.listeners.port());
  busy.post('/echo', 2, 'a');
  while ((await worker.measure()).inFlight === 0);
  const drained = worker.drain('close');
  expect(await idle.ended).toBe('fin');
  idle.close();
  half.write('st: test\r\n\r\n');
  expect(await half.answer()).toMatchObject({ body: 'hello', connection: 'close' });
  busy.write('b');
  expect(await busy.answer()).toMatchObject({ body: 'ab', connection: 'close' });
  await drained;
});

test('a connection that has asked for nothing yet is closed with the idle ones', async () => {
  await using worker = await startServing('answers-http.mjs');
  using client = await Client.connect(worker.listeners.port());
  while ((await worker.measure()).connections === 0);
  const drained = worker.drain('close');
  expect(await client.ended).toBe('fin');
  client.close();
  await drained;
});

test('closing the idle may follow waiting for them, and both are told', async () => {
  await using worker = await startServing('answers-http.mjs');
  using client = await Client.connect(worker.listeners.port());
  await client.get();
  const first = worker.drain('wait');
  const second = worker.drain('close');
  expect(await client.ended).toBe('fin');
  client.close();
  expect((await first).id).not.toBe((await second).id);
});

test('a connection that becomes idle while idle ones are closed is closed too', async () => {
  await using worker = await startServing('answers-http.mjs');
  using client = await Client.connect(worker.listeners.port());
  client.post('/head', 2, 'a');
  await client.read(1);
  const drained = worker.drain('close');
  await worker.ping();
  client.write('b');
  expect(await client.ended).toBe('fin');
  client.close();
  await drained;
});

test('an upload in flight is read to its end and answered', async () => {
  await using worker = await startServing('answers-http.mjs');
  using client = await Client.connect(worker.listeners.port());
  client.post('/echo', 6, 'ab');
  while ((await worker.measure()).inFlight === 0);
  const drained = worker.drain();
  await worker.ping();
  client.write('cd');
  await worker.ping();
  expect(worker.untaken('drained')).toEqual([]);
  client.write('ef');
  expect(await client.answer()).toMatchObject({ body: 'abcdef', connection: 'close' });
  expect(await client.ended).toBe('fin');
  await drained;
});

test('a client that is still uploading when its answer comes is not cut off', async () => {
  await using worker = await startServing('answers-http.mjs');
  using client = await Client.connect(worker.listeners.port());
  await client.get();
  const drained = worker.drain();
  await worker.ping();
  client.post('/early', 300_000, 'x'.repeat(100_000));
  expect(await client.answer()).toMatchObject({ status: 413, connection: 'keep-alive' });
  client.write('x'.repeat(200_000));
  expect(await client.get()).toMatchObject({ status: 200, connection: 'close' });
  expect(await client.ended).toBe('fin');
  await drained;
});

test('requests that were pipelined are all answered, and the last says close', async () => {
  await using worker = await startServing('answers-http.mjs');
  using client = await Client.connect(worker.listeners.port());
  using other = await Client.connect(worker.listeners.port());
  await other.get();
  client.write('GET /held HTTP/1.1\r\nHost: test\r\n\r\n'.repeat(3));
  while ((await worker.measure()).inFlight < 3);
  const drained = worker.drain();
  await worker.ping();
  expect((await other.get('/release')).connection).toBe('close');
  const answers = [await client.answer(), await client.answer(), await client.answer()];
  expect(answers.map(({ connection }) => connection)).toEqual(['keep-alive', 'keep-alive', 'close']);
  expect(await client.ended).toBe('fin');
  await drained;
});

test('an upgraded connection is waited for', async () => {
  await using worker = await startServing('answers-http.mjs');
  using client = await Client.connect(worker.listeners.port());
  client.write('GET / HTTP/1.1\r\nHost: test\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
  expect((await client.answer()).status).toBe(101);
  const drained = worker.drain('close');
  client.write('still here');
  expect(await client.read(10)).toBe('still here');
  expect(worker.untaken('drained')).toEqual([]);
  client.socket.end();
  await drained;
});

test('connections of a plain net server are waited for', async () => {
  await using worker = await startServing('echoes-net.mjs');
  using client = await Client.connect(worker.listeners.port());
  client.write('a');
  await client.read(1);
  const drained = worker.drain('close');
  client.write('b');
  expect(await client.read(1)).toBe('b');
  expect(worker.untaken('drained')).toEqual([]);
  client.socket.end();
  await drained;
});

test('connections of a tls server are waited for', async () => {
  await using worker = await startServing('echoes-tls.mjs');
  const socket = tls.connect({ port: worker.listeners.port(), host: '127.0.0.1', rejectUnauthorized: false });
  using client = new Client(socket);
  client.write('a');
  await client.read(1);
  const drained = worker.drain('close');
  client.write('b');
  expect(await client.read(1)).toBe('b');
  expect(worker.untaken('drained')).toEqual([]);
  socket.end();
  await drained;
});

test('an https connection is closed with its next answer, or when idle ones are', async () => {
  await using worker = await startServing('answers-https.mjs');
  const connect = () =>
    new Client(tls.connect({ port: worker.listeners.port(), host: '127.0.0.1', rejectUnauthorized: false }));
  using one = connect();
  using other = connect();
  expect((await one.get()).connection).toBe('keep-alive');
  expect((await other.get()).connection).toBe('keep-alive');
  const first = worker.drain('wait');
  await worker.ping();
  expect((await one.get()).connection).toBe('close');
  expect(await one.ended).toBe('fin');
  const second = worker.drain('close');
  expect(await other.ended).toBe('fin');
  other.close();
  await Promise.all([first, second]);
});

test.each(['secure', 'clear'])('an HTTP/2 session (%s) finishes its streams and goes away', async (kind) => {
  await using worker = await startServing('answers-http2.mjs', { args: [kind] });
  const origin = `${kind === 'secure' ? 'https' : 'http'}://127.0.0.1:${worker.listeners.port()}`;
  const session = http2.connect(origin, { rejectUnauthorized: false });
  const ask = (method: string) => {
    const stream = session.request({ ':path': '/', ':method': method });
    const answer = new Promise<string>((resolve, reject) => {
      let body = '';
      stream.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      stream.on('end', () => resolve(body)).on('error', reject);
    });
    return { stream, answer };
  };
  expect(await ask('GET').answer).toBe('hello');
  const upload = ask('POST');
  upload.stream.write('a');
  while ((await worker.measure()).inFlight === 0);
  // Written, and perhaps not read, when the drain begins; what the client has not written yet it refuses by itself.
  await new Promise((resolve) => session.ping(resolve));
  const written = session.socket.bytesWritten;
  const late = ask('GET');
  while (session.socket.bytesWritten === written) await new Promise((resolve) => setImmediate(resolve));
  const drained = worker.drain();
  expect(await late.answer).toBe('hello');
  upload.stream.end('b');
  expect(await upload.answer).toBe('hello');
  await new Promise((resolve) => session.once('close', resolve));
  await drained;
  expect(await worker.measure()).toMatchObject({ requests: 3, inFlight: 0, connections: 0 });
});

test('a drained worker holds its port no longer', async () => {
  await using worker = await startServing('answers-http.mjs');
  const port = worker.listeners.port();
  await worker.drain();
  worker.listeners[Symbol.dispose]();
  const client = await Client.connect(port);
  expect(await client.ended).toBe('refused');
});

test('a drained worker stays until it is told to end, and ends as any app does', async () => {
  await using worker = await startServing('answers-http.mjs');
  await worker.drain();
  await worker.ping();
  worker.process.kill('SIGTERM');
  expect(await worker.exit()).toEqual({ code: null, signal: 'SIGTERM' });
});

test('a worker whose supervisor is gone for good finishes what it has and ends', async () => {
  await using worker = await startServing('answers-http.mjs');
  using client = await Client.connect(worker.listeners.port());
  client.post('/echo', 2, 'a');
  while ((await worker.measure()).inFlight === 0);
  worker.closeChannel();
  client.write('b');
  let answer = await client.answer();
  expect(answer.body).toBe('ab');
  // Answered before the worker saw the end of its channel: a later answer ends the connection.
  while (answer.connection !== 'close') answer = await client.get();
  expect(await worker.exit()).toEqual({ code: null, signal: 'SIGTERM' });
});

test('a gated worker whose supervisor is gone ends too', async () => {
  await using worker = await startServing('echoes-net.mjs');
  worker.closeChannel();
  expect(await worker.exit()).toEqual({ code: null, signal: 'SIGTERM' });
});
