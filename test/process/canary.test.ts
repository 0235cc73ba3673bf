/** A canary: a share of the new connections goes to the candidate before it serves all, and none of them is lost. */
import { expect, test } from 'vitest';
import type { CanaryReport, Report } from '../../src/inventory/report.js';
import type { LoadResult } from '../support/load/start-load.mjs';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const LONG = process.env.BATOND_LONG === '1';
const NOTHING_LOST = { refused: 0, reset: 0, cutShort: 0, timedOut: 0, wrong: 0, broken: 0 };

const canary = (...steps: (readonly [weight: number, seconds: number])[]) =>
  `[upgrade]\ncanary = [${steps.map(([weight, s]) => `{ weight = ${weight}, for = "${s * 1_000}ms" }`).join(', ')}]`;

async function report(service: HostedService): Promise<Report> {
  return JSON.parse((await service.batond('report', '--json')).stdout) as Report;
}

/** How many standard deviations a count is away from what was to be expected. */
function sigmas(count: number, of: number, share: number): number {
  return Math.abs(count - of * share) / Math.sqrt(of * share * (1 - share));
}

const countOf = ({ releases }: LoadResult, release: string) =>
  releases.find((one) => one.release === release)?.count ?? 0;

/** Begins a reload, and waits until it has come to a step of its canary. */
async function reloadUntilStep(service: HostedService, step: string) {
  const before = service.log.split(step).length;
  const reloading = service.reload();
  await eventually(
    () => service.log.split(step).length,
    (count) => count > before,
    { deadlineMs: 20_000, what: () => `the step "${step}" begins; log:\n${service.log}` },
  );
  return { reloading };
}

test('each step gives the candidate its share, and then it serves all', async () => {
  await using service = await HostedService.start({ toml: canary([0.1, 2], [0.3, 2]) });
  const load = await service.load({ modes: { fresh: { perSecond: 300 } } });
  const release = service.deploy('answers');
  const { verdict, stdout } = await service.reload();
  expect(verdict, service.log).toMatchObject({ ok: true, generation: 2 });
  expect(stdout).toContain(
    '"step":"canary","message":"generation 2 gets 10 % of new connections for 2s (step 1 of 2)"',
  );
  const { canary: steps, phases } = await report(service);
  expect(phases.map(({ phase }) => phase)).toContain('canary');
  expect(steps?.map(({ share }) => share)).toEqual([100, 300]);
  for (const { share, candidate, incumbent } of steps as CanaryReport[]) {
    const of = candidate.connections + incumbent.connections;
    expect(of).toBeGreaterThan(100);
    // Besides chance: not all workers are asked at the same moment.
    expect(sigmas(candidate.connections, of, share / 1_000)).toBeLessThan(4.5);
  }
  const result = await load.stop();
  expect(result).toMatchObject(NOTHING_LOST);
  expect(countOf(result, release)).toBeGreaterThan(100);
  const after = await service.load({ modes: { fresh: { perSecond: 100, requests: 100 } } });
  expect(await after.finished).toMatchObject({ ...NOTHING_LOST, releases: [{ release, count: 100 }] });
  await service.expectNoLeftovers();
  expect((await service.batond('report')).stdout).toMatch(/canary {6}10 % for 2\.\d s: \d+ of \d+ connections/);
});

// 5,000 connections at a tenth; or, for minutes, 200,000 at a thousandth while the kernel's program is changed 64 times.
const SAMPLE = LONG
  ? { share: 0.001, connections: 50_000, perSecond: 900, reloads: 4, steps: 16, seconds: 5, sigmas: 3 }
  : { share: 0.1, connections: 5_000, perSecond: 600, reloads: 1, steps: 8, seconds: 1.5, sigmas: 3.5 };

test('a share is what it says while programs replace each other, and no connection is lost', {
  timeout: LONG ? 900_000 : 60_000,
}, async () => {
  const { share, connections, perSecond, reloads, steps, seconds } = SAMPLE;
  const toml = canary(...Array.from({ length: steps }, () => [share, seconds] as const));
  await using service = await HostedService.start({ toml });
  let [all, taken] = [0, 0];
  for (let round = 0; round < reloads; round++) {
    const release = service.deploy('answers');
    const { reloading } = await reloadUntilStep(service, `(step 1 of ${steps})`);
    const load = await service.load({ modes: { fresh: { perSecond, requests: connections } } });
    const result = await load.finished;
    // The measurement is one of the canary alone.
    expect((await service.status()).summary).toContain(`It gets ${share * 100} % of new connections`);
    expect(result).toMatchObject({ ...NOTHING_LOST, requests: connections });
    all += result.requests;
    taken += countOf(result, release);
    expect((await reloading).verdict, service.log).toMatchObject({ ok: true });
    await service.untilDrained();
  }
  if (LONG) console.log(`${taken} of ${all} connections, ${sigmas(taken, all, share).toFixed(2)} sigma`);
  expect(sigmas(taken, all, share), `${taken} of ${all}`).toBeLessThan(SAMPLE.sigmas);
});

