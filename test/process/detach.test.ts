/** `batond run --detach` is the classic daemon, and its exit status is the truth. */
import { existsSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { whoAnswers } from '../support/service/ask.js';
import { batond } from '../support/service/batond.js';
import { type HostedOptions, HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

/** A service that nobody has started yet. */
async function prepared(options: HostedOptions = {}): Promise<HostedService> {
  return HostedService.start({ workers: 1, ...options, idle: true });
}

const detach = (service: HostedService, ...args: string[]) =>
  batond(['run', '--config', 'batond.toml', '--detach', ...args], service.env, service.folder);

const pidIn = (file: string) => Number(readFileSync(file, 'utf8'));
const pidFileOf = (service: HostedService) => join(service.folder, 'run/batond.pid');

function statOf(pid: number): { parent: number; session: number; terminal: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [, parent, , session, terminal] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return { parent: parent!, session: session!, terminal: terminal! };
}

const untilNobody = (service: HostedService) =>
  eventually(
    () => service.processes(),
    (processes) => processes.length === 0,
    { what: () => 'no process is left' },
  );

test('it is a daemon in every respect, and serves when the command returns', async () => {
  await using service = await prepared();
  const { status, stdout, stderr } = await detach(service);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const pid = pidIn(pidFileOf(service));
  expect(stdout).toBe(`shop runs with pid ${pid}\n`);
  expect(await whoAnswers(service.port)).toMatchObject({ release: 'r1' });

  const { parent, session, terminal } = statOf(pid);
  expect(parent).not.toBe(process.pid);
  expect(readFileSync(`/proc/${parent}/cmdline`, 'utf8')).not.toContain('--detach');
  expect({ session, terminal }).toEqual({ session: pid, terminal: 0 });
  expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
  expect([0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))).toEqual(['/dev/null', '/dev/null', '/dev/null']);
  expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Umask:\t0022$/m);
  expect(statSync(pidFileOf(service)).mode & 0o777).toBe(0o644);

  service.deploy('answers');
  expect((await service.reload()).status).toBe(0);
  expect(await whoAnswers(service.port)).toMatchObject({ release: 'r2' });
  expect((await service.batond('stop')).stdout).toBe('shop has stopped\n');
  // The command waits for the host too: whoever starts the service again now meets nothing.
  expect(existsSync(pidFileOf(service))).toBe(false);
  expect((await detach(service)).status).toBe(0);
  process.kill(pidIn(pidFileOf(service)), 'SIGTERM');
  await untilNobody(service);
  expect(existsSync(pidFileOf(service))).toBe(false);
});

