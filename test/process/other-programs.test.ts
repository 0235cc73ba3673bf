/** Any program that takes LISTEN_FDS and says READY=1 gets the same reloads; here one in Python. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask, whoAnswers } from '../support/service/ask.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { type HostedOptions, HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const hasPython = spawnSync('python3', ['--version']).status === 0;
const PYTHON = 'command = ["python3", "server.py"]';
const listener =
  (more = '') =>
  (port: number) =>
    `${more}\n[[listener]]\nname = "http"\naddress = "127.0.0.1:${port}"`;

const start = (options: HostedOptions = {}) =>
  HostedService.start({ app: 'speaks-sd-notify', program: PYTHON, toml: listener(), ...options });

/** What the program said it was given, one entry a worker. */
const givenTo = ({ log }: HostedService): Record<string, string>[] =>
  log
    .split('\n')
    .filter((line) => line.startsWith('{"was_given"'))
    .map((line) => JSON.parse(line).was_given);

describe.runIf(hasPython)('a program in Python', () => {
  test('gets its listeners as sd_listen_fds(3) wants them, and a notify socket that is not the service own', async () => {
    await using service = await start();
    const { generations } = await service.status();
    const { workers } = generations[0]!;
    const given = givenTo(service).sort((a, b) => Number(a.LISTEN_PID) - Number(b.LISTEN_PID));
    expect(given).toEqual(
      workers.map(({ pid, slot }) => ({
        LISTEN_PID: String(pid),
        LISTEN_FDS: '1',
        LISTEN_FDNAMES: 'http',
        NOTIFY_SOCKET: join(service.folder, `run/notify-g1s${slot}.sock`),
      })),
    );
    expect(workers.map(({ phase, measures }) => ({ phase, measures }))).toEqual([
      { phase: 'open', measures: null },
      { phase: 'open', measures: null },
    ]);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });

  test('is reloaded five times without losing a request', async () => {
    await using service = await start();
    const load = await service.load({ modes: { fresh: { perSecond: 100 } } });
    for (let n = 2; n <= 6; n++) {
      const release = service.deploy('speaks-sd-notify');
      const { status, verdict } = await service.reload();
      expect(status, service.log).toBe(0);
      expect(verdict).toMatchObject({ ok: true, generation: n });
      expect((await service.untilDrained()).generations[0]).toMatchObject({
        number: n,
        release: `${release}@${n}.0.0`,
      });
    }
    const result = await load.stop();
    expectNothingLost(result, service.log);
    expect(result.releases).toHaveLength(6);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });

  test('has upgrade.drain_timeout for what is in flight, and is killed after it', async () => {
    const toml = listener('[upgrade]\ndrain_timeout = "1500ms"\n[stop]\nkill_timeout = "100ms"');
    await using service = await start({ workers: 1, toml });
    const [done, cut] = [ask(service.port, '/slow?ms=1000'), ask(service.port, '/slow?ms=60000')];
    cut.catch(() => {});
    await expect.poll(() => requestsInFlight(service), { timeout: 5_000 }).toBe(2);
    service.deploy('speaks-sd-notify');
    expect((await service.reload()).status).toBe(0);
    expect(JSON.parse(await (await done).body)).toMatchObject({ release: 'r1' });
    await expect(cut).rejects.toThrow();
    await service.expectNoLeftovers();
    expect(service.log).toContain('worker g1s0 did not end in time after SIGTERM: SIGKILL');
  });

  test('that never says READY=1 is refused with the reason', async () => {
    await using service = await start({ workers: 1 });
    const load = await service.load({ modes: { fresh: { perSecond: 50 } } });
    service.configure({
      workers: 1,
      program: 'command = ["sleep", "3600"]',
      toml: listener('[upgrade]\nready_timeout = "500ms"'),
    });
    const { status, verdict } = await service.reload();
    expect(status).toBe(1);
    expect(verdict).toMatchObject({ code: 'CANDIDATE_NOT_READY', generation: 1 });
    expect(verdict?.message).toContain('generation 2 was not ready within 0.5 s: 1 of 1 worker never said ready');
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
  });

  test('is not ready because somebody outside its session says so', async () => {
    await using service = await start({ workers: 1 });
    service.configure({ workers: 1, program: PYTHON, toml: listener('[upgrade]\nready_timeout = "2s"') });
    service.deploy('outsider-says-ready');
    const { verdict } = await service.reload();
    expect(service.log).toContain('an outsider has said READY=1');
    expect(service.log).toMatch(
      /"event":"refused".*"asked":"spoke on the notify socket of worker g2s0".*"peerPid":\d+/,
    );
    expect(verdict).toMatchObject({ ok: false, code: 'CANDIDATE_NOT_READY', generation: 1 });
    expect(await whoAnswers(service.port)).toMatchObject({ release: 'r1' });
    await service.expectNoLeftovers();
  });

  test('is not left behind by a supervisor that is killed, nor its listener', async () => {
    await using service = await start();
    const before = await service.status();
    const slow = ask(service.port, '/slow?ms=1000');
    await expect.poll(() => requestsInFlight(service), { timeout: 5_000 }).toBe(1);
    process.kill(before.supervisor.pid, 'SIGKILL');
    const after = await eventually(
      () => service.tryStatus(),
      (status) => status?.state === 'serving' && status.supervisor.pid !== before.supervisor.pid,
      { deadlineMs: 15_000, what: () => `it serves again; log:\n${service.log}` },
    );
    expect(JSON.parse(await (await slow).body)).toMatchObject({ release: 'r1' });
    const pids = after!.generations[0]!.workers.map(({ pid }) => pid);
    expect(pids).toContain((await whoAnswers(service.port)).pid);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });
});

/** The program says so when it has begun one. */
function requestsInFlight(service: HostedService): number {
  return service.log.split('\n').filter((line) => line === 'slow').length;
}