test('a candidate that falls in its canary is taken back, and what waited for it is served', async () => {
  await using service = await HostedService.start({ toml: canary([0.5, 30]) });
  const load = await service.load({ modes: { fresh: { perSecond: 50 } } });
  service.deploy('answers');
  const { reloading } = await reloadUntilStep(service, 'gets 50 %');
  const { generations } = await service.status();
  const candidate = generations.find(({ role }) => role === 'candidate');
  // Stopped first: what comes now waits in the second socket, accepted by nobody.
  for (const { pid } of candidate!.workers) process.kill(pid, 'SIGSTOP');
  const before = (await load.snapshot()).requests;
  await eventually(
    async () => (await load.snapshot()).requests,
    (requests) => requests > before + 20,
    { what: () => 'connections have come' },
  );
  for (const { pid } of candidate!.workers) process.kill(pid, 'SIGKILL');
  expect((await reloading).verdict).toMatchObject({ ok: false, code: 'CANDIDATE_EXITED', generation: 1 });
  const result = await load.stop();
  // One may have been accepted in the moment of the SIGSTOP: it falls with its process, as at any crash.
  expect(result.reset + result.cutShort).toBeLessThanOrEqual(candidate!.workers.length * 2);
  expect({ ...result, reset: 0, cutShort: 0 }).toMatchObject(NOTHING_LOST);
  await service.expectNoLeftovers();
  const after = await service.load({ modes: { fresh: { perSecond: 100, requests: 200 } } });
  expect(await after.finished).toMatchObject({ ...NOTHING_LOST, releases: [{ release: 'r1', count: 200 }] });
});

test('a supervisor that dies in a canary leaves it to the next, which gives all back to the incumbent', async () => {
  await using service = await HostedService.start({ toml: canary([0.5, 60]) });
  const load = await service.load({ modes: { fresh: { perSecond: 100 } } });
  service.deploy('answers');
  const { reloading } = await reloadUntilStep(service, 'gets 50 %');
  await service.killSupervisor();
  expect((await reloading).verdict).toMatchObject({ ok: false, code: 'SUPERVISOR_DIED' });
  expect(await load.stop()).toMatchObject(NOTHING_LOST);
  const after = await service.load({ modes: { fresh: { perSecond: 100, requests: 200 } } });
  expect(await after.finished).toMatchObject({ ...NOTHING_LOST, releases: [{ release: 'r1', count: 200 }] });
  // The next canary uses the sockets that are there.
  service.configure({ toml: canary([1, 0.5]) });
  expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true });
  expect((await report(service)).canary).toMatchObject([{ share: 1_000 }]);
  await service.expectNoLeftovers();
});

test('a step may go by what is asked first: the header decides where a connection goes', async () => {
  const steps = '{ header = "x-canary: v2", for = "3s" }, { cookie = "sid", weight = 0.5, for = "3s" }';
  await using service = await HostedService.start({ toml: `[upgrade]\ncanary = [${steps}]` });
  const load = await service.load({ modes: { fresh: { perSecond: 50 } } });
  const release = service.deploy('answers');
  const { reloading } = await reloadUntilStep(service, 'gets new connections with header x-canary: v2');
  const ask = async (headers: Record<string, string>) =>
    (
      (await (
        await fetch(`http://127.0.0.1:${service.port}/`, { headers: { ...headers, connection: 'close' } })
      ).json()) as {
        release: string;
      }
    ).release;
  expect(await ask({ 'x-canary': 'v2' })).toBe(release);
  expect(await ask({ 'x-canary': 'v1' })).toBe('r1');
  expect(countOf(await load.snapshot(), release)).toBe(0);
  await eventually(
    () => service.log,
    (log) => log.includes('gets 50 % of new connections by cookie sid'),
    { what: () => 'the second step begins' },
  );
  const users = Array.from({ length: 24 }, (_, index) => `sid=user-${index}`);
  const first = await Promise.all(users.map((cookie) => ask({ cookie })));
  expect(await Promise.all(users.map((cookie) => ask({ cookie })))).toEqual(first);
  expect(new Set(first)).toEqual(new Set(['r1', release]));
  expect((await reloading).verdict, service.log).toMatchObject({ ok: true });
  expect(await load.stop()).toMatchObject(NOTHING_LOST);
  expect((await report(service)).canary).toMatchObject([{ match: 'header x-canary: v2' }, { match: 'cookie sid' }]);
  await service.expectNoLeftovers();
});

test('a Unix socket has its share by hand', async () => {
  await using service = await HostedService.start({ app: 'answers-unix', toml: canary([0.5, 2]) });
  const load = await service.load({ socketPath: service.socketPath, modes: { fresh: { perSecond: 100 } } });
  const release = service.deploy('answers-unix-plain');
  const { verdict, stdout } = await service.reload();
  expect(verdict, service.log).toMatchObject({ ok: true });
  expect(stdout).toContain('gets 50 % of new connections for 2s');
  expect(service.log).toContain('a Unix socket cannot share its path with a second one');
  const [step] = (await report(service)).canary as CanaryReport[];
  const of = step!.candidate.connections + step!.incumbent.connections;
  expect(sigmas(step!.candidate.connections, of, 0.5)).toBeLessThan(4.5);
  const result = await load.stop();
  expect(result).toMatchObject(NOTHING_LOST);
  expect(countOf(result, release)).toBeGreaterThan(50);
  await service.expectNoLeftovers();
});

test('a rollback is not made wait by a canary, and one without a listener to share is refused', async () => {
  await using service = await HostedService.start();
  service.deploy('answers');
  expect((await service.reload()).status).toBe(0);
  service.configure({ toml: canary([0.5, 600]) });
  expect(await service.batond('rollback'), service.log).toMatchObject({ status: 0 });
  service.deploy('answers-unix');
  const { verdict } = await service.reload();
  expect(verdict).toMatchObject({ ok: false, code: 'CANARY_NOT_POSSIBLE' });
  expect(verdict?.message).toContain('there is no listener of connections that both generations listen on');
  await service.expectNoLeftovers();
});
