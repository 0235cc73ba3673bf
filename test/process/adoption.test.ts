/** The supervisor may be killed at any instant: its workers serve on, and the next supervisor adopts them. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/control/messages.js';
import { arm, type Fault, hasFallen } from '../support/faults/faults.js';
import { whoAnswers } from '../support/service/ask.js';
import { ROOT } from '../support/service/batond.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HeldAnswer } from '../support/service/held-answer.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';
import { startClients } from '../support/ws/start-clients.js';

const MODES = {
  fresh: { perSecond: 100 },
  keepAlive: { connections: 16, gapMs: [0, 100] as const },
  slow: { connections: 2, ms: 900, chunks: 6 },
  idle: { connections: 4 },
};

const serving = ({ generations }: Status) => generations.find(({ role }) => role === 'incumbent')!;
const pidsOf = (status: Status) =>
  serving(status)
    .workers.map(({ pid }) => pid)
    .sort((a, b) => a - b);

describe('a supervisor that is killed', () => {
  test('costs nobody anything, three times in a row: the same workers go on under the next one', async () => {
    await using service = await HostedService.start();
    const before = await service.status();
    const load = await service.load({ modes: MODES });
    let fds: number | null = null;
    for (let n = 0; n < 3; n++) {
      const after = await service.killSupervisor();
      expect(pidsOf(after), service.log).toEqual(pidsOf(before));
      expect(serving(after).number).toBe(1);
      const open = readdirSync(`/proc/${after.supervisor.pid}/fd`).length;
      fds ??= open;
      expect(open).toBeLessThanOrEqual(fds + 2);
    }
    service.deploy('answers');
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation: 2 });
    await service.untilDrained();
    await service.killSupervisor();
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  }, 120_000);

  test('while an old generation drains: the drain goes on, with its deadline and its report', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const held = await HeldAnswer.begin(service.port);
    expect((await service.reload()).status).toBe(0);
    const after = await service.killSupervisor();
    const draining = after.generations.find(({ role }) => role === 'draining');
    expect(draining, service.log).toMatchObject({ number: 1 });
    expect(draining!.drainLeftMs).toBeGreaterThan(20_000);
    held.finish();
    await held.askAgain();
    await service.untilDrained();
    const report = JSON.parse((await service.batond('report', '--json')).stdout);
    expect(report.drains).toMatchObject([{ generation: 1, workers: { lost: 0, killed: 0 } }]);
    expect(report.drains[0].finished + report.drains[0].moved).toBe(1);
    await service.expectNoLeftovers();
  });

  test('together with a worker: that one is replaced, with its crash counted and its end told', async () => {
    await using service = await HostedService.start();
    const { supervisor, generations } = await service.status();
    const [victim, other] = generations[0]!.workers;
    process.kill(supervisor.pid, 'SIGKILL');
    process.kill(victim!.pid, 'SIGSEGV');
    await service.untilAdopted(supervisor.pid);
    const incumbent = await eventually(
      async () => serving(await service.status()),
      ({ workers }) =>
        workers.length === 2 && workers.every(({ phase, pid }) => phase === 'open' && pid !== victim!.pid),
      { what: () => `slot ${victim!.slot} has a new worker; log:\n${service.log}` },
    );
    expect(incumbent.workers.map(({ pid }) => pid)).toContain(other!.pid);
    expect(service.log).toContain(`worker g1s${victim!.slot} was killed by SIGSEGV`);
    await service.expectNoLeftovers();
  });

  test('leaves WebSockets open', async () => {
    await using service = await HostedService.start({ app: 'echoes-ws', env: { BATOND: ROOT } });
    await using clients = await startClients(service.port, 20, 20);
    await service.killSupervisor();
    service.deploy('echoes-ws');
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true });
    await service.untilDrained();
    await service.killSupervisor();
    expect(await clients.stop(), service.log).toMatchObject({ closed: [], wrong: [] });
  });

  test('leaves a configuration that has an error meanwhile out of it', async () => {
    await using service = await HostedService.start();
    const before = await service.status();
    service.writeConfig('name = "shop"\nworkers = "many"\n');
    expect(pidsOf(await service.killSupervisor())).toEqual(pidsOf(before));
    expect(service.log).toContain('going on with the last good configuration');
    service.configure({});
    expect((await service.reload()).status, service.log).toBe(0);
    await service.expectNoLeftovers();
  });
});

describe.runIf(spawnSync('python3', ['--version']).status === 0)('a program without a channel', () => {
  test('is adopted, reloaded and stopped', async () => {
    await using service = await HostedService.start({
      app: 'speaks-sd-notify',
      program: 'command = ["python3", "server.py"]',
      toml: (port) => `\n[[listener]]\nname = "http"\naddress = "127.0.0.1:${port}"`,
    });
    const before = await service.status();
    const load = await service.load({ modes: { fresh: { perSecond: 100 } } });
    expect(pidsOf(await service.killSupervisor())).toEqual(pidsOf(before));
    service.deploy('speaks-sd-notify');
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation: 2 });
    await service.untilDrained();
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });
});

/** In the middle of a takeover and of a switch; the fault matrix plays every transition. */
const BEFORE_COMMIT: Omit<Fault, 'signal'>[] = [
  { machine: 'successor', state: 'waiting', event: 'yours' },
  { machine: 'roll', state: 'switching', event: 'opened', after: 'pauseIncumbents' },
];

