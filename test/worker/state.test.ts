/** What the app registers is told, what it saves comes as one sealed file, and what is given is restored in order. */
import { fstatSync } from 'node:fs';
import { expect, test } from 'vitest';
import { native } from '../../src/native.ts';
import { readState } from '../../src/worker/state-file.ts';
import { type FakeWorker, runBare, startServing, startWorker } from './fake-supervisor.ts';

const MAX = 2 ** 20;
const start = (...args: string[]) => startServing('keeps-state.mjs', { args });
const save = (worker: FakeWorker, to = 2, maxBytes = MAX) => worker.send({ type: 'save', to, maxBytes });

/** What `worker` saved goes to `other` as if it came from that slot. */
function pass(worker: FakeWorker, other: FakeWorker, from: number): void {
  const file = worker.files.shift()!;
  other.send({ type: 'restore', from, generation: 1, slots: 3 }, [file]);
  native().close(file);
}

test('an app that registers nothing says nothing of it, and one that does says it before it is ready', async () => {
  await using without = await start();
  expect(without.untaken('state')).toEqual([]);
  await using worker = startWorker('keeps-state.mjs', { args: ['save', 'restore'] });
  await worker.next('ready');
  expect(worker.untaken('state')).toEqual([
    { type: 'state', saves: true, restores: null },
    { type: 'state', saves: true, restores: 'empty' },
  ]);
});

test('what is saved comes as a sealed file of the size that is told, and arrives in another process', async () => {
  await using old = await start('save');
  await using candidate = await start('restore');
  old.process.stdin!.write('hello');
  save(old);
  const { to, bytes } = await old.next('saved');
  expect(to).toBe(2);
  expect(native().memfdIsSealed(old.files[0]!)).toBe(true);
  expect(fstatSync(old.files[0]!).size).toBe(bytes);
  pass(old, candidate, 1);
  expect(await candidate.next('restored')).toMatchObject({ from: 1 });
  expect(candidate.stdout).toContain(
    `has {"said":5,"pid":${old.process.pid},"ballast":100000,"version":1,"generation":1,"slot":1,"slots":3}`,
  );
});

test('a worker serves on while its app saves, and answers only the latest who asked', async () => {
  await using worker = await start('save', 'slowly');
  save(worker, 2);
  await worker.said('saving');
  save(worker, 3);
  await worker.said('saving\nsaving');
  await worker.ping();
  worker.process.stdin!.write('go on');
  expect(await worker.next('saved')).toMatchObject({ to: 3 });
  await worker.ping();
  expect(worker.untaken('saved')).toEqual([]);
  expect(worker.files).toHaveLength(1);
  expect(readState(worker.files[0]!)).toMatchObject({ version: 1, value: { said: 5 } });
});

test('nothing to give is told as nothing, without a file', async () => {
  await using worker = await start('save', 'nothing');
  save(worker);
  expect(await worker.next('saved')).toMatchObject({ bytes: 0 });
  expect(worker.files).toEqual([]);
});

test('what is too large is told, with its size', async () => {
  await using worker = await start('save');
  save(worker, 2, 50_000);
  expect(await worker.next('unsaved')).toMatchObject({ to: 2, tooLargeBytes: 100_000 });
  expect(worker.files).toEqual([]);
  save(worker, 3);
  await worker.next('saved');
});

test('several states are restored one after the other', async () => {
  await using old = await start('save');
  await using candidate = await start('restore', 'slowly');
  for (const to of [2, 3]) {
    save(old, to);
    await old.next('saved');
  }
  pass(old, candidate, 0);
  pass(old, candidate, 2);
  await candidate.said('begins with 0');
  await candidate.ping();
  expect(candidate.stdout).not.toContain('begins with 2');
  candidate.process.stdin!.write('go');
  expect(await candidate.next('restored')).toMatchObject({ from: 0 });
  await candidate.said('begins with 2');
  candidate.process.stdin!.write('go');
  expect(await candidate.next('restored')).toMatchObject({ from: 2 });
});

test('a restore that throws is told with its reason, and so is a file that is none', async () => {
  await using old = await start('save');
  await using candidate = await start('restore', 'fails');
  save(old);
  await old.next('saved');
  pass(old, candidate, 0);
  expect(await candidate.next('unrestored')).toEqual({
    type: 'unrestored',
    from: 0,
    reason: 'TypeError: no such table',
  });
  old.files.push(native().memfdCreate('empty'));
  pass(old, candidate, 1);
  expect(await candidate.next('unrestored')).toMatchObject({ from: 1, reason: 'Error: it ends too early' });
  await candidate.ping();
});

test('a process has one state, and mistakes are said where they are made', async () => {
  await using worker = await start('save', 'twice');
  await worker.said('otherwise is');
  expect(worker.stdout).toContain('TypeError state.save has been called already: a process has one state\n');
  expect(worker.stdout).toContain('TypeError state.save takes a function that gives the state\n');
  expect(worker.stdout).toContain('TypeError otherwise is "rollback" or "empty", not "x"\n');
});

test('outside batond nothing is called', async () => {
  const { output, code } = await runBare('calls-state.mjs', []);
  expect({ output, code }).toEqual({ output: ['registered'], code: 0 });
});
