/** A release that is ready and then turns out to be worse than the one before it is taken back while that stands by. */
import { expect, test } from 'vitest';
import type { Report } from '../../src/inventory/report.js';
import type { LoadHandle, LoadResult } from '../support/load/start-load.mjs';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import type { App } from '../support/service/releases.js';
import { eventually } from '../support/service/wait.js';

const SOAK = '[upgrade]\nsoak = "8s"';
const MODES = { fresh: { perSecond: 250 }, keepAlive: { connections: 8, gapMs: [0, 100] as const } };
const FAILURES = ['refused', 'reset', 'cutShort', 'timedOut', 'wrong', 'broken'] as const;

type Lost = Record<(typeof FAILURES)[number], number>;
const lostSince = (result: LoadResult, before: LoadResult) =>
  Object.fromEntries(FAILURES.map((bucket) => [bucket, result[bucket] - before[bucket]])) as Lost;
const NOTHING: Lost = { refused: 0, reset: 0, cutShort: 0, timedOut: 0, wrong: 0, broken: 0 };

async function report(service: HostedService): Promise<Report> {
  return JSON.parse((await service.batond('report', '--json')).stdout) as Report;
}

/** Begins a reload, and waits until its candidate serves on trial. */
async function reloadUntilSoak(service: HostedService) {
  const begun = () => service.log.split('serves on trial for').length;
  const before = begun();
  const reloading = service.reload();
  await eventually(begun, (count) => count > before, {
    deadlineMs: 30_000,
    what: () => `the candidate serves on trial; log:\n${service.log}`,
  });
  return { reloading };
}

async function deployOnTrial(service: HostedService, app: App, load: LoadHandle) {
  const before = await load.snapshot();
  const release = service.deploy(app);
  const { reloading } = await reloadUntilSoak(service);
  // Connections of this load begin with the candidate, and have to come back with it.
  const late = await service.load({ modes: { keepAlive: { connections: 6, gapMs: [0, 200] } } });
  const { status, verdict } = await reloading;
  await service.untilDrained();
  const lateResult = await late.stop();
  const lost = lostSince(await load.snapshot(), before);
  return { release, status, verdict, lost, lateResult, report: await report(service) };
}

test('bad releases are taken back in their soak, each for what it does, and clients saw no more than its bad answers', {
  timeout: 180_000,
}, async () => {
  await using service = await HostedService.start({ toml: SOAK });
  const load = await service.load({ modes: MODES });

  const failing = await deployOnTrial(service, 'fails-one-in-fifty', load);
  expect(failing.verdict, service.log).toMatchObject({ ok: false, code: 'SOAK_FAILED', generation: 1 });
  expect(failing.verdict?.message).toMatch(
    /^generation 2 was worse on trial: \d\.\d % of its [\d,]+ requests failed \(\d+ answers of 5xx, 0 broken off\), of the/,
  );
  expect(failing.status).toBe(1);
  // The verdict does not wait for those that are on their way.
  const seen = failing.lost.wrong + failing.lateResult.wrong;
  expect(seen).toBeGreaterThanOrEqual(failing.report.soak!.candidate.failed);
  expect(failing.report.soak!.candidate.failed).toBeGreaterThan(seen / 2);
  expect(failing.lost).toEqual({ ...NOTHING, wrong: failing.lost.wrong });
  expect(failing.report.soak?.incumbent).toMatchObject({ failed: 0 });
  expect(failing.report.phases.map(({ phase }) => phase)).toContain('soak');

  const blocking = await deployOnTrial(service, 'blocks-its-loop', load);
  expect(blocking.verdict?.message, service.log).toMatch(/^generation 3 was worse on trial: /);
  expect(blocking.verdict?.message).toMatch(/event loop of a worker was blocked for more than \d+ ms|p99 of/);
  expect(blocking.lost).toEqual(NOTHING);
  expectNothingLost(blocking.lateResult, service.log);
  expect(blocking.report.soak?.candidate.delayMaxMs).toBeGreaterThan(250);

  const leaking = await deployOnTrial(service, 'leaks-memory', load);
  expect(leaking.verdict?.message, service.log).toMatch(/a worker grows by \d+ MiB a second and has \d+ MiB/);
  expect(leaking.lost).toEqual(NOTHING);
  expectNothingLost(leaking.lateResult, service.log);

  const dying = await deployOnTrial(service, 'dies-in-five-seconds', load);
  expect(dying.verdict, service.log).toMatchObject({ ok: false, code: 'CANDIDATE_EXITED', generation: 1 });
  expect(dying.verdict?.message).toContain('on trial: Error: a bug that shows after 5 s');
  // Only what a dying worker had in hand: who connects meanwhile waits in the listener's queue.
  const { refused, timedOut, wrong, broken } = dying.lost;
  expect({ refused, timedOut, wrong, broken }).toEqual({ refused: 0, timedOut: 0, wrong: 0, broken: 0 });

  const { outstanding, releases } = await load.stop();
  expect(outstanding).toBe(0);
  expect(releases.map(({ release }) => release).sort()).toEqual(['r1', 'r2', 'r3', 'r4', 'r5']);
  await service.expectNoLeftovers();
});

test('a good release passes, tells how it goes, and its numbers stand beside those of the one before', async () => {
  await using service = await HostedService.start({ toml: SOAK });
  const load = await service.load({ modes: MODES });
  service.deploy('answers');
  const { reloading } = await reloadUntilSoak(service);
  expect((await service.batond('reload')).status).toBe(75);
  expect((await service.status()).summary).toContain('is on trial');
  const { status, verdict, stdout } = await reloading;
  expect(verdict, service.log).toMatchObject({ ok: true, generation: 2 });
  expect(status).toBe(0);
  expect(stdout).toMatch(/"message":"soak: \d s of 8 s, [\d,]+ requests, 0\.0 % errors, p99 \d+/);
  expectNothingLost(await load.stop(), service.log);
  const { soak } = await report(service);
  expect(soak).toMatchObject({ forMs: 8_000, failed: null, candidate: { failed: 0 }, incumbent: { failed: 0 } });
  expect(soak?.candidate.requests).toBeGreaterThan(500);
  expect(soak?.candidate.delayMaxMs).not.toBeNull();
  await service.expectNoLeftovers();
});

test.each([
  ['the client goes away', 'CLIENT_GONE'],
  ['the supervisor is killed', 'SUPERVISOR_DIED'],
] as const)('a soak in which %s is taken back, and costs nobody anything', async (what, code) => {
  await using service = await HostedService.start({ toml: '[upgrade]\nsoak = "10m"' });
  const load = await service.load({ modes: MODES });
  service.deploy('answers');
  const { reloading } = await reloadUntilSoak(service);
  const { supervisor } = await service.status();
  const client = service.processes().find(({ command }) => command.includes(' reload '));
  process.kill(what === 'the client goes away' ? client!.pid : supervisor.pid, 'SIGKILL');
  await reloading;
  const after = await eventually(
    () => service.tryStatus(),
    (status) => status?.state === 'serving' && status.lastReload !== null,
    { deadlineMs: 20_000, what: () => `it serves again; log:\n${service.log}` },
  );
  expect(after?.lastReload).toMatchObject({ ok: false, code, generation: 1 });
  expectNothingLost(await load.stop(), service.log);
  await service.expectNoLeftovers();
});
