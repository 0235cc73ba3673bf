/**
 * When the machine gives nothing more: no descriptor, no process, no room, no permission to write. The service serves
 * on, the reload says what is wrong, and when the fault has passed the next one works.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/control/messages.js';
import { MAIN, NODE } from '../support/service/batond.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { descriptorCount } from '../support/service/processes.js';
import { eventually } from '../support/service/wait.js';

const MODES = { fresh: { perSecond: 50 }, keepAlive: { connections: 8, gapMs: [0, 50] as const } };

/** The soft limit, which alone can be raised again. */
const limitFiles = (pid: number, limit: number) =>
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:`]);

describe('a supervisor that gets no more', () => {
  test.each([0, 1, 2, 3])('descriptors than %i more refuses the reload with the reason, and goes on', async (spare) => {
    await using service = await HostedService.start();
    const load = await service.load({ modes: MODES });
    const { supervisor } = await service.status();
    const usual = /open files\s+\d+\s+(\d+)/.exec(readFileSync(`/proc/${supervisor.pid}/limits`, 'utf8'))![1];
    // The connection of whoever asks needs one.
    limitFiles(supervisor.pid, descriptorCount(supervisor.pid) + 1 + spare);
    service.deploy('answers');
    // Asked for room first it would not even try.
    const { status, verdict, stdout, stderr } = await service.reload({}, '--force');
    expect(status, stdout + stderr + service.log).toBe(1);
    limitFiles(supervisor.pid, Number(usual));
    expect(verdict, stderr).toMatchObject({ ok: false, generation: 1 });
    expect(['SUCCESSOR_NOT_STARTED', 'SUCCESSOR_EXITED', 'SUCCESSOR_REFUSED', 'INVENTORY_NOT_SENT']).toContain(
      verdict?.code,
    );
    expect((await service.status()).supervisor.pid).toBe(supervisor.pid);
    expect((await service.reload()).status, service.log).toBe(0);
    expectNothingLost(await load.stop(), service.log);
    await service.expectNoLeftovers();
  });

  const pids = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup'].find((root) => existsSync(join(root, 'cgroup.procs')));
  test.skipIf(pids === undefined)('processes refuses the reload with the reason, and goes on', async () => {
    const group = join(pids!, `batond-test-${process.pid}`);
    mkdirSync(group);
    try {
      await using service = await HostedService.start();
      const load = await service.load({ modes: MODES });
      const { supervisor } = await service.status();
      writeFileSync(join(group, 'cgroup.procs'), String(supervisor.pid));
      writeFileSync(join(group, 'pids.max'), readFileSync(join(group, 'pids.current')));
      service.deploy('answers');
      const { status, verdict, stderr } = await service.reload({}, '--force');
      writeFileSync(join(group, 'pids.max'), 'max');
      expect(status, service.log).toBe(1);
      expect(verdict, stderr).toMatchObject({ ok: false, code: 'SUCCESSOR_NOT_STARTED', generation: 1 });
      expect((await service.reload()).status, service.log).toBe(0);
      expectNothingLost(await load.stop(), service.log);
      await service.expectNoLeftovers();
    } finally {
      await eventually(
        () => readFileSync(join(group, 'cgroup.procs'), 'utf8').trim(),
        (left) => left === '',
        { what: () => 'nobody is in the group any more' },
      );
      rmdirSync(group);
    }
  });
});

/** A runtime directory of 64 KiB, in a mount namespace of the host's own: it goes with the service. */
const SMALL = [
  'unshare',
  '-m',
  'sh',
  '-c',
  'mount -t tmpfs -o size=64k,mode=755 none "$RUNTIME_DIRECTORY" && exec "$@"',
  'sh',
] as const;

/** Runs a command where the service sees its runtime directory. */
function inside(service: HostedService, ...command: string[]) {
  const args = ['-t', String(service.hostPid), '-m', ...command];
  try {
    const stdout = execFileSync('nsenter', args, {
      env: service.env,
      encoding: 'utf8',
      stdio: 'pipe',
      timeout: 60_000,
    });
    return { status: 0, stdout };
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: string };
    return { status, stdout };
  }
}

const ask = (service: HostedService, ...args: string[]) =>
  inside(service, NODE, MAIN, ...args, '--name', 'shop', '--json');
const statusOf = (service: HostedService): Status | null => {
  const { status, stdout } = ask(service, 'status');
  return status === 0 ? JSON.parse(stdout) : null;
};

async function startSmall(): Promise<HostedService> {
  const service = await HostedService.start({ through: SMALL, unready: true });
  await eventually(
    () => statusOf(service),
    (status) => status?.state === 'serving',
    { deadlineMs: 30_000, what: () => `it serves; log:\n${service.log}` },
  );
  return service;
}

/** Kills the supervisor, and waits for the next one. */
async function kill(service: HostedService): Promise<void> {
  const before = statusOf(service)!.supervisor.pid;
  process.kill(before, 'SIGKILL');
  await eventually(
    () => statusOf(service),
    (seen) => seen?.state === 'serving' && seen.supervisor.pid !== before,
    { what: () => `the next supervisor serves; log:\n${service.log}` },
  );
}

describe('a runtime directory that', () => {
  test('is full stops no reload, and none of what is new is lost with the supervisor', async () => {
    await using service = await startSmall();
    const load = await service.load({ modes: MODES });
    inside(service, 'sh', '-c', 'head -c 1000000 /dev/zero > "$RUNTIME_DIRECTORY/filler"');
    service.deploy('answers');
    const { status, stdout } = ask(service, 'reload');
    expect(status, stdout + service.log).toBe(0);
    // What cannot be written beside the old record is written in its place.
    await eventually(
      () => service.log,
      (log) => /would not be taken over whole: ENOSPC/.test(log),
      { what: () => 'the log says what was lacking' },
    );
    await kill(service);
    expect(ask(service, 'reload').status, service.log).toBe(0);
    expectNothingLost(await load.stop(), service.log);
  });

  test('is read-only stops no reload: the status says what is lacking, and no more when it has passed', async () => {
    await using service = await startSmall();
    const load = await service.load({ modes: MODES });
    const spoil =
      'mount --bind "$RUNTIME_DIRECTORY" "$RUNTIME_DIRECTORY" && mount -o remount,bind,ro "$RUNTIME_DIRECTORY"';
    expect(inside(service, 'sh', '-c', spoil).status).toBe(0);
    service.deploy('answers');
    const { status, stdout } = ask(service, 'reload');
    expect(status, stdout + service.log).toBe(0);
    expect(statusOf(service)?.summary).toMatch(/cannot be replaced whole: EROFS/);
    expect(inside(service, 'sh', '-c', 'umount "$RUNTIME_DIRECTORY"').status).toBe(0);
    expect(ask(service, 'reload').status, service.log).toBe(0);
    await eventually(
      () => statusOf(service),
      (seen) => seen?.generations.length === 1 && seen.summary.includes('cannot be replaced') === false,
      { what: () => `it is whole again; log:\n${service.log}` },
    );
    await kill(service);
    expectNothingLost(await load.stop(), service.log);
  });
});

describe('a state file that', () => {
  test.each([
    ['is cut short', (file: string) => truncateSync(file, Math.floor(statSync(file).size / 2))],
    ['is empty', (file: string) => truncateSync(file, 0)],
    ['holds something else', (file: string) => writeFileSync(file, '{"version":1,"good":"none"}')],
    ['is a folder', (file: string) => execFileSync('sh', ['-c', `rm "${file}" && mkdir "${file}"`])],
  ])('%s counts as none: the service starts and is reloaded, and the log says so', async (_name, spoil) => {
    await using service = await HostedService.start();
    await service.stop();
    spoil(join(service.folder, 'state/state.json'));
    service.run();
    await service.untilServing();
    expect(service.log).toContain('starting without a record of good releases');
    expect((await service.reload()).status, service.log).toBe(0);
    await service.expectNoLeftovers();
  });
});
