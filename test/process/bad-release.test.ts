/** A bad release never takes over: the reload fails with the reason, and the incumbent answers all the while. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import type { App } from '../support/service/releases.js';
import { eventually } from '../support/service/wait.js';

const MODES = { fresh: { perSecond: 100 }, keepAlive: { connections: 8, gapMs: [0, 50] as const } };

interface BadRelease {
  readonly app: App;
  readonly code: string;
  readonly says: RegExp;
}

const BAD: BadRelease[] = [
  { app: 'exits-at-once', code: 'CANDIDATE_EXITED', says: /exited with status 3/ },
  { app: 'never-listens', code: 'CANDIDATE_NOT_READY', says: /not ready within 1 s: 2 of 2 workers never listened/ },
  { app: 'throws-at-import', code: 'CANDIDATE_EXITED', says: /Error: the database has no such table/ },
  { app: 'listens-on-a-taken-port', code: 'CANDIDATE_EXITED', says: /EADDRINUSE/ },
];

describe('a release that', () => {
  test.each(BAD)('$app is refused with its reason, and the incumbent serves on', async ({ app, code, says }) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      await using service = await HostedService.start({
        toml: '[upgrade]\nready_timeout = "1s"',
        env: { TAKEN_PORT: String(port) },
      });
      const load = await service.load({ modes: MODES });
      service.deploy(app);
      const { status, verdict } = await service.reload();
      expect(verdict?.message).toMatch(says);
      expect(verdict).toMatchObject({ ok: false, code, generation: 1 });
      expect(status).toBe(1);
      expectNothingLost(await load.stop(), service.log);
      const after = await service.status();
      expect(after.summary).toMatch(says);
      expect(after.lastReload).toMatchObject({ ok: false, code });
      expect(await service.generation()).toBe(1);
      await service.expectNoLeftovers();
      service.deploy('answers');
      expect((await service.reload()).status).toBe(0);
    } finally {
      taken.close();
    }
  });

  test('answers its probe with 503 is refused before it gets any traffic', async () => {
    await using service = await HostedService.start({ toml: '[upgrade]\nprobe = "/healthz"' });
    const load = await service.load({ modes: MODES });
    service.deploy('is-unhealthy');
    const { status, verdict } = await service.reload();
    expect(status).toBe(1);
    expect(verdict).toMatchObject({ ok: false, code: 'CANDIDATE_NOT_ANSWERING', generation: 1 });
    expect(verdict?.message).toContain('/healthz answered 503');
    expectNothingLost(await load.stop(), service.log);
    service.deploy('answers');
    expect((await service.reload()).status).toBe(0);
    await service.expectNoLeftovers();
  });

  test('cannot be started at all leaves the start to the last good one', async () => {
    await using service = await HostedService.start();
    await service.stop();
    service.deploy('throws-at-import');
    service.run();
    await service.untilServing();
    const { generations, lastReload, summary } = await service.status();
    expect(generations.find(({ role }) => role === 'incumbent')?.entry).toContain('/r1/');
    expect(lastReload).toMatchObject({ ok: false, code: 'CANDIDATE_EXITED' });
    expect(summary).toContain('the database has no such table');
    await service.expectNoLeftovers();
  });

  test('has a syntax error in batond.toml is refused by the next supervisor', async () => {
    await using service = await HostedService.start();
    const load = await service.load({ modes: MODES });
    service.writeConfig('name = "shop"\nworkers = = 2\n');
    const { status, verdict } = await service.batond('reload', '--json').then((result) => ({
      ...result,
      verdict: JSON.parse(result.stdout.trim().split('\n').at(-1)!),
    }));
    expect(status).toBe(1);
    expect(verdict).toMatchObject({ ok: false, code: 'SUCCESSOR_REFUSED' });
    expect(verdict.message).toContain('batond.toml:2');
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
  });

  test('names a runtime that does not exist is refused by the next supervisor', async () => {
    await using service = await HostedService.start();
    const load = await service.load({ modes: MODES });
    service.configure({ program: 'entry = "server.js"\nruntime_args = []', toml: '' });
    service.writeConfig(
      `name = "shop"\nentry = "server.js"\nruntime = "/opt/no/such/node"\ndirectory = "${service.releases.current}"\n`,
    );
    const { status, verdict } = await service.reload();
    expect(status).toBe(1);
    expect(verdict?.message).toContain('/opt/no/such/node');
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
  });

  test('dies again and again after it was ready is given up for the last good one', async () => {
    await using service = await HostedService.start();
    const load = await service.load({ modes: MODES });
    service.deploy('dies-after-ready');
    await service.reload();
    const status = await eventually(
      () => service.tryStatus(),
      (seen) =>
        seen?.state === 'serving' &&
        seen.generations.some(({ role, entry }) => role === 'incumbent' && entry.includes('/r1/')),
      { deadlineMs: 15_000, what: () => `release r1 serves again; log:\n${service.log}` },
    );
    expect(status?.lastReload).toMatchObject({ ok: false, code: 'GENERATION_LOST' });
    expect(status?.summary).toContain('a bug that shows after 300 ms');
    // Only what a dying worker held may be lost: who connects meanwhile waits in the listener's queue.
    const { refused, timedOut, wrong, outstanding, releases } = await load.stop();
    expect({ refused, timedOut, wrong, outstanding }).toEqual({ refused: 0, timedOut: 0, wrong: 0, outstanding: 0 });
    expect(releases.map(({ release }) => release).sort()).toEqual(['r1', 'r2']);
    await service.expectNoLeftovers();
  });
});

test('a worker that ignores SIGTERM is killed at its deadline, with its group', async () => {
  await using service = await HostedService.start({
    app: 'ignores-sigterm',
    toml: '[stop]\nkill_timeout = "300ms"',
  });
  service.deploy('answers');
  expect((await service.reload()).status).toBe(0);
  await service.expectNoLeftovers();
  expect(service.log).toContain('SIGKILL');
});