test('its log is appended to --log-file, and its pid written to --pid-file', async () => {
  await using service = await prepared({ app: 'answers-express' });
  const [log, pidFile] = [join(service.folder, 'shop.log'), join(service.folder, 'shop.pid')];
  writeFileSync(log, 'what was there before\n');
  const { status, stdout } = await detach(service, '--log-file', 'shop.log', '--pid-file', 'shop.pid');
  expect(status).toBe(0);
  expect(stdout).toBe(`shop runs with pid ${pidIn(pidFile)}\n`);
  expect(existsSync(pidFileOf(service))).toBe(false);
  const text = readFileSync(log, 'utf8');
  expect(text).toMatch(/^what was there before\n\{/);
  expect(text).toMatch(/^r1 listens with pid \d+$/m);
  expect(text).toContain('"event":"ready"');
  await service.batond('stop');
  expect(existsSync(pidFile)).toBe(false);
});

test('what stands behind -- is the app own, even --detach', async () => {
  await using service = await prepared();
  expect((await detach(service, '--', '--detach', 'now')).status).toBe(0);
  const [worker] = (await service.status()).generations[0]!.workers;
  expect(readFileSync(`/proc/${worker!.pid}/cmdline`, 'utf8')).toMatch(/server\.js\0--detach\0now\0$/);
  await service.batond('stop');
});

describe('a second start', () => {
  test('is refused with the pid of the first, wherever its PID file would be', async () => {
    await using service = await prepared();
    await detach(service);
    const pid = pidIn(pidFileOf(service));
    for (const args of [[], ['--pid-file', 'other.pid']]) {
      const { status, stdout, stderr } = await detach(service, ...args);
      expect(stderr).toBe(`batond: shop is already running with pid ${pid}\n`);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    }
    expect(pidIn(pidFileOf(service))).toBe(pid);
    await service.batond('stop');
  });

  test('of two at the same time one serves and one is refused', async () => {
    await using service = await prepared();
    const both = await Promise.all([detach(service), detach(service)]);
    expect(both.map(({ status }) => status).sort()).toEqual([0, 1]);
    expect(both.find(({ status }) => status === 1)?.stderr).toContain('already running with pid');
    expect((await whoAnswers(service.port)).release).toBe('r1');
    await service.batond('stop');
  });

  test('after the first was killed is not kept by its files', async () => {
    await using service = await prepared();
    await detach(service);
    const before = pidIn(pidFileOf(service));
    for (const { pid } of service.processes()) process.kill(pid, 'SIGKILL');
    await untilNobody(service);
    expect(pidIn(pidFileOf(service))).toBe(before);
    expect((await detach(service)).status).toBe(0);
    expect(pidIn(pidFileOf(service))).not.toBe(before);
    await service.batond('stop');
  });

  test('does not take the PID file of another service', async () => {
    await using service = await prepared();
    await using other = await prepared();
    const file = join(service.folder, 'shop.pid');
    await detach(service, '--pid-file', file);
    const { status, stderr } = await detach(other, '--pid-file', file);
    expect(stderr).toContain(`already running with pid ${pidIn(file)}`);
    expect(status).toBe(1);
    // It ends after its report, and so perhaps after whoever waited for that.
    await untilNobody(other);
    await service.batond('stop');
  });
});

describe('what fails', () => {
  test('a config with a mistake: status 78, its line and key, and no process', async () => {
    await using service = await prepared({ toml: 'ready = "perhaps"' });
    const { status, stderr } = await detach(service, '--log-file', 'shop.log');
    expect(stderr).toContain('batond.toml:6: ready: "perhaps" is not allowed');
    expect(status).toBe(78);
    expect(service.processes()).toEqual([]);
    expect(existsSync(join(service.folder, 'shop.log'))).toBe(false);
  });

  test('a release that cannot start: status 70, its reason, and no process', async () => {
    await using service = await prepared({ app: 'throws-at-import' });
    const { status, stdout, stderr } = await detach(service);
    expect(stderr).toMatch(/^batond: .*Error: the database has no such table/);
    expect({ status, stdout }).toEqual({ status: 70, stdout: '' });
    await untilNobody(service);
    expect(existsSync(pidFileOf(service))).toBe(false);
  });

  test.each([
    ['--log-file', '/nowhere/shop.log'],
    ['--pid-file', '/nowhere/shop.pid'],
  ])('a %s that cannot be written: status 73, and no process', async (option, file) => {
    await using service = await prepared();
    const { status, stderr } = await detach(service, option, file);
    expect(stderr).toMatch(new RegExp(`^batond: cannot write ${file}: .*\n$`));
    expect(status).toBe(73);
    await untilNobody(service);
  });

  test('a host that is killed before it serves: status 70, and where to look', async () => {
    await using service = await prepared({ app: 'never-listens' });
    const waiting = detach(service, '--log-file', 'shop.log');
    await eventually(
      () => existsSync(pidFileOf(service)),
      (there) => there,
      { what: () => 'the host has begun' },
    );
    process.kill(pidIn(pidFileOf(service)), 'SIGKILL');
    const { status, stderr } = await waiting;
    expect(stderr).toBe('batond: shop did not start: its host ended without a word; see shop.log\n');
    expect(status).toBe(70);
  });
});
