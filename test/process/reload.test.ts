/** The main job under the host: reloads under load lose nothing, and leave nothing behind. */
import { existsSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { descriptorCount } from '../support/service/processes.js';
import { eventually } from '../support/service/wait.js';

const WITH_SLOW = {
  fresh: { perSecond: 100 },
  keepAlive: [
    { connections: 12, gapMs: [0, 50] as const },
    { connections: 4, gapMs: [2_900, 3_100] as const },
  ],
  slow: { connections: 3, ms: 700, chunks: 5 },
  upload: { connections: 3, ms: 500 },
};
const WITHOUT_SLOW = { fresh: WITH_SLOW.fresh, keepAlive: WITH_SLOW.keepAlive };

describe.each(['answers', 'answers-express', 'answers-fastify'] as const)('an unmodified app (%s)', (app) => {
  test.each([
    ['with slow requests and uploads', WITH_SLOW],
    ['without them', WITHOUT_SLOW],
  ])('is reloaded five times without losing a request, %s', async (_name, modes) => {
    await using service = await HostedService.start({ app });
    const load = await service.load({ modes });
    for (let n = 2; n <= 6; n++) {
      const release = service.deploy(app);
      const { status, verdict, stderr } = await service.reload();
      expect(status, stderr + service.log).toBe(0);
      expect(verdict).toMatchObject({ ok: true, generation: n });
      expect((await service.status()).generations.at(-1)).toMatchObject({ number: n, release: `${release}@${n}.0.0` });
    }
    const result = await load.stop();
    expectNothingLost(result, service.log);
    expect(result.releases.length).toBeGreaterThanOrEqual(6);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });
});

test('ten reloads leave the supervisor with as many descriptors as the first one', async () => {
  await using service = await HostedService.start();
  // The connection of the `status` that has just been answered may still be closing: counts only ever settle downwards.
  const settled = async (limit: number) => {
    const { supervisor } = await service.untilDrained();
    return eventually(
      () => descriptorCount(supervisor.pid),
      (count) => count <= limit,
      { what: () => `at most ${limit} descriptors` },
    );
  };
  await service.reload();
  const first = await settled(Number.POSITIVE_INFINITY);
  for (let n = 0; n < 9; n++) expect((await service.reload()).status).toBe(0);
  await settled(first);
});

test('a reload follows the symlink of the release, and the workers run in the real folder', async () => {
  await using service = await HostedService.start();
  service.deploy('answers');
  await service.reload();
  const { generations } = await service.untilDrained();
  expect(generations[0]?.entry).toBe(`${service.folder}/srv/r2/server.js`);
});

test('a reload may change the number of workers', async () => {
  await using service = await HostedService.start({ workers: 1 });
  service.configure({ workers: 3 });
  await service.reload();
  expect((await service.untilDrained()).generations[0]?.workers).toHaveLength(3);
  service.configure({ workers: 1 });
  await service.reload();
  expect((await service.untilDrained()).generations[0]?.workers).toHaveLength(1);
  await service.expectNoLeftovers();
});

test('an app on a Unix socket whose file it removes first is reloaded with one socket for all', async () => {
  await using service = await HostedService.start({ app: 'answers-unix' });
  const modes = {
    keepAlive: { connections: 8, gapMs: [0, 50] as const },
    slow: { connections: 2, ms: 500, chunks: 5 },
  };
  const load = await service.load({ socketPath: service.socketPath, modes });
  const inode = statSync(service.socketPath).ino;
  for (let n = 2; n <= 4; n++) {
    service.deploy('answers-unix');
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation: n });
  }
  expect(statSync(service.socketPath).ino).toBe(inode);
  // Between the app's own removal and its listen the file is not there: that is as without us, and no more than that.
  const result = await load.stop();
  expectNothingLost({ ...result, refused: 0 }, service.log);
  await service.expectNoLeftovers();
  await service.stop();
  expect(existsSync(service.socketPath)).toBe(false);
});