describe('a reload whose supervisor is killed', () => {
  test.each(BEFORE_COMMIT)('at $machine $state $event is taken back, and says so', async (at) => {
    await using service = await HostedService.start({ faults: true });
    const before = await service.status();
    const load = await service.load({ modes: MODES });
    service.deploy('answers');
    arm(service.folder, { ...at, signal: 'SIGKILL' });
    const { status, verdict } = await service.reload();
    expect(hasFallen(service.folder)).toBe(true);
    expect(status, service.log).toBe(1);
    expect(verdict).toMatchObject({ ok: false, code: 'SUPERVISOR_DIED', generation: 1 });
    expect(verdict?.message).toBe('the supervisor died during the reload; generation 1 keeps serving');
    expect(pidsOf(await service.untilDrained())).toEqual(pidsOf(before));
    expect((await service.reload()).status, service.log).toBe(0);
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
  });

  test.each([
    [{ state: 'switching', event: 'paused' }, 1, { ok: false, code: 'SUPERVISOR_DIED', generation: 1 }],
    [{ state: 'committing', event: 'committed', after: 'promote' }, 0, { ok: true, generation: 2 }],
  ])('at %j has its verdict also where no other comes before the command has ended', async (at, status, verdict) => {
    await using service = await HostedService.start({ faults: true });
    arm(service.folder, { machine: 'roll', ...at, signal: 'SIGKILL' });
    // As systemd marks the process of ExecReload=, for which it waits.
    const { pid } = (await service.status()).supervisor;
    const result = await service.reload({ MAINPID: String(pid) });
    expect(result.status, service.log).toBe(status);
    expect(result.verdict).toMatchObject(verdict);
    const { lastReload } = await service.untilDrained();
    expect(lastReload).toMatchObject(verdict);
  });

  test.each(['promote', 'reportDone'])('right after its commit (%s) is done', async (after) => {
    await using service = await HostedService.start({ faults: true });
    const load = await service.load({ modes: MODES });
    service.deploy('answers');
    arm(service.folder, { machine: 'roll', state: 'committing', event: 'committed', after, signal: 'SIGKILL' });
    const { status, verdict } = await service.reload();
    expect(hasFallen(service.folder)).toBe(true);
    expect(status, service.log).toBe(0);
    expect(verdict).toMatchObject({ ok: true, generation: 2 });
    expect(serving(await service.untilDrained()).number).toBe(2);
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
  });
});

const live = (service: HostedService) => join(service.folder, 'run/live.json');
const scribble = (service: HostedService) => {
  writeFileSync(live(service), readFileSync(live(service), 'utf8').replace('"incumbent"', '"candidate"'));
};
/** All that can be wrong with one is in the unit tests. */
describe('a live state file that', () => {
  test.each([
    ['is missing', (service: HostedService) => rmSync(live(service)), 'there is none'],
    ['was written into', scribble, 'its checksum is wrong'],
  ])('%s makes a new generation, and the old workers serve until it does', async (_name, damage, why) => {
    await using service = await HostedService.start();
    const before = await service.status();
    const load = await service.load({ modes: MODES });
    process.kill(before.supervisor.pid, 'SIGKILL');
    damage(service);
    const after = await service.untilAdopted(before.supervisor.pid);
    expect(service.log).toContain(`the live state cannot be used (${why})`);
    expect(serving(after).number).toBe(2);
    expect(after.listeners).toHaveLength(1);
    await eventually(
      () => service.processes().map(({ pid }) => pid),
      (pids) => pidsOf(before).every((pid) => !pids.includes(pid)),
      { deadlineMs: 20_000, what: () => `the old workers have drained; log:\n${service.log}` },
    );
    const { refused, reset, cutShort, timedOut, wrong, outstanding } = await load.stop();
    expect({ refused, reset, cutShort, timedOut, wrong, outstanding }, service.log).toEqual({
      refused: 0,
      reset: 0,
      cutShort: 0,
      timedOut: 0,
      wrong: 0,
      outstanding: 0,
    });
    expect((await service.reload()).status, service.log).toBe(0);
    await service.expectNoLeftovers();
  });
});

test('who connects while nobody supervises is served all the same', async () => {
  await using service = await HostedService.start({ workers: 1 });
  const sockets: Socket[] = [];
  const before = await service.status();
  process.kill(before.supervisor.pid, 'SIGKILL');
  await Promise.all(
    [1, 2, 3].map(
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect(service.port, '127.0.0.1', resolve);
          socket.on('error', reject);
          sockets.push(socket);
        }),
    ),
  );
  expect((await whoAnswers(service.port)).pid).toBe(pidsOf(before)[0]);
  await service.untilAdopted(before.supervisor.pid);
  for (const socket of sockets) socket.destroy();
});
