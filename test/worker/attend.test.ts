/** Another supervisor has taken the place of one that died: the worker says where it stands, and asks again. */
import { expect, test } from 'vitest';
import { Client } from './client.ts';
import { startServing, startWorker } from './fake-supervisor.ts';

test('a listen whose question a dead supervisor had read is asked again, and goes on', async () => {
  await using worker = startWorker('answers-http.cjs', { diesAtListen: true });
  const first = await worker.until('the question', () => worker.untaken('listen')[0] ?? null);
  const standing = await worker.attend();
  const asked = worker.untaken('listen');
  expect(asked).toEqual([first, first]);
  await worker.next('ready');
  // It was blocked, so it says so only after the app's `listen` has returned.
  expect(standing).toMatchObject({ ready: false, open: false, draining: false, listening: worker.listeners.names });
  await worker.open();
  using client = await Client.connect(worker.listeners.port());
  expect((await client.get()).status).toBe(200);
});

test('says whether it is ready, accepts and drains, as often as it is asked', async () => {
  await using worker = await startServing('answers-http.cjs');
  const listening = worker.listeners.names;
  const open = { ready: true, open: true, draining: false, listening };
  expect(await worker.attend()).toMatchObject(open);
  expect(await worker.attend()).toMatchObject(open);
  await worker.pause();
  expect(await worker.attend()).toMatchObject({ ...open, open: false });
  await worker.open();
  expect(await worker.attend()).toMatchObject(open);
  await worker.drain();
  expect(await worker.attend()).toMatchObject({ ...open, open: false, draining: true });
});

test('to be told the same again does no harm: each time is answered', async () => {
  await using worker = await startServing('answers-http.cjs');
  await worker.open();
  await worker.open();
  using client = await Client.connect(worker.listeners.port());
  expect((await client.get()).status).toBe(200);
  client[Symbol.dispose]();
  const first = await worker.drain('move');
  const again = await worker.drain('move');
  expect(again.tally).toEqual(first.tally);
  await worker.open();
  expect(await worker.attend()).toMatchObject({ open: false, draining: true });
});
