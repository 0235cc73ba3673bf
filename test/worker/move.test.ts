/** Open connections move to another worker, and their clients notice nothing. */
import { expect, test } from 'vitest';
import { freePort } from '../support/service/free-port.js';
import { Client } from './client.ts';
import { type FakeWorker, startWorker } from './fake-supervisor.ts';
import { pidOf, startPair } from './pair.ts';

const MOVED = (moved: number) => ({ moved, finished: 0, told: 0, cut: 0 });

test.each(['gated', 'open', 'paused'])('an idle connection moves to a worker that is %s', async (state) => {
  await using pair = await startPair();
  using client = await pair.connect();
  expect(await pidOf(client)).toBe(pair.sender.process.pid);
  if (state !== 'gated') await pair.receiver.open();
  if (state === 'paused') await pair.receiver.pause();
  pair.sender.link(pair.receiver);
  expect((await pair.sender.drain('move')).tally).toEqual(MOVED(1));
  expect((await pair.receiver.measure()).connections).toBe(1);
  const { body, connection } = await client.get('/pid');
  expect(Number(body)).toBe(pair.receiver.process.pid);
  expect(connection).toBe('keep-alive');
  expect(await pidOf(client)).toBe(pair.receiver.process.pid);
});

test('a connection that has asked for nothing yet moves, and is no more idle there than it was', async () => {
  // An idle one would be ended after 100 ms and Node's own second.
  await using pair = await startPair(['100']);
  using unused = await pair.connect();
  using idle = await pair.connect();
  await pidOf(idle);
  pair.sender.link(pair.receiver);
  expect((await pair.sender.drain('move')).tally).toEqual(MOVED(2));
  expect(await idle.ended).toBe('fin');
  expect(await pidOf(unused)).toBe(pair.receiver.process.pid);
});

test('a connection that has asked for nothing yet may be written to as it moves, and moves on', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  await pair.sender.ping();
  pair.sender.process.kill('SIGSTOP');
  pair.sender.link(pair.receiver);
  const drained = pair.sender.drain('move');
  const answer = pidOf(client);
  pair.sender.process.kill('SIGCONT');
  expect([pair.sender.process.pid, pair.receiver.process.pid]).toContain(await answer);
  expect((await drained).tally).toEqual(MOVED(1));
  expect(await pidOf(client)).toBe(pair.receiver.process.pid);
});

test('a connection with a request in flight finishes it, and then moves', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  client.post('/echo', 2, 'a');
  while ((await pair.sender.measure()).inFlight === 0);
  pair.sender.link(pair.receiver);
  const drained = pair.sender.drain('move');
  await pair.sender.ping();
  expect(pair.sender.untaken('drained')).toEqual([]);
  client.write('b');
  expect(await client.answer()).toMatchObject({ body: 'ab', connection: 'keep-alive' });
  expect((await drained).tally).toEqual(MOVED(1));
  expect(await pidOf(client)).toBe(pair.receiver.process.pid);
});

test('a connection with half a request head stays until it is answered', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  await pidOf(client);
  client.write('GET /pid HTTP/1.1\r\nHo');
  await pair.sender.ping();
  pair.sender.link(pair.receiver);
  const drained = pair.sender.drain('move');
  await pair.sender.ping();
  await pair.sender.ping();
  expect(pair.sender.untaken('drained')).toEqual([]);
  client.write('st: test\r\n\r\n');
  expect(await client.answer()).toMatchObject({ body: String(pair.sender.process.pid), connection: 'keep-alive' });
  expect((await drained).tally).toEqual(MOVED(1));
  expect(await pidOf(client)).toBe(pair.receiver.process.pid);
});

test('requests that were pipelined are all answered before their connection moves', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  client.write(`POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na`);
  while ((await pair.sender.measure()).inFlight === 0);
  pair.sender.link(pair.receiver);
  const drained = pair.sender.drain('move');
  client.write('bGET /pid HTTP/1.1\r\nHost: test\r\n\r\nGET /pid HTTP/1.1\r\nHost: test\r\n\r\n');
  const answers = [await client.answer(), await client.answer(), await client.answer()];
  const sender = String(pair.sender.process.pid);
  expect(answers.map(({ body }) => body)).toEqual(['ab', sender, sender]);
  expect((await drained).tally).toEqual(MOVED(1));
  expect(await pidOf(client)).toBe(pair.receiver.process.pid);
});

