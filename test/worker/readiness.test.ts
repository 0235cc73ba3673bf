/** Ready is said once, when it is true, in each of the three ways. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from './client.ts';
import { APPS, type FakeWorker, NODE, startServing, startWorker } from './fake-supervisor.ts';

const MAJOR = Number(/v(\d+)/.exec(NODE)?.[1] ?? process.versions.node.split('.')[0]);

async function isNotReady(worker: FakeWorker): Promise<void> {
  // Two turns of the worker's loop, in which it would have said so.
  await worker.ping();
  await worker.ping();
  expect(worker.untaken('ready')).toEqual([]);
}

test('a CommonJS entry is evaluated once and stays the main module', async () => {
  await using worker = startWorker('answers-http.cjs');
  expect((await worker.next('ready')).by).toBe('listen');
  await worker.said('}');
  expect(JSON.parse(worker.stdout)).toEqual({ main: true, evaluations: 1 });
});

test('an entry that awaits at its top is ready when it has been evaluated', async () => {
  await using worker = startWorker('awaits-at-top.mjs');
  await worker.next('listening');
  await worker.said('waiting');
  await isNotReady(worker);
  worker.process.stdin!.end();
  await worker.next('ready');
  await worker.said('evaluated 1\n');
});

test.skipIf(MAJOR < 22)('a TypeScript entry is ready', async () => {
  await using worker = await startServing('answers-http.ts');
  using client = await Client.connect(worker.listeners.port());
  expect((await client.get()).status).toBe(200);
});

test('an entry behind a symlink, without its extension, is evaluated once', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'batond-entry-'));
  try {
    symlinkSync(join(APPS, 'answers-http.cjs'), join(directory, 'current.js'));
    await using worker = startWorker(join(directory, 'current'));
    await worker.next('ready');
    await worker.said('}');
    expect(JSON.parse(worker.stdout)).toEqual({ main: true, evaluations: 1 });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('an app that listens later is ready then', async () => {
  await using worker = startWorker('listens-later.mjs');
  await worker.said('loaded');
  await isNotReady(worker);
  worker.process.stdin!.end();
  await worker.next('ready');
});

test('ready by load needs no listener', async () => {
  await using worker = startWorker('loads-without-listening.mjs', { ready: 'load' });
  expect(await worker.next('ready')).toEqual({ type: 'ready', by: 'load' });
});

test.each(['library', 'object', 'callback', 'ready', 'online'])('ready by notify: %s', async (how) => {
  await using worker = startWorker('says-ready.mjs', { ready: 'notify', args: [how] });
  await worker.next('listening');
  await isNotReady(worker);
  worker.process.stdin!.end();
  expect(await worker.next('ready')).toEqual({ type: 'ready', by: 'notify' });
  await worker.said('}');
  expect(JSON.parse(worker.stdout.split('\n')[0]!)).toEqual({ send: 'function', connected: true });
  if (how === 'callback') await worker.said('sent null');
});

test('what is said to be ready is not heard where readiness is something else', async () => {
  await using worker = startWorker('says-ready.mjs', { ready: 'load', args: ['library'] });
  await worker.next('ready');
  worker.process.stdin!.end();
  await isNotReady(worker);
  await worker.said('}');
  expect(JSON.parse(worker.stdout.split('\n')[0]!)).toEqual({ send: 'undefined', connected: null });
});

test('the library tells when the worker drains, late listeners too', async () => {
  await using worker = await startServing('hears-draining.mjs');
  await worker.said('registered');
  expect(worker.stdout).not.toContain('draining');
  await worker.drain();
  await worker.said('draining');
  await worker.said('still draining');
});

test('a host name that does not resolve keeps nobody waiting', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'batond-entry-'));
  try {
    writeFileSync(
      join(directory, 'app.mjs'),
      `import net from 'node:net';
       net.createServer().listen(0, 'no-such-host.invalid').on('error', () => console.log('failed'));
       net.createServer().listen(0, '127.0.0.1');`,
    );
    await using worker = startWorker(join(directory, 'app.mjs'));
    await worker.said('failed');
    await worker.next('ready');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
