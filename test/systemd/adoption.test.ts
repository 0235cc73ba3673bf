/** Under a real systemd: a supervisor that is killed or restarted is replaced, its workers are adopted, nobody notices. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/control/messages.js';
import { arm, faultEnvironment, hasFallen } from '../support/faults/faults.js';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { MAIN, NODE } from '../support/service/batond.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { freePort } from '../support/service/free-port.js';
import { InstalledService } from '../support/service/installed.js';
import { eventually } from '../support/service/wait.js';

const available = labAvailable();
const suite = describe.skipIf(!available.ok);

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

/** Waits until systemd has another main process that is ready. */
async function untilReplaced(service: InstalledService, pid: number): Promise<Status> {
  await eventually(
    async () => [await service.show('ActiveState'), Number(await service.show('MainPID'))] as const,
    ([state, main]) => state === 'active' && main !== pid && main > 0,
    { deadlineMs: 30_000, what: () => `another main process than ${pid}` },
  );
  return service.status();
}

async function kill(service: InstalledService): Promise<Status> {
  const { pid } = (await service.status()).supervisor;
  await service.lab.exec(['kill', '-9', String(pid)]);
  return untilReplaced(service, pid);
}

/** Changes the unit. */
async function dropIn(service: InstalledService, variables: readonly string[], more = ''): Promise<void> {
  const file = join(service.lab.share, 'env.conf');
  writeFileSync(file, `[Service]\n${variables.map((one) => `Environment=${one}\n`).join('')}${more}\n`);
  await service.lab.exec(['mkdir', '-p', '/etc/systemd/system/shop.service.d']);
  await service.lab.exec(['cp', file, '/etc/systemd/system/shop.service.d/']);
  await service.lab.exec(['systemctl', 'daemon-reload']);
}

const openFiles = async (service: InstalledService, pid: number) =>
  (await service.lab.exec(['ls', `/proc/${pid}/fd`])).stdout.trim().split('\n').length;

/** `npm test` takes a sample; all twenty with BATOND_LONG=1. */
const KILLS = process.env.BATOND_LONG === '1' ? 20 : 3;

