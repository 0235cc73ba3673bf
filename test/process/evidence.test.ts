/** What is kept of a candidate that fails, and that nobody waits for it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Report } from '../../src/inventory/report.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const toml = (cpuTime: string) =>
  `[upgrade]\nprobe = "/"\non_failure = ["heap", "report", "cpu"]\n[evidence]\ncpu_time = "${cpuTime}"\nmax = "256MiB"`;

async function evidenceOf(service: HostedService): Promise<NonNullable<Report['evidence']>> {
  const report = await eventually(
    async () => JSON.parse((await service.batond('report', '--json')).stdout) as Report,
    ({ evidence }) => evidence !== undefined,
    { deadlineMs: 60_000, what: () => `its evidence is in the report; log:\n${service.log}` },
  );
  return report.evidence!;
}

test('a candidate that fails its probe leaves heap snapshot, report and profile, and one that died how it ended', async () => {
  await using service = await HostedService.start({ toml: toml('200ms'), workers: 1 });
  const load = await service.load({ modes: { fresh: { perSecond: 20 } } });
  service.deploy('is-unhealthy');
  const { verdict } = await service.reload();
  const folder = join(service.folder, 'state/evidence');
  expect(verdict, service.log).toMatchObject({ ok: false, code: 'CANDIDATE_NOT_ANSWERING', generation: 1 });
  expect(verdict!.message).toContain(`evidence is kept in ${folder}/`);

  const evidence = await evidenceOf(service);
  expect(evidence.missing, service.log).toEqual([]);
  expect(verdict!.message).toContain(evidence.folder);
  expect(readdirSync(evidence.folder)).toEqual([
    'evidence.json',
    'g2s0.cpuprofile',
    'g2s0.heapsnapshot',
    'g2s0.report.json',
  ]);
  expect(statSync(evidence.folder).mode & 0o777).toBe(0o700);
  const read = (file: string) => {
    expect(statSync(join(evidence.folder, file)).mode & 0o777, file).toBe(0o600);
    return JSON.parse(readFileSync(join(evidence.folder, file), 'utf8'));
  };
  expect(read('g2s0.heapsnapshot').snapshot.node_count).toBeGreaterThan(1_000);
  expect(read('g2s0.report.json').header.commandLine.join(' ')).toContain('server.js');
  expect(read('g2s0.cpuprofile').nodes.length).toBeGreaterThan(0);
  expect(read('evidence.json')).toMatchObject({ generation: 2, code: 'CANDIDATE_NOT_ANSWERING', missing: [] });
  expect((await service.batond('report')).stdout).toContain('g2s0.heapsnapshot');
  await service.untilDrained();

  service.deploy('exits-at-once');
  expect((await service.reload()).status).toBe(1);
  const second = await evidenceOf(service);
  expect(JSON.parse(readFileSync(join(second.folder, 'exit.json'), 'utf8'))).toMatchObject([{ worker: 'g3s0' }]);
  expect(readdirSync(folder)).toHaveLength(2);
  expectNothingLost(await load.stop(), service.log);
  await service.expectNoLeftovers();
});

test('neither the next reload nor the death of the supervisor waits for a profile, or leaves half of it', async () => {
  await using service = await HostedService.start({ toml: toml('60s'), workers: 1 });
  const folder = join(service.folder, 'state/evidence');
  service.deploy('is-unhealthy');
  expect((await service.reload()).status).toBe(1);
  service.deploy('answers');
  expect((await service.reload()).status, service.log).toBe(0);
  await service.untilDrained();
  const [first] = readdirSync(folder);
  expect(JSON.parse(readFileSync(join(folder, first!, 'evidence.json'), 'utf8'))).toMatchObject({
    generation: 2,
    missing: [{ what: 'g2s0', reason: 'another reload took over' }],
  });

  service.deploy('is-unhealthy');
  expect((await service.reload()).status).toBe(1);
  expect(readdirSync(folder).filter((name) => name.endsWith('-g4.partial'))).toHaveLength(1);
  const { pid } = (await service.status()).supervisor;
  process.kill(pid, 'SIGKILL');
  await service.untilAdopted(pid);
  await service.untilDrained();
  await eventually(
    () => readdirSync(folder),
    (names) => names.length === 1 && names[0] === first,
    { what: () => `what was not completed is removed; log:\n${service.log}` },
  );
  await service.expectNoLeftovers();
});
