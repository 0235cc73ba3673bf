/** What a worker can do to the supervisor over its channel, however broken or hostile it is. */
import { openSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Worker, type WorkerEvents } from '../../src/inventory/worker.js';
import { type Fd, native } from '../../src/native.js';
import type { Exit } from '../../src/process/process.js';
import { eventually } from '../support/service/wait.js';

/** A worker that does nothing, and the end of its channel to speak from in its place. */
function startWorker(events: Partial<WorkerEvents> = {}) {
  const [ours, theirs] = native().socketpair('seqpacket');
  const nothing = openSync('/dev/null', 'r');
  const { pid, pidfd } = native().spawn({
    file: '/bin/sleep',
    argv: ['sleep', '600'],
    env: [],
    cwd: '/',
    fds: [nothing, nothing, nothing],
    parent: 'self',
    newSession: true,
  });
  native().close(nothing);
  let tell: (exit: Exit) => void = () => {};
  const exited = new Promise<Exit>((resolve) => {
    tell = resolve;
  });
  const record = { id: 'g1s0', generation: 1, slot: 0, pid, phase: 'booting', startedAtMs: 0, listening: [] } as const;
  const none = () => {};
  const worker = new Worker(
    { ...record, fatal: null },
    { pidfd, channel: ours, notify: null, pipes: null },
    {
      readLines: () => expect.unreachable(),
      onPhase: none,
      onListen: none,
      onListening: none,
      onUnlisten: none,
      onForeign: none,
      onState: none,
      ...events,
      onExit: (_worker, exit) => tell(exit),
    },
  );
  const end = async () => {
    worker.process.kill();
    await exited;
    native().close(theirs);
  };
  return { worker, theirs, exited, end };
}

const say = (fd: Fd, message: object, fds: Fd[] = []) =>
  native().send(fd, Buffer.from(JSON.stringify(message)), { fds });
/** As much as the socket takes. */
function flood(fd: Fd, messages: () => object, count: number, fds: Fd[] = []): number {
  let sent = 0;
  while (sent < count && say(fd, messages(), fds) !== null) sent++;
  return sent;
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
const KILLED = { code: null, signal: 'SIGKILL' };

describe('a worker', () => {
  test('that sends descriptors has them closed', async () => {
    const { worker, theirs, end } = startWorker();
    const before = readdirSync('/proc/self/fd').length;
    const fds = Array<Fd>(200).fill(0);
    say(theirs, { type: 'listening', name: 'a' }, fds);
    say(theirs, { type: 'listening', name: 'b' }, fds);
    await eventually(
      () => worker.listening.size,
      (size) => size === 2,
      { what: () => 'both messages are heard' },
    );
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    await end();
  });

  test('of a later version may say what this one does not know', async () => {
    const { worker, theirs, end } = startWorker();
    const before = readdirSync('/proc/self/fd').length;
    say(theirs, { type: 'newer', of: { a: 'later' } }, [0]);
    say(theirs, { type: 'listening', name: 'a' });
    await eventually(
      () => worker.listening.size,
      (size) => size === 1,
      { what: () => 'what comes after it is heard' },
    );
    expect(worker.process.alive).toBe(true);
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    await end();
  });

  test('that talks without end leaves the loop to others', async () => {
    let heard = 0;
    const { theirs, end } = startWorker({
      onListening: () => {
        heard++;
      },
    });
    const sent = flood(theirs, () => ({ type: 'listening', name: 'one' }), 5_000);
    expect(sent).toBeGreaterThan(128);
    await turn();
    expect(heard).toBeLessThanOrEqual(128);
    await eventually(
      () => heard,
      (count) => count === sent,
      { what: () => 'all that was sent is heard' },
    );
    await end();
  });

  test('that names more listeners than there can be is ended', async () => {
    const { worker, theirs, exited } = startWorker();
    let n = 0;
    for (let round = 0; round < 20 && worker.process.alive; round++) {
      flood(theirs, () => ({ type: 'listening', name: `name-${n++}` }), 64);
      await turn();
    }
    expect(await exited).toEqual(KILLED);
    expect(worker.listening.size).toBe(256);
    native().close(theirs);
  });

  test('that asks for many listeners at once has the others refused', async () => {
    let asked = 0;
    const { theirs, end } = startWorker({
      onListen: () => {
        asked++;
      },
    });
    const address = { kind: 'unix', path: '/nowhere' };
    flood(theirs, () => ({ type: 'listen', id: 1, address, backlog: 1 }), 100);
    const answers = await eventually(
      () => native().receive(theirs, 65_536, 0)?.data.toString() ?? null,
      (text) => text !== null,
      { what: () => 'there is an answer' },
    );
    expect(JSON.parse(answers!)).toEqual({ type: 'refused', id: 1, code: 'EMFILE' });
    expect(asked).toBe(64);
    await end();
  });

  test.each([
    ['no message', () => Buffer.from('hello')],
    ['a message that is too long', () => Buffer.from(JSON.stringify({ type: 'fatal', message: 'x'.repeat(70_000) }))],
    ['what is not as its type has it', () => Buffer.from('{"type":"listening"}')],
    ['a message without a type', () => Buffer.from('{"name":"a"}')],
  ])('that sends %s is ended', async (_name, bytes) => {
    const { theirs, exited } = startWorker();
    native().send(theirs, bytes());
    expect(await exited).toEqual(KILLED);
    native().close(theirs);
  });
});
