/** A takeover that goes wrong leaves the old supervisor serving; one that went right needs the old one no more. */
import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { arm, type Fault, hasFallen } from '../support/faults/faults.js';
import { MAIN, NODE } from '../support/service/batond.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const MODES = { fresh: { perSecond: 100 }, keepAlive: { connections: 8, gapMs: [0, 50] as const } };

/** Before `yours` is said the successor holds duplicates only. */
const BEFORE_YOURS: Omit<Fault, 'signal'>[] = [
  { machine: 'boot', state: '', event: '' },
  { machine: 'successor', state: 'greeting', event: 'inventory' },
  { machine: 'successor', state: 'receiving', event: 'batch' },
  { machine: 'successor', state: 'receiving', event: 'complete' },
];

describe('the next supervisor', () => {
  test.each(BEFORE_YOURS)('is killed at $machine $state $event: the old one serves on', async (at) => {
    await using service = await HostedService.start({ faults: true });
    const { supervisor } = await service.status();
    const load = await service.load({ modes: MODES });
    arm(service.folder, { ...at, signal: 'SIGKILL' });
    const { status, verdict } = await service.reload();
    expect(hasFallen(service.folder)).toBe(true);
    expect(status).toBe(1);
    expect(verdict).toMatchObject({ ok: false, code: 'SUCCESSOR_EXITED', generation: 1 });
    expect(verdict?.message).toContain('was killed by SIGKILL');
    expect((await service.status()).supervisor.pid).toBe(supervisor.pid);
    expect((await service.reload()).status, service.log).toBe(0);
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
  });

  test.each(BEFORE_YOURS)('hangs at $machine $state $event: its deadline ends it', async (at) => {
    // Longer than a successor takes to come so far on a busy machine: it has to hang there, not on its way.
    await using service = await HostedService.start({ faults: true, toml: '[upgrade]\ntakeover_timeout = "4s"' });
    const load = await service.load({ modes: MODES });
    arm(service.folder, { ...at, signal: 'SIGSTOP' });
    const { status, verdict } = await service.reload();
    expect(hasFallen(service.folder)).toBe(true);
    expect(status).toBe(1);
    expect(verdict).toMatchObject({ ok: false, code: 'SUCCESSOR_TIMED_OUT', generation: 1 });
    expect((await service.reload()).status, service.log).toBe(0);
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
  });
});

test('the old supervisor is killed right after it yielded: nobody notices', async () => {
  await using service = await HostedService.start({ faults: true });
  const load = await service.load({ modes: MODES });
  arm(service.folder, { machine: 'predecessor', state: 'yielding', event: 'yielded', signal: 'SIGKILL' });
  const { status, verdict } = await service.reload();
  expect(hasFallen(service.folder)).toBe(true);
  expect(status, service.log).toBe(0);
  expect(verdict).toMatchObject({ ok: true, generation: 2 });
  expectNothingLost(await load.stop(), service.log);
  expect(service.log).not.toContain('the supervisor died');
  await service.expectNoLeftovers();
});

test('a second reload during a reload is answered busy', async () => {
  await using service = await HostedService.start({ toml: '[upgrade]\nready_timeout = "60s"' });
  service.deploy('never-listens');
  const first = service.reload();
  const status = await eventually(
    () => service.tryStatus(),
    (now) => now?.generations.some(({ role, workers }) => role === 'candidate' && workers.length > 0) === true,
    { what: () => 'a reload is under way' },
  );
  const second = await service.reload();
  expect(second.status).toBe(75);
  expect(second.stderr).toContain('a reload is already under way');
  const candidate = status!.generations.find(({ role }) => role === 'candidate')!;
  process.kill(candidate.workers[0]!.pid, 'SIGKILL');
  expect((await first).status).toBe(1);
});

test('a client that vanishes takes its reload with it', async () => {
  await using service = await HostedService.start({ toml: '[upgrade]\nready_timeout = "20s"' });
  const load = await service.load({ modes: MODES });
  service.deploy('never-listens');
  const client = spawn(NODE, [MAIN, 'reload', '--name', 'shop'], { env: service.env, stdio: 'ignore' });
  await eventually(
    () => service.tryStatus(),
    (status) => status?.generations.some(({ role }) => role === 'candidate') === true,
    { what: () => 'a candidate boots' },
  );
  client.kill('SIGKILL');
  const status = await eventually(
    () => service.tryStatus(),
    (seen) => seen?.state === 'serving',
    { what: () => `the reload is abandoned; log:\n${service.log}` },
  );
  expect(status?.lastReload).toMatchObject({ ok: false, code: 'CLIENT_GONE', generation: 1 });
  expectNothingLost(await load.stop(), service.log);
  await service.expectNoLeftovers();
});