test('a request that arrives as its connection moves is answered by the receiver', async () => {
  await using pair = await startPair();
  const clients = await Promise.all(Array.from({ length: 20 }, () => pair.connect()));
  await Promise.all(clients.map(pidOf));
  pair.sender.process.kill('SIGSTOP');
  pair.sender.link(pair.receiver);
  const drained = pair.sender.drain('move');
  const answers = Promise.all(clients.map(pidOf));
  pair.sender.process.kill('SIGCONT');
  const pids = new Set(await answers);
  for (const pid of pids) expect([pair.sender.process.pid, pair.receiver.process.pid]).toContain(pid);
  expect((await drained).tally).toEqual(MOVED(20));
  expect(new Set(await Promise.all(clients.map(pidOf)))).toEqual(new Set([pair.receiver.process.pid]));
  for (const client of clients) client.close();
});

test('an answer that a slow client has not read yet arrives whole, and then its connection moves', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  using other = await pair.connect();
  await pidOf(other);
  client.socket.pause();
  client.write('GET /big HTTP/1.1\r\nHost: test\r\n\r\n');
  while ((await pair.sender.measure()).inFlight === 0);
  pair.sender.link(pair.receiver);
  const drained = pair.sender.drain('move');
  await pair.sender.ping();
  while ((await pair.receiver.measure()).connections === 0);
  client.socket.resume();
  expect((await client.answer()).body).toHaveLength(32 * 1024 * 1024);
  expect((await drained).tally).toEqual(MOVED(2));
  expect(await pidOf(client)).toBe(pair.receiver.process.pid);
});

test('300 connections are spread evenly over two receivers', async () => {
  await using pair = await startPair();
  await using other = startWorker('moves-http.mjs', {}, pair.listeners);
  await other.next('ready');
  const clients = await Promise.all(Array.from({ length: 300 }, () => pair.connect()));
  await Promise.all(clients.map(pidOf));
  pair.sender.link(pair.receiver);
  pair.sender.link(other);
  expect((await pair.sender.drain('move')).tally).toEqual(MOVED(300));
  const [one, two] = [(await pair.receiver.measure()).connections, (await other.measure()).connections];
  expect(one + two).toBe(300);
  // One that is slow to accept is waited for, but not at each single connection.
  expect(Math.abs(one - two)).toBeLessThanOrEqual(16);
  await Promise.all(clients.map(pidOf));
  for (const client of clients) client.close();
});

test('600 connections, which are more than one packet carries, move to one receiver', async () => {
  await using pair = await startPair();
  const clients = await Promise.all(Array.from({ length: 600 }, () => pair.connect()));
  await Promise.all(clients.map(pidOf));
  pair.sender.link(pair.receiver);
  expect((await pair.sender.drain('move')).tally).toEqual(MOVED(600));
  expect(new Set(await Promise.all(clients.map(pidOf)))).toEqual(new Set([pair.receiver.process.pid]));
  for (const client of clients) client.close();
});

test('a receiver that has no such listener takes nothing, and the sender answers once more', async () => {
  await using pair = await startPair([], ['60000', '', String(await freePort())]);
  using client = await pair.connect();
  await pidOf(client);
  pair.sender.link(pair.receiver);
  const drained = pair.sender.drain('move');
  await pair.sender.ping();
  let answer = await client.get('/pid');
  while (answer.connection !== 'close') answer = await client.get('/pid');
  expect(Number(answer.body)).toBe(pair.sender.process.pid);
  expect(await client.ended).toBe('fin');
  expect((await drained).tally).toEqual({ moved: 0, finished: 0, told: 1, cut: 0 });
});