suite(`under systemd${available.ok ? '' : ` (${available.why})`}`, () => {
  test(`the supervisor is killed ${KILLS} times in a row, and nobody notices`, async () => {
    await using service = await InstalledService.start();
    const before = await service.status();
    const stored = await service.show('NFileDescriptorStore');
    const load = await service.load({ modes: MODES });
    let fds = 0;
    for (let n = 1; n <= KILLS; n++) {
      const after = await kill(service);
      expect(pidsOf(after)).toEqual(pidsOf(before));
      expect(after.supervisor.pid).toBe(Number(await service.show('MainPID')));
      expect(await service.show('NRestarts')).toBe(String(n));
      const open = await openFiles(service, after.supervisor.pid);
      if (n === 1) fds = open;
      expect(open).toBeLessThanOrEqual(fds + 1);
    }
    expect(await service.show('NFileDescriptorStore')).toBe(stored);
    service.deploy('answers');
    const { status, stderr } = await service.reload();
    expect(status, stderr).toBe(0);
    const result = await load.stop();
    expectNothingLost(result, await service.journal());
    console.log(
      `${KILLS} kills, ${result.requests} requests, ${result.failures} failures, silence ${result.longestSilence.ms} ms`,
    );
    await service.expectNoLeftovers();
    expect(await service.show('NFileDescriptorStore')).toBe(stored);
  }, 300_000);

  test('`systemctl restart` loses nothing, keeps the workers, and applies what the unit says', async () => {
    await using service = await InstalledService.start();
    const before = await service.status();
    const load = await service.load({ modes: MODES });
    await dropIn(service, ['CHANGED=yes']);
    for (let n = 0; n < 3; n++) {
      const { pid } = (await service.status()).supervisor;
      await service.lab.exec(['systemctl', 'restart', 'shop']);
      const after = await untilReplaced(service, pid);
      expect(pidsOf(after), await service.journal()).toEqual(pidsOf(before));
    }
    const main = (await service.status()).supervisor.pid;
    expect((await service.lab.exec(['cat', `/proc/${main}/environ`])).stdout.split('\0')).toContain('CHANGED=yes');
    service.deploy('answers');
    expect((await service.reload()).status).toBe(0);
    const [worker] = serving(await service.untilDrained()).workers;
    expect((await service.lab.exec(['cat', `/proc/${worker!.pid}/environ`])).stdout.split('\0')).toContain(
      'CHANGED=yes',
    );
    expectNothingLost(await load.stop(), await service.journal());
    expect(await service.show('NRestarts')).toBe('0');
    await service.expectNoLeftovers();
  }, 120_000);

  test('`systemctl stop` stops everything, also after a kill, and leaves nothing in the store', async () => {
    await using service = await InstalledService.start();
    await kill(service);
    await service.lab.exec(['systemctl', 'stop', 'shop']);
    expect(await service.show('ActiveState')).toBe('inactive');
    expect(await service.show('Result')).toBe('success');
    expect(await service.show('NFileDescriptorStore')).toBe('0');
    const left = await service.lab.exec([
      'sh',
      '-c',
      'cat /sys/fs/cgroup/system.slice/shop.service/cgroup.procs || true',
    ]);
    expect(left.stdout).toBe('');
    await service.lab.exec(['systemctl', 'start', 'shop']);
    expect(serving(await service.status()).number).toBe(2);
    await service.expectNoLeftovers();
  }, 60_000);

  // For systemd a reload in which the main process dies has failed (service_enter_stop), and it starts no other before the
  // command of ExecReload= has ended: so that one must not wait for it.
  test('`systemctl reload` returns when the supervisor dies; what has been committed stays', async () => {
    await using service = await InstalledService.start();
    const { share } = service.lab;
    await dropIn(
      service,
      Object.entries(faultEnvironment(share)).map(([key, value]) => `"${key}=${value}"`),
    );
    await service.lab.exec(['systemctl', 'restart', 'shop']);
    const load = await service.load({ modes: MODES });
    const before = await service.status();
    const reload = () => service.lab.exec(['systemctl', 'reload', 'shop'], { check: false, timeoutMs: 60_000 });
    arm(share, { machine: 'roll', state: 'switching', event: 'paused', signal: 'SIGKILL' });
    expect((await reload()).status).toBe(1);
    const after = await untilReplaced(service, before.supervisor.pid);
    expect(pidsOf(after)).toEqual(pidsOf(before));
    expect(after.lastReload).toMatchObject({ ok: false, code: 'SUPERVISOR_DIED', generation: 1 });
    await service.untilDrained();
    expect(await service.journal()).toContain(
      'failed: the supervisor died during the reload; generation 1 keeps serving',
    );

    arm(share, { machine: 'roll', state: 'committing', event: 'committed', after: 'promote', signal: 'SIGKILL' });
    expect((await reload()).status).toBe(1);
    const last = await untilReplaced(service, after.supervisor.pid);
    expect(last.lastReload).toMatchObject({ ok: true, generation: 3 });
    expect(serving(last).number).toBe(3);
    expectNothingLost(await load.stop(), await service.journal());
    await service.expectNoLeftovers();
  }, 120_000);

  test('killed before it ever served, the supervisor begins its start anew', async () => {
    await using service = await InstalledService.start();
    const { share } = service.lab;
    await service.lab.exec(['systemctl', 'stop', 'shop']);
    await dropIn(
      service,
      Object.entries(faultEnvironment(share)).map(([key, value]) => `"${key}=${value}"`),
    );
    arm(share, { machine: 'roll', state: 'switching', event: 'opened', signal: 'SIGKILL' });
    await service.lab.exec(['systemctl', 'start', 'shop'], { check: false });
    expect(hasFallen(share)).toBe(true);
    const status = await untilReplaced(service, 0);
    expect(serving(status).number).toBe(3);
    expect(await service.history()).toMatchObject([
      { kind: 'start', generation: 1, verdict: 'replaced' },
      { kind: 'start', generation: 2, verdict: 'refused', code: 'SUPERVISOR_DIED' },
      { kind: 'start', generation: 3, verdict: 'serving' },
    ]);
    await service.expectNoLeftovers();
  }, 60_000);

  test('sockets of a .socket unit are not doubled by a kill or a restart', async () => {
    await using service = await InstalledService.start();
    await service.batond('uninstall');
    const { current } = service.releases;
    const flags = ['--directory', current, '--socket', `${service.port}`, '--env', `PORT=${service.port}`, '--now'];
    await service.batond('install', `${current}/server.js`, ...flags);
    const before = await service.status();
    const load = await service.load({ modes: MODES });
    const after = await kill(service);
    await service.lab.exec(['systemctl', 'restart', 'shop.service']);
    const last = await untilReplaced(service, after.supervisor.pid);
    expect(last.listeners).toEqual(before.listeners);
    expect(pidsOf(last)).toEqual(pidsOf(before));
    service.deploy('answers');
    expect((await service.reload()).status).toBe(0);
    expect((await service.untilDrained()).listeners).toEqual(before.listeners);
    expectNothingLost(await load.stop(), await service.journal());
  }, 60_000);

  test('a unit without a store is stopped and started by `systemctl restart`, as without us', async () => {
    await using service = await InstalledService.start();
    await service.lab.exec(['systemctl', 'stop', 'shop']);
    await dropIn(service, [], 'FileDescriptorStoreMax=0');
    await service.lab.exec(['systemctl', 'start', 'shop']);
    const before = await service.status();
    const inFlight = await service.load({ modes: { slow: { connections: 2, ms: 2_000, chunks: 5, requests: 1 } } });
    await eventually(
      () => inFlight.snapshot(),
      ({ outstanding }) => outstanding === 2,
      { what: () => 'two slow requests are in flight' },
    );
    await service.lab.exec(['systemctl', 'restart', 'shop']);
    const after = await untilReplaced(service, before.supervisor.pid);
    expect(pidsOf(after)).not.toEqual(pidsOf(before));
    expect(await inFlight.finished).toMatchObject({ ok: 2, failures: 0 });
    await service.expectNoLeftovers();
  }, 60_000);

  test('a user manager keeps and restarts it in the same way', async () => {
    await using service = await InstalledService.start();
    const { lab } = service;
    const user = (...command: string[]) => lab.execUser(command);
    const port = String(await freePort());
    await user(
      NODE,
      MAIN,
      'install',
      join(service.releases.current, 'server.js'),
      '--name',
      'own',
      '--user-unit',
      '--env',
      `PORT=${port}`,
      '--now',
    );
    const pids = async () => pidsOf(JSON.parse((await user(NODE, MAIN, 'status', '--name', 'own', '--json')).stdout));
    const before = await pids();
    await user('systemctl', '--user', 'restart', 'own');
    expect(await pids()).toEqual(before);
    await user('systemctl', '--user', 'stop', 'own');
  }, 60_000);
});
