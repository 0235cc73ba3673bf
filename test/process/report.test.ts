/** Each reload leaves a report, the failed ones too, and it is completed when the old generation is gone. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReportSummary } from '../../src/control/messages.js';
import type { Report } from '../../src/inventory/report.js';
import { ask } from '../support/service/ask.js';
import { ROOT } from '../support/service/batond.js';
import { HeldAnswer } from '../support/service/held-answer.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

async function report(service: HostedService, ...args: string[]): Promise<Report> {
  const { status, stdout, stderr } = await service.batond('report', ...args, '--json');
  if (status !== 0) throw new Error(`report: ${stderr}\n${service.log}`);
  return JSON.parse(stdout) as Report;
}

test('a reload has a report of its phases, which the end of the drain completes', async () => {
  await using service = await HostedService.start();
  const none = await service.batond('report');
  expect(none).toMatchObject({ status: 1, stderr: 'batond: no reload has been reported yet\n' });

  const held = await HeldAnswer.begin(service.port);
  const release = service.deploy('answers');
  const { verdict } = await service.reload();
  const first = await report(service);
  expect(first).toMatchObject({
    number: 1,
    kind: 'reload',
    from: 1,
    to: 2,
    release: `${release}@2.0.0`,
    verdict: { ok: true, code: null },
    drains: [{ generation: 1, ms: null }],
  });
  const phases = first.phases.map(({ phase }) => phase);
  expect(phases).toEqual(['takeover', 'boot', 'probe', 'switch', 'soak', 'commit']);
  const sum = first.phases.reduce((all, { ms }) => all + ms, 0);
  expect(sum / verdict!.durationMs).toBeGreaterThan(0.5);
  expect(sum / verdict!.durationMs).toBeLessThan(1.1);
  // Two supervisors and four Node processes, each with more than a handful of descriptors.
  expect(first.peak.rssBytes).toBeGreaterThan(100 * 2 ** 20);
  expect(first.peak.fds).toBeGreaterThan(50);

  held.finish();
  await held.askAgain();
  await service.untilDrained();
  const complete = await report(service, '1');
  expect(complete.drains[0]?.ms).toBeGreaterThan(0);
  expect(complete.drains[0]).toMatchObject({ cut: { idle: 0, drainTimeout: 0 }, workers: { killed: 0, timedOut: 0 } });
  expect(existsSync(join(service.folder, 'state/reports/1.json'))).toBe(true);
  expect(service.log).toMatch(/"event":"report".*"report":1.*"generation":2.*"takeoverMs":/);
});

test('a drain that the next reload finds unfinished is completed in its own report by the next supervisor', async () => {
  await using service = await HostedService.start();
  const held = await HeldAnswer.begin(service.port);
  expect((await service.reload()).status).toBe(0);
  expect((await service.reload()).status).toBe(0);
  expect((await report(service, '1')).drains).toMatchObject([{ generation: 1, ms: null }]);
  held.finish();
  await held.askAgain();
  await service.untilDrained();
  const [one, two] = [await report(service, '1'), await report(service, '2')];
  expect(one.drains).toMatchObject([{ generation: 1 }]);
  expect(one.drains[0]!.ms).toBeGreaterThan(two.drains[0]!.ms!);
  expect(two.drains).toMatchObject([{ generation: 2 }]);
});

test('a reload that was refused has a report, with the reason', async () => {
  await using service = await HostedService.start();
  service.deploy('exits-at-once');
  expect((await service.reload()).status).toBe(1);
  await service.untilDrained();
  const rolledBack = await report(service);
  expect(rolledBack).toMatchObject({ number: 1, from: 1, to: 2, verdict: { ok: false, code: 'CANDIDATE_EXITED' } });
  expect(rolledBack.phases.map(({ phase }) => phase)).toEqual(['takeover', 'boot', 'rollback']);
  expect(rolledBack.drains[0]).toMatchObject({ generation: 2 });

  service.writeConfig('name = "shop"\nworkers = = 2\n');
  expect((await service.reload()).status).toBe(1);
  expect(await report(service)).toMatchObject({
    number: 2,
    to: null,
    release: null,
    verdict: { ok: false, code: 'SUCCESSOR_REFUSED' },
    phases: [{ phase: 'takeover' }],
    drains: [],
  });
  const list = JSON.parse((await service.batond('report', '--list', '--json')).stdout) as ReportSummary[];
  expect(list.map(({ number, ok, code }) => ({ number, ok, code }))).toEqual([
    { number: 1, ok: false, code: 'CANDIDATE_EXITED' },
    { number: 2, ok: false, code: 'SUCCESSOR_REFUSED' },
  ]);
  expect(await service.batond('report', '77')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('there is no report 77'),
  });
});

test('a drain time-out is in the report, with the connections that it cut', async () => {
  await using service = await HostedService.start({ workers: 1, toml: '[upgrade]\ndrain_timeout = "500ms"' });
  const cut = [
    await ask(service.port, '/slow?ms=20000&chunks=200'),
    await ask(service.port, '/slow?ms=20000&chunks=200'),
  ];
  expect((await service.reload()).status).toBe(0);
  for (const { body } of cut) await expect(body).rejects.toThrow();
  await service.untilDrained();
  expect((await report(service)).drains).toMatchObject([
    { generation: 1, cut: { idle: 0, drainTimeout: 2, noOldAfter: 0 }, workers: { timedOut: 1, killed: 0 } },
  ]);
});

test('a worker that does not end names what holds it, before SIGTERM and before SIGKILL', async () => {
  await using service = await HostedService.start({
    app: 'holds-on',
    workers: 1,
    toml: '[upgrade]\ndrain_timeout = "300ms"\n[stop]\nkill_timeout = "2s"',
    env: { LIBRARY: join(ROOT, 'dist/index.js') },
  });
  const { body } = await ask(service.port, '/slow?ms=20000&chunks=200');
  service.deploy('answers');
  expect((await service.reload()).status).toBe(0);
  await expect(body).rejects.toThrow();
  await service.untilDrained();
  const { held } = (await report(service)).drains[0]!;
  expect(held?.map(({ before }) => before)).toEqual(['SIGTERM', 'SIGKILL']);
  for (const { by } of held!) {
    expect(by).toMatchObject({ gauges: { 'db.pool': 4, empty: 0 }, listeners: { SIGTERM: 1 } });
    expect(by!.resources.Timeout).toBeGreaterThanOrEqual(2);
    expect(by!.resources).not.toHaveProperty('PipeWrap');
  }
  expect(held![0]!.by!.resources).toHaveProperty('TCPSocketWrap');
  expect(service.log).toMatch(
    /worker g1s0 does not end: it is held by .*\d Timeout.*, db.pool 4, 1 listener of 'SIGTERM'/,
  );
  expect((await service.batond('report')).stdout).toMatch(/\n {2}held +worker g1s0 before SIGKILL: it is held by/);
});

test('what an old generation still had when its last connection had gone is told, and its sockets are not among it', async () => {
  await using service = await HostedService.start({
    app: 'holds-on',
    workers: 2,
    toml: '[stop]\nkill_timeout = "300ms"',
    env: { LIBRARY: join(ROOT, 'dist/index.js') },
  });
  service.deploy('answers');
  expect((await service.reload()).status).toBe(0);
  await service.untilDrained();
  const { remained } = (await report(service)).drains[0]!;
  expect(remained, service.log).toEqual({
    workers: 2,
    before: { resources: { Timeout: 4 }, gauges: { 'db.pool': 8 }, listeners: {} },
    left: { resources: { Timeout: 4 }, gauges: { 'db.pool': 8 }, listeners: {} },
  });
  expect((await service.batond('report')).stdout).toContain(
    'left        by 2 workers that had drained: Timeout 4 of 4, db.pool 8 of 8',
  );
});

test('the numbers go on after a restart of the service', async () => {
  await using service = await HostedService.start();
  await service.reload();
  await service.untilDrained();
  await service.stop();
  service.run();
  await service.untilServing();
  await service.reload();
  await eventually(
    () => report(service),
    ({ number }) => number === 2,
    { what: () => 'the second report' },
  );
  expect(JSON.parse(readFileSync(join(service.folder, 'state/reports/1.json'), 'utf8')).number).toBe(1);
});