test('a receiver takes no more than its maxConnections', async () => {
  await using pair = await startPair([], ['60000', '3']);
  const clients = await Promise.all(Array.from({ length: 5 }, () => pair.connect()));
  await Promise.all(clients.map(pidOf));
  pair.sender.link(pair.receiver);
  const drained = pair.sender.drain('move');
  while ((await pair.receiver.measure()).connections < 3);
  const answers = await Promise.all(clients.map((client) => client.get('/pid')));
  expect(answers.filter(({ connection }) => connection === 'close')).toHaveLength(2);
  expect((await drained).tally).toEqual({ moved: 3, finished: 0, told: 2, cut: 0 });
  for (const client of clients) client.close();
});

test('a connection whose bytes the app reads itself stays', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  await client.get('/taps');
  pair.sender.link(pair.receiver);
  const drained = pair.sender.drain('move');
  await pair.sender.ping();
  expect(await client.get('/pid')).toMatchObject({ body: String(pair.sender.process.pid), connection: 'close' });
  expect((await drained).tally).toMatchObject({ moved: 0, told: 1 });
});

test('one that says nothing after it has moved ends with the keep-alive time, silently', async () => {
  // To Node a connection that owes its first request is over after the last of these, with an answer.
  await using pair = await startPair(['1000', '', '0', '300']);
  using client = await pair.connect();
  await pidOf(client);
  pair.sender.link(pair.receiver);
  await pair.sender.drain('move');
  const start = performance.now();
  expect(await client.ended).toBe('fin');
  expect(performance.now() - start).toBeGreaterThan(900);
  await expect(client.answer()).rejects.toThrow('after ""');
});

test('one that has moved is held to the time-out for a request head like any other', async () => {
  await using pair = await startPair(['60000', '', '0', '300']);
  using client = await pair.connect();
  await pidOf(client);
  pair.sender.link(pair.receiver);
  await pair.sender.drain('move');
  client.write('GET /pid HTTP/1.1\r\nHo');
  expect((await client.answer()).status).toBe(408);
});

test('a server that the app closes has its idle connections closed, those that moved there too', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  await pidOf(client);
  pair.sender.link(pair.receiver);
  await pair.sender.drain('move');
  await pair.receiver.open();
  using other = await pair.connect();
  expect((await other.get('/close')).body).toBe('closed');
  expect(await client.ended).toBe('fin');
});

test('connections that have moved move on', async () => {
  await using pair = await startPair();
  using silent = await pair.connect();
  using client = await pair.connect();
  await Promise.all([pidOf(silent), pidOf(client)]);
  pair.sender.link(pair.receiver);
  await pair.sender.drain('move');
  await pidOf(client);
  await using third = startWorker('moves-http.mjs', {}, pair.listeners);
  await third.next('ready');
  pair.receiver.link(third);
  expect((await pair.receiver.drain('move')).tally).toEqual(MOVED(2));
  expect(await pidOf(silent)).toBe(third.process.pid);
  expect(await pidOf(client)).toBe(third.process.pid);
});

test('ten rounds leave no descriptor behind', async () => {
  await using pair = await startPair();
  await pair.receiver.open();
  await pair.receiver.pause();
  const descriptors = async (worker: FakeWorker) => {
    const client = new Client(worker.inject());
    const { body } = await client.get('/descriptors');
    client.close();
    return Number(body);
  };
  const counts: number[] = [];
  for (let round = 0; round < 10; round++) {
    await using sender = startWorker('moves-http.mjs', {}, pair.listeners);
    await sender.next('ready');
    if (round === 0) await pair.sender.pause();
    await sender.open();
    const before = await descriptors(sender);
    const clients = await Promise.all(Array.from({ length: 30 }, () => pair.connect()));
    await Promise.all(clients.map(pidOf));
    sender.link(pair.receiver);
    expect((await sender.drain('move')).tally).toEqual(MOVED(30));
    // Less its listener, the one that accepts and the one that was kept, and the link that has come and gone.
    expect(before - (await descriptors(sender))).toBeGreaterThanOrEqual(2);
    await Promise.all(clients.map(pidOf));
    for (const client of clients) client.close();
    while ((await pair.receiver.measure()).connections > 0);
    counts.push(await descriptors(pair.receiver));
  }
  expect(new Set(counts).size, `${counts}`).toBe(1);
});
