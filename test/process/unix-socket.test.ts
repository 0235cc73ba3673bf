/** An app on a Unix socket: its file keeps its inode and mode over reloads and rollbacks, and a stale one is replaced. */
import { chmodSync, existsSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { expect, test } from 'vitest';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';

const MODES = { fresh: { perSecond: 50 }, keepAlive: { connections: 4, gapMs: [0, 50] as const } };

const facts = (path: string) => {
  const { ino, mode, uid, gid } = statSync(path);
  return { ino, mode: mode & 0o777, uid, gid };
};

test('path, owner and mode are kept over reloads and a rollback', async () => {
  await using service = await HostedService.start({ app: 'answers-unix-plain' });
  chmodSync(service.socketPath, 0o640);
  const before = facts(service.socketPath);
  const load = await service.load({ socketPath: service.socketPath, modes: MODES });
  for (let n = 0; n < 2; n++) {
    service.deploy('answers-unix-plain');
    expect((await service.reload()).status, service.log).toBe(0);
    expect(facts(service.socketPath)).toEqual(before);
  }
  service.deploy('exits-at-once');
  expect((await service.reload()).status).toBe(1);
  expect(facts(service.socketPath)).toEqual(before);
  expectNothingLost(await load.stop(), service.log);
  await service.stop();
  expect(existsSync(service.socketPath)).toBe(false);
});

test('the file that a crashed run left is replaced', async () => {
  await using service = await HostedService.start({ app: 'answers-unix-plain' });
  for (const { pid } of service.processes()) process.kill(pid, 'SIGKILL');
  await service.exit;
  expect(existsSync(service.socketPath)).toBe(true);
  service.run();
  await service.untilServing();
  const load = await service.load({ socketPath: service.socketPath, modes: MODES });
  await service.reload();
  expectNothingLost(await load.stop(), service.log);
});

test('a path that somebody else listens on is refused, and stays theirs', async () => {
  await using service = await HostedService.start();
  const other: Server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => other.listen(service.socketPath, resolve));
  const before = facts(service.socketPath);
  try {
    service.deploy('answers-unix-plain');
    const { verdict } = await service.reload();
    expect(verdict).toMatchObject({ ok: false, code: 'CANDIDATE_EXITED' });
    expect(verdict?.message).toContain('EADDRINUSE');
    expect(facts(service.socketPath)).toEqual(before);
  } finally {
    other.close();
  }
});
