/** Faults under a real systemd: what its watchdog, its notion of the main process and its restarts make of them. */
import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/control/messages.js';
import { armAll, type Falling, fallen, faultEnvironment } from '../support/faults/faults.js';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { expectNothingLost } from '../support/service/expectations.js';
import { InstalledService } from '../support/service/installed.js';
import { eventually } from '../support/service/wait.js';

const available = labAvailable();
const suite = describe.skipIf(!available.ok);

const MODES = { fresh: { perSecond: 100 }, keepAlive: { connections: 16, gapMs: [0, 50] as const } };
const WATCHDOG = 'WatchdogSec=2s';

const serving = ({ generations }: Status) => generations.find(({ role }) => role === 'incumbent')!;
const pidsOf = (status: Status) => serving(status).workers.map(({ pid }) => pid);

async function start(lines: readonly string[]): Promise<InstalledService> {
  const service = await InstalledService.start();
  const variables = Object.entries(faultEnvironment(service.lab.share));
  await service.dropIn([...variables.map(([key, value]) => `Environment="${key}=${value}"`), ...lines]);
  return service;
}

/** Waits until systemd has another main process, which is ready; resolves with the time that took. */
async function untilReplaced(service: InstalledService, pid: number): Promise<number> {
  const start = performance.now();
  await eventually(
    async () => [await service.show('ActiveState'), Number(await service.show('MainPID'))] as const,
    ([state, main]) => state === 'active' && main !== pid && main > 0,
    { deadlineMs: 30_000, what: () => `another main process than ${pid}` },
  );
  return performance.now() - start;
}

suite(`under systemd${available.ok ? '' : ` (${available.why})`}`, () => {
  test('a supervisor that hangs is replaced by the watchdog, fast, and its workers do not notice', async () => {
    await using service = await start([WATCHDOG]);
    const before = await service.status();
    const load = await service.load({ modes: MODES });
    await service.lab.exec(['kill', '-STOP', String(before.supervisor.pid)]);
    const ms = await untilReplaced(service, before.supervisor.pid);
    // The watchdog itself, the pause before a restart, and what a start takes on a busy machine.
    expect(ms, await service.journal()).toBeLessThan(8_000);
    expect(pidsOf(await service.status())).toEqual(pidsOf(before));
    service.deploy('answers');
    expect((await service.reload()).status, await service.journal()).toBe(0);
    expectNothingLost(await load.stop(), await service.journal());
    await service.expectNoLeftovers();
  });

  test.each<[string, Falling]>([
    [
      'the successor that hangs as it becomes the main process',
      { machine: 'successor', state: 'waiting', event: 'yours', strikes: [{ role: 'self', signal: 'SIGSTOP' }] },
    ],
    [
      'the successor that is killed as it becomes the main process',
      { machine: 'successor', state: 'waiting', event: 'yours', strikes: [{ role: 'self', signal: 'SIGKILL' }] },
    ],
    [
      'the supervisor that is killed while it hands over',
      { machine: 'predecessor', state: 'handing', event: 'took', strikes: [{ role: 'self', signal: 'SIGKILL' }] },
    ],
    [
      'the supervisor that hangs in the switch',
      { machine: 'roll', state: 'switching', event: 'opened', strikes: [{ role: 'self', signal: 'SIGSTOP' }] },
    ],
  ])(
    '%s is replaced, and the reload fails without a loss',
    async (_name, fault) => {
      await using service = await start([WATCHDOG]);
      const load = await service.load({ modes: MODES });
      const { supervisor } = await service.status();
      armAll(service.lab.share, [fault], 1);
      // systemd has its own opinion of a reload in which the main process dies: that it failed, unless it has not heard
      // of the end of ExecReload= before the next main process is ready.
      await service.lab.exec(['systemctl', 'reload', 'shop'], { check: false, timeoutMs: 60_000 });
      const [struck] = fallen(service.lab.share);
      expect(struck, await service.journal()).toBeDefined();
      await untilReplaced(service, struck!.pid!);
      const { lastReload } = await eventually(
        () => service.status(),
        (seen) => seen.lastReload !== null && seen.state === 'serving',
        { what: () => 'the verdict is on record' },
      );
      expect(lastReload).toMatchObject({ ok: false, code: 'SUPERVISOR_DIED' });
      expect(Number(await service.show('MainPID'))).not.toBe(supervisor.pid);
      service.deploy('answers');
      await service.untilDrained();
      expect((await service.reload()).status, await service.journal()).toBe(0);
      expectNothingLost(await load.stop(), await service.journal());
      await service.expectNoLeftovers();
    },
    90_000,
  );

  test('a supervisor that is killed while an old generation drains goes on with the drain', async () => {
    await using service = await InstalledService.start();
    const slow = { connections: 2, ms: 12_000, chunks: 12, requests: 1 };
    const load = await service.load({ modes: { ...MODES, slow }, timeoutMs: 30_000 });
    await eventually(
      () => load.snapshot(),
      ({ outstanding }) => outstanding > 0,
      { what: () => 'a slow request is in flight' },
    );
    service.deploy('answers');
    expect((await service.reload()).status).toBe(0);
    const { generations, supervisor } = await service.status();
    expect(generations.some(({ role }) => role === 'draining')).toBe(true);
    await service.lab.exec(['kill', '-9', String(supervisor.pid)]);
    await untilReplaced(service, supervisor.pid);
    await service.untilDrained();
    expectNothingLost(await load.stop(), await service.journal());
    await service.expectNoLeftovers();
  });

  test('a unit that may store too little serves, is reloaded and comes back after a kill, and its status says what is at stake', async () => {
    await using service = await start(['FileDescriptorStoreMax=4']);
    const load = await service.load({ modes: MODES });
    // Since 254 systemd says in FDSTORE= how many there may be; an older one drops the rest without a word.
    const version = Number(/^systemd (\d+)/.exec((await service.lab.exec(['systemctl', '--version'])).stdout)?.[1]);
    const { summary } = await service.status();
    if (version >= 254) expect(summary).toMatch(/cannot be replaced whole: \d+ descriptors, .*StoreMax= is 4/);
    service.deploy('answers');
    expect((await service.reload()).status, await service.journal()).toBe(0);
    expectNothingLost(await load.stop(), await service.journal());
    const { supervisor } = await service.untilDrained();
    await service.lab.exec(['kill', '-9', String(supervisor.pid)]);
    await untilReplaced(service, supervisor.pid);
    await service.dropIn(['FileDescriptorStoreMax=512']);
    service.deploy('answers');
    expect((await service.reload()).status, await service.journal()).toBe(0);
    expect((await service.untilDrained()).summary).not.toContain('cannot be replaced');
  }, 60_000);
});
