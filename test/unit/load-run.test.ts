// How a load runs: its pace, what it reports, how it stops, and that a load in a process of its own is never orphaned.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type LoadResult, startLoad, startLoadProcess } from '../support/load/start-load.mjs';

const supportDir = resolve(import.meta.dirname, '../support/load');
const run = promisify(execFile);

let server: Server;
let port: number;
let release: string;
let behave: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  release = 'one';
  behave = (_request, response) => response.end(JSON.stringify({ release, pid: process.pid }));
  server = createServer((request, response) => behave(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

test('it sends at its pace, in all of its modes at once', async () => {
  const keepAlive = [
    { connections: 2, gapMs: [5, 15] as const },
    { connections: 1, gapMs: [20, 40] as const },
  ];
  const since = performance.now();
  const result = await startLoad({ port, modes: { fresh: { perSecond: 200 }, keepAlive }, seconds: 1 }).finished;
  const seconds = (performance.now() - since) / 1_000;
  expect(result).toMatchObject({ failures: 0, outstanding: 0 });
  // On a machine that is busy it sends less, and for longer than it was told; it must never send faster.
  expect(result.modes.fresh!.ok).toBeGreaterThan(0);
  expect(result.modes.fresh!.ok).toBeLessThanOrEqual(200 * seconds + 1);
  expect(result.modes.keepAlive!.ok).toBeGreaterThan(0);
  expect(result.modes.keepAlive!.ok).toBeLessThanOrEqual((2 / 0.005 + 1 / 0.02) * seconds + 3);
  expect(result.ok).toBe(result.modes.fresh!.ok + result.modes.keepAlive!.ok);
  const { p50, p99, max } = result.latency;
  expect(0 < p50 && p50 <= p99 && p99 <= max).toBe(true);
});

test('it comes from many addresses, so that ports do not run out', async () => {
  const seen = new Set<string | undefined>();
  server.on('connection', (socket) => seen.add(socket.remoteAddress));
  await startLoad({ port, modes: { fresh: { perSecond: 500, requests: 30 } } }).finished;
  expect(seen.size).toBe(30);
});

test('it never leaves this machine', () => {
  for (const host of ['192.0.2.1', 'example.org', '0.0.0.0', '::']) {
    expect(() => startLoad({ port, host, modes: {} })).toThrow('not loopback');
  }
});

test('it tells which releases answered, by which processes, from when to when', async () => {
  await using load = startLoad({ port, modes: { keepAlive: { connections: 1, gapMs: [1, 2] } } });
  await vi.waitFor(async () => expect((await load.snapshot()).releases).toMatchObject([{ release: 'one' }]));
  release = 'two';
  await vi.waitFor(async () => expect((await load.snapshot()).releases).toHaveLength(2));
  const [one, two] = (await load.stop()).releases;
  expect([one!.release, two!.release]).toEqual(['one', 'two']);
  expect(one!.pids).toEqual([process.pid]);
  expect(Date.parse(one!.first)).toBeLessThanOrEqual(Date.parse(one!.last));
  expect(Date.parse(one!.last)).toBeLessThanOrEqual(Date.parse(two!.first));
});

test('it tells the longest time without a good answer', async () => {
  await using load = startLoad({ port, modes: { keepAlive: { connections: 2, gapMs: [1, 5] } } });
  await vi.waitFor(async () => expect((await load.snapshot()).ok).toBeGreaterThan(10));
  const held: (() => void)[] = [];
  behave = (_request, response) => held.push(() => response.end('{"release":"one"}'));
  const before = await load.snapshot();
  await vi.waitFor(async () =>
    expect((await load.snapshot()).longestSilence.ms).toBeGreaterThan(before.longestSilence.ms + 100),
  );
  behave = (_request, response) => response.end('{"release":"one"}');
  for (const release of held) release();
  await vi.waitFor(async () => expect((await load.snapshot()).ok).toBeGreaterThan(before.ok + 10));
  const { longestSilence, latency } = await load.stop();
  expect(longestSilence.ms).toBeGreaterThan(before.longestSilence.ms + 100);
  expect(latency.max).toBeGreaterThan(100);
});

test('a stop lets what is outstanding come to its end, and sends nothing new', async () => {
  const held: (() => void)[] = [];
  behave = (_request, response) => held.push(() => response.end('{"release":"one"}'));
  const load = startLoad({ port, modes: { keepAlive: { connections: 3 }, fresh: { perSecond: 100, requests: 2 } } });
  await vi.waitFor(() => expect(held).toHaveLength(5));
  const stopped = load.stop();
  expect(await load.snapshot()).toMatchObject({ requests: 0, outstanding: 5 });
  for (const release of held) release();
  expect(await stopped).toMatchObject({ requests: 5, ok: 5, outstanding: 0 });
});

test('a server that is down is asked at a bounded rate, and each time counts', async () => {
  server.close();
  await once(server, 'close');
  const result = await startLoad({ port, modes: { keepAlive: { connections: 1 } }, seconds: 0.5 }).finished;
  expect(result.refused).toBe(result.requests);
  expect(result.requests).toBeLessThanOrEqual(26);
  expect(result.requests).toBeGreaterThan(2);
  expect(result.samples.refused.length).toBeLessThanOrEqual(5);
});

test('a load in a process of its own gives the same handle', async () => {
  await using load = await startLoadProcess({
    port,
    modes: { fresh: { perSecond: 100 }, keepAlive: { connections: 2, gapMs: [5, 10] } },
  });
  await vi.waitFor(async () => expect((await load.snapshot()).ok).toBeGreaterThan(10));
  const result = await load.stop();
  expect(result).toMatchObject({ failures: 0, outstanding: 0 });
  expect(await load.stop()).toEqual(result);
  expect(await load.snapshot()).toEqual(result);
});

test('a load in a process of its own counts failures, and takes a check from a module', async () => {
  const checkModule = resolve(import.meta.dirname, '../support/load/dislikes-all.mjs');
  const options = { port, modes: { fresh: { perSecond: 100, requests: 3 } } };
  expect(await (await startLoadProcess({ ...options, checkModule })).finished).toMatchObject({ wrong: 3, ok: 0 });
  await expect(startLoadProcess({ ...options, host: '192.0.2.1' })).rejects.toThrow('not loopback');
});

test('a load in a process of its own ends when its starter is killed', async () => {
  const script = `
    const { startLoadProcess } = await import(${JSON.stringify(`${supportDir}/start-load.mjs`)});
    await startLoadProcess({ port: ${port}, modes: { keepAlive: { connections: 1, gapMs: [5, 5] } } });
    console.log('started');
    setInterval(() => {}, 1000);`;
  const starter = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(createInterface({ input: starter.stdout }), 'line', { signal: AbortSignal.timeout(10_000) });
  await vi.waitFor(async () => expect(await openConnections()).toBe(1));
  starter.kill('SIGKILL');
  await vi.waitFor(async () => expect(await openConnections()).toBe(0), { timeout: 5000 });
});

test('by hand it prints what came of it, and fails when a request failed', async () => {
  const args = ['--port', String(port), '--fresh', '50', '--keepalive', '2', '--gap', '10-20', '--seconds', '1'];
  const { stdout } = await run(process.execPath, [`${supportDir}/load.mjs`, ...args, '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ failures: 0 });
  behave = (_request, response) => response.writeHead(500).end();
  const failing = run(process.execPath, [`${supportDir}/load.mjs`, ...args]);
  await expect(failing).rejects.toMatchObject({ code: 1, stdout: expect.stringContaining('status 500') });
  await expect(run(process.execPath, [`${supportDir}/load.mjs`, '--port', 'x'])).rejects.toMatchObject({ code: 64 });
});

test('what the generator itself cannot send is broken, not the fault of the server', async () => {
  const args = [
    `${supportDir}/load.mjs`,
    '--port',
    String(port),
    '--keepalive',
    '40',
    '--gap',
    '200-300',
    '--seconds',
    '1',
  ];
  const failing = run('sh', ['-c', 'ulimit -n 40; exec "$0" "$@" --json', process.execPath, ...args]);
  const { stdout } = (await failing.catch((error: unknown) => error)) as { stdout: string };
  const result = JSON.parse(stdout) as LoadResult;
  expect(result.broken).toBeGreaterThan(0);
  expect(result.failures).toBe(result.broken);
  expect(result.samples.broken[0]).toMatchObject({ phase: 'connect', detail: expect.stringContaining('EMFILE') });
});

function openConnections(): Promise<number> {
  return promisify(server.getConnections.bind(server))();
}
