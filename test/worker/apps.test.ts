/** Unmodified apps of each kind, and what their processes look like. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from './client.ts';
import { runAsWorker, runBare, startServing, startWorker } from './fake-supervisor.ts';

test.each(['answers-express.mjs', 'answers-fastify.mjs', 'answers-http.mjs', 'answers-http.cjs'])(
  '%s serves',
  async (app) => {
    await using worker = await startServing(app);
    using client = await Client.connect(
      worker.listeners.port(),
      worker.listeners.names[0]!.includes('::1') ? '::1' : '127.0.0.1',
    );
    expect(await client.get()).toMatchObject({ status: 200 });
    expect(await worker.measure()).toMatchObject({ requests: 1, inFlight: 0, connections: 1 });
    expect((await worker.measure()).utilization).toBeLessThanOrEqual(1);
  },
);

test('fastify listens on each address of localhost', async () => {
  await using worker = await startServing('answers-fastify.mjs');
  await worker.said('addresses');
  await worker.said(']}\n');
  const said = JSON.parse(worker.stdout.trim().split('\n')[1]!) as { addresses: { port: number; address: string }[] };
  for (const { address, port } of said.addresses) {
    using client = await Client.connect(port, address);
    expect(await client.get()).toMatchObject({ status: 200 });
  }
});

test('closing a server is told once', async () => {
  await using worker = startWorker('listens-in-every-way.mjs', { args: ['closed twice', '0', '/tmp'] });
  const { name } = await worker.next('listening');
  expect(await worker.next('unlisten')).toEqual({ type: 'unlisten', name });
  await worker.exit();
  expect(worker.untaken('unlisten')).toEqual([]);
});

test('to an app its process looks as without us', async () => {
  const bare = await runBare('keeps-signals.mjs', []);
  const worker = await runAsWorker('keeps-signals.mjs', {});
  expect(worker.output).toEqual(bare.output);
  expect(worker.errors).not.toContain('err ');
});

test("an app's children, threads and cluster workers are no workers", async () => {
  await using worker = startWorker('has-children.mjs');
  await worker.next('ready');
  await worker.said('\n');
  const none = { variable: null, active: false, port: true };
  expect(JSON.parse(worker.stdout)).toEqual({ process: none, thread: none, cluster: none });
});

test.each([
  ['throws-at-import.mjs', /^TypeError: no database \(at .*throws-at-import\.mjs:2:7\)$/],
  ['throws-at-import.cjs', /^TypeError: no database \(at .*throws-at-import\.cjs:1:7\)+$/],
  ['rejects-later.mjs', /^RangeError: too late \(at .*rejects-later\.mjs:3:/],
])('%s fails as without us, and the supervisor learns why', async (app, message) => {
  const bare = await runBare(app, []);
  await using worker = startWorker(app);
  expect((await worker.next('fatal')).message).toMatch(message);
  expect(await worker.exit()).toEqual({ code: bare.code, signal: null });
  expect(worker.untaken('fatal')).toEqual([]);
  expect(errorsOf(worker.log)).toBe(
    errorsOf(
      bare.errors
        .trimEnd()
        .split('\n')
        .map((line) => `err ${line}`),
    ),
  );
});

test.each(['mjs', 'cjs'])('a .%s entry that does not parse is reported with its place', async (extension) => {
  const directory = mkdtempSync(join(tmpdir(), 'batond-app-'));
  try {
    const app = join(directory, `app.${extension}`);
    writeFileSync(app, '\nconst = 1;\n');
    const bare = await runBare(app, []);
    await using worker = startWorker(app);
    const { message } = await worker.next('fatal');
    expect(message).toMatch(/^SyntaxError: .*'='/);
    // Node tells the place of what is no ES module only on stderr.
    if (extension === 'cjs') expect(message).toContain('app.cjs:2');
    expect(await worker.exit()).toEqual({ code: bare.code, signal: null });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('an entry that is not there is reported', async () => {
  await using worker = startWorker('is-not-there.mjs');
  expect((await worker.next('fatal')).message).toContain('is-not-there.mjs');
  expect((await worker.exit()).code).toBe(1);
});

test('without a supervisor behind the channel the app runs on', async () => {
  await using worker = startWorker('says-ready.mjs', { args: ['library'] });
  worker.closeChannel();
  expect((await worker.exit()).signal).toBe('SIGTERM');
});

/** What was printed to stderr, without what differs between Node's loaders: its own frames, and where the caret points. */
function errorsOf(log: string[]): string {
  return log
    .join('\n')
    .split('\n')
    .filter(
      (line) => !line.includes('node:internal') && !/^(err )?\s*\^+$/.test(line) && !/^(out|-->|<--|exit) /.test(line),
    )
    .map((line) => line.replace(/^err /, ''))
    .join('\n');
}
