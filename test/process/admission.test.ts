/** A reload that may not begin is refused before anything is started for it, with what is lacking or until when. */
import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openFiles } from '../../src/process/open-files.js';
import { LimitedGroup } from '../support/cgroup/limited-group.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

/** As `curl` asks for a reload. */
function post(service: HostedService, path: string): Promise<{ status: number; retryAfter: string | undefined }> {
  const socketPath = join(service.folder, 'run/control.sock');
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method: 'POST', headers: { host: 'batond' } }, (response) => {
      response.resume().on('end', () => {
        resolve({ status: response.statusCode!, retryAfter: response.headers['retry-after'] });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('in a freeze window no reload begins, whoever asks, but one with --force and the way back', async () => {
  const frozen = 'freeze = [{ from = "00:00", to = "12:00" }, { from = "12:00", to = "00:00" }]';
  await using service = await HostedService.start({ workers: 1, idle: true });
  service.configure({ workers: 1, toml: `[upgrade]\n${frozen}\n[release]\ncurrent = "srv/current"` });
  service.run();
  await service.untilServing();
  const load = await service.load({ modes: { fresh: { perSecond: 50 } } });
  service.deploy('answers');
  const waiting = await eventually(
    () => service.status(),
    ({ summary }) => summary.includes('/r2 waits: upgrade.freeze allows no reload'),
    { what: () => `the switch waits; log:\n${service.log}` },
  );
  expect(waiting).toMatchObject({ state: 'serving', lastReload: null });
  const refused = await service.reload();
  expect(refused.status).toBe(75);
  expect(refused.stderr).toMatch(/upgrade\.freeze allows no reload from \d\d:00 to \d\d:00: try again at /);
  expect(await post(service, '/v1/reload')).toEqual({ status: 429, retryAfter: String(7 * 24 * 3_600) });
  expect(await post(service, '/v1/reload?force=yes')).toMatchObject({ status: 400 });
  expect(await service.generation()).toBe(1);

  expect(await service.batond('reload', '--force')).toMatchObject({ status: 0 });
  expect(await service.generation()).toBe(2);
  expect((await service.status()).summary).not.toContain('waits');
  expect(await service.batond('rollback')).toMatchObject({ status: 0 });
  expect(await service.generation()).toBe(3);
  expectNothingLost(await load.stop());
  await service.expectNoLeftovers();
});

test('the least interval is counted from the last commit, whichever supervisor that was', async () => {
  await using service = await HostedService.start({ workers: 1, toml: '[upgrade]\nmin_interval = "1h"' });
  expect(await service.reload()).toMatchObject({ status: 75, stderr: expect.stringContaining('min_interval is 1h') });
  expect(await service.batond('reload', '--force')).toMatchObject({ status: 0 });
  await service.killSupervisor();
  expect(await service.reload()).toMatchObject({ status: 75, stderr: expect.stringContaining('min_interval is 1h') });
  expect(await service.generation()).toBe(2);
});

test('a supervisor that may not open enough descriptors for a second generation says how many are lacking', async () => {
  await using service = await HostedService.start({ workers: 2 });
  const { pid } = (await service.status()).supervisor;
  const limit = (number: number) => execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${number}:`]);
  // Its own control connection is one of them while it answers.
  limit(openFiles(pid)! + 8);
  const { status, stderr } = await service.reload();
  expect(status).toBe(75);
  const told =
    /it needs 20 descriptors and has (\d+) descriptors \(RLIMIT_NOFILE, \d+\): (\d+) descriptors are lacking/;
  const [, left, lacking] = told.exec(stderr) ?? [];
  expect(Number(left) + Number(lacking), stderr).toBe(20);
  expect(await service.generation()).toBe(1);
  limit(1_024);
  expect(await service.reload()).toMatchObject({ status: 0 });
});

const lacks = LimitedGroup.lacks('memory', 'pids');

test.skipIf(lacks !== null)(
  `a control group without room for two generations refuses, says by how much${lacks === null ? '' : ` (${lacks})`}`,
  async () => {
    await using group = LimitedGroup.create('memory', 'pids');
    await using service = await HostedService.start({ workers: 1, idle: true, through: group.through });
    // It has grown, so another like it is expected to grow too; the next release is smaller, which nobody can know.
    const grown = 128;
    appendFileSync(
      `${service.releases.path('r1')}/server.js`,
      `globalThis.grown = Buffer.alloc(${grown} * 2 ** 20, 1);\n`,
    );
    service.run();
    await service.untilServing();
    const load = await service.load({ modes: { fresh: { perSecond: 50 } } });
    service.deploy('answers');

    group.limitMemory(group.memoryBytes + 96 * 2 ** 20);
    const { status, stderr } = await service.reload();
    expect(status).toBe(75);
    const limit = group.version === 1 ? 'memory.limit_in_bytes' : 'memory.max';
    const told = new RegExp(
      `for 1 worker and the next supervisor it needs (\\d+) MiB and has (\\d+) MiB \\(${limit} of ${group.name}\\): (\\d+) MiB are lacking`,
    );
    const [, needed, left, lacking] = (told.exec(stderr) ?? []).map(Number);
    expect(needed! - left!, stderr).toBe(lacking);
    expect(needed).toBeGreaterThan(grown);

    group.limitTasks(group.tasks + 4);
    const both = await service.reload();
    expect(both.stderr).toContain(`(${limit} of ${group.name})`);
    expect(both.stderr).toMatch(new RegExp(`needs \\d+ tasks and has \\d tasks \\(pids\\.max of ${group.name}\\)`));
    expect(await service.generation()).toBe(1);

    group.limitTasks(null);
    expect(await service.batond('reload', '--force')).toMatchObject({ status: 0 });
    expect(await service.generation()).toBe(2);
    expectNothingLost(await load.stop());
    await service.expectNoLeftovers();
  },
);
