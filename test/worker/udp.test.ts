/** Each way of binding a UDP socket, run bare and as a worker: what the app sees is the same. And the gate. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../support/service/wait.ts';
import { APPS, NODE, runAsWorker, runBare, startWorker } from './fake-supervisor.ts';

const APP = 'binds-in-every-way.mjs';
const WAYS = JSON.parse(execFileSync(NODE, [join(APPS, APP)], { encoding: 'utf8' })) as string[];

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind();
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

describe.each(WAYS)('%s', (way) => {
  const states = [
    ['gated', false],
    ['open', true],
  ] as const;
  test.each(states)('%s', async (_state, opens) => {
    const port = await freePort();
    const args = [way, String(port)];
    const bare = await runBare(APP, args);
    const worker = await runAsWorker(APP, { args, opens });
    expect(worker.output, worker.errors).toEqual(bare.output);
    expect(worker.code, worker.errors).toBe(bare.code);
    expect(bare.output[0]).not.toBe('');
  });
});

test('the gate holds back reading and nothing else; what came meanwhile is answered when it opens', async () => {
  const port = await freePort();
  await using worker = startWorker('echoes-udp.mjs', { args: [String(port)] });
  await worker.next('ready');
  const client = createSocket('udp4');
  const answers: string[] = [];
  client.on('message', (message) => answers.push(message.toString()));
  const untilAnswered = (expected: string[]) =>
    eventually(
      () => answers,
      (seen) => seen.join() === expected.join(),
      { what: () => `answers ${expected}` },
    );
  client.send('early', port, '127.0.0.1');
  await worker.ping();
  await worker.ping();
  expect(answers).toEqual([]);
  await worker.open();
  await untilAnswered(['early']);
  await worker.pause();
  client.send('paused', port, '127.0.0.1');
  await worker.ping();
  await worker.ping();
  expect(answers).toEqual(['early']);
  await worker.open();
  await untilAnswered(['early', 'paused']);
  client.close();
});

test('a worker that drains answers what it has read, and says that it has drained when it has gone quiet', async () => {
  const port = await freePort();
  await using worker = startWorker('echoes-udp.mjs', { args: [String(port), '300'] });
  await worker.next('ready');
  await worker.open();
  const client = createSocket('udp4');
  const answer = once(client, 'message', { signal: AbortSignal.timeout(2_000) });
  client.send('late', port, '127.0.0.1');
  await worker.said('read late');
  const began = performance.now();
  await worker.drain();
  const took = performance.now() - began;
  expect((await answer)[0].toString()).toBe('late');
  expect(took).toBeGreaterThan(500);
  expect(took).toBeLessThan(3_000);
  client.close();
});
