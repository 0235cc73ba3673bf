/** Profiles of a service that is under load, for whoever asks; and what ends them before their time. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ProfileResult } from '../../src/cli/profile.js';
import { ControlClient } from '../../src/control/client.js';
import type { ProfileLine } from '../../src/control/profile-messages.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { processesNaming } from '../support/service/processes.js';
import { eventually } from '../support/service/wait.js';

test('time and memory of workers are told and kept, and neither a reload nor a stop waits for a profile', async () => {
  await using service = await HostedService.start({ workers: 2 });
  const folder = join(service.folder, 'state/profiles');
  const load = await service.load({ modes: { fresh: { perSecond: 50 } } });

  const copy = join(service.folder, 'mine.heapsnapshot');
  const heap = await service.batond('profile', 'heap', '--slot', '1', '--output', copy);
  expect(heap, service.log).toMatchObject({ status: 0, stderr: expect.stringMatching(/g1s1 .*stands still/) });
  expect(heap.stdout).toContain('(string)');
  expect(JSON.parse(readFileSync(copy, 'utf8')).snapshot.node_count).toBeGreaterThan(1_000);
  expect(statSync(copy).mode & 0o777).toBe(0o600);

  const all = await service.batond('profile', 'cpu', 'shop', '--all', '--seconds', '0.5', '--json');
  const { profiles, missing } = JSON.parse(all.stdout) as ProfileResult;
  expect(missing).toEqual([]);
  expect(profiles.map(({ worker }) => worker)).toEqual(['g1s0', 'g1s1']);
  for (const { path, cpu } of profiles) {
    expect(existsSync(path)).toBe(true);
    expect(cpu!.durationMs).toBeGreaterThan(450);
    expect(cpu!.byOwner.map(({ owner }) => owner)).toContain('(idle)');
  }

  const { generations } = await service.status();
  const startup = await service.batond('profile', 'startup', '--json');
  const [started] = (JSON.parse(startup.stdout) as ProfileResult).profiles;
  const { phases, totalMs } = started!.startup!;
  expect(phases.map(({ phase }) => phase)).toEqual(expect.arrayContaining(['node', 'preload', 'app', 'ready']));
  expect(phases.reduce((all, { ms }) => all + ms, 0)).toBeCloseTo(totalMs, -1);
  // It was nobody's: what serves is as it was, and it is gone.
  const after = await service.status();
  expect(after.generations[0]!.workers.map(({ pid }) => pid)).toEqual(generations[0]!.workers.map(({ pid }) => pid));
  expect(after.listeners).toHaveLength(1);
  await eventually(
    () => processesNaming(service.folder).some(({ pid }) => pid === started!.pid),
    (isThere) => !isThere,
    { what: () => `the worker that was profiled has ended; log:\n${service.log}` },
  );

  // What the release has become since is what is started.
  writeFileSync(join(service.releases.path('r1'), 'server.js'), 'process.exit(3);\n');
  expect(await service.batond('profile', 'startup'), service.log).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('exited with status 3'),
  });
  service.deploy('answers');

  const first = await beginLong(service);
  expect((await service.batond('profile', 'cpu', '--slot', '0')).status, service.log).toBe(75);
  expect((await service.reload()).status, service.log).toBe(0);
  expect(await first.verdict, service.log).toMatchObject({ ok: true });
  expect(first.said()).toContain('a reload began');
  await service.untilDrained();
  expectNothingLost(await load.stop(), service.log);

  const second = await beginLong(service);
  expect((await service.batond('stop')).status).toBe(0);
  expect(await second.verdict, service.log).toMatchObject({ ok: true });
  expect(second.said()).toContain('told to end');
  expect(await service.exit, service.log).toBe(0);
  expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
});

/** A profile that would last for minutes, once it is under way. */
async function beginLong(service: HostedService) {
  const client = new ControlClient('shop', service.env);
  const lines: ProfileLine[] = [];
  const options = { kind: 'cpu', durationMs: 300_000, slot: null, all: false } as const;
  let verdict: ReturnType<ControlClient['profile']> | undefined;
  await new Promise<void>((begun, failed) => {
    verdict = client.profile(options, (line) => {
      lines.push(line);
      begun();
    });
    verdict.catch(failed);
  });
  return { verdict: verdict!, said: () => JSON.stringify(lines) };
}
