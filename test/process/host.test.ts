/** Where no systemd is, `batond run` is the host: it starts, stops, starts again and reaps, and leaves nothing. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask, whoAnswers } from '../support/service/ask.js';
import { batond, MAIN, NODE } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { Terminal } from '../support/service/terminal.js';
import { eventually } from '../support/service/wait.js';

const asRoot = test.runIf(process.getuid?.() === 0);
const FOREVER = '[upgrade]\ndrain_timeout = "10m"';

const untilNobody = (service: HostedService) =>
  eventually(
    () => service.processes(),
    (processes) => processes.length === 0,
    { what: () => `no process is left; log:\n${service.log}` },
  );

describe('a stop', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('by %s lets a request in flight finish', async (signal) => {
    await using service = await HostedService.start();
    const slow = await ask(service.port, '/slow?ms=1000&chunks=5');
    service.signal(signal);
    expect(await slow.body).toContain('chunk 4 of 5');
    expect(await service.exit).toBe(0);
    await untilNobody(service);
    expect(readdirSync(join(service.folder, 'run'))).toEqual(['host.lock']);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('by %s given twice waits for nobody', async (signal) => {
    await using service = await HostedService.start({ toml: FOREVER });
    const slow = await ask(service.port, '/slow?ms=600000&chunks=3000');
    service.signal(signal);
    await eventually(
      () => service.tryStatus(),
      (status) => status?.state === 'stopping',
      { what: () => `it is stopping; log:\n${service.log}` },
    );
    service.signal(signal);
    await expect(slow.body).rejects.toThrow();
    expect(await service.exit).toBe(0);
    await untilNobody(service);
  });

  test('refuses who connects while a request in flight is waited for', async () => {
    await using service = await HostedService.start({ toml: FOREVER });
    const slow = await ask(service.port, '/slow?ms=600000&chunks=3000');
    service.signal('SIGTERM');
    const refused = () =>
      ask(service.port, '/').then(
        () => null,
        ({ code }: NodeJS.ErrnoException) => code,
      );
    await eventually(refused, (code) => code === 'ECONNREFUSED', { what: () => 'nobody listens any more' });
    expect((await service.status()).state).toBe('stopping');
    service.signal('SIGTERM');
    await expect(slow.body).rejects.toThrow();
    expect(await service.exit).toBe(0);
  });

  test('given twice ends a supervisor that hangs, and its workers', async () => {
    await using service = await HostedService.start({ toml: FOREVER });
    const { supervisor } = await service.status();
    process.kill(supervisor.pid, 'SIGSTOP');
    service.signal('SIGTERM');
    service.signal('SIGINT');
    expect(await service.exit).toBe(137);
    await untilNobody(service);
  });
});

test('a mistake in the config ends the start with its line and key, and nothing is started', async () => {
  await using service = await HostedService.start({ unready: true, toml: '[upgrade]\nready_timeout = "soon"' });
  expect(await service.exit).toBe(78);
  expect(service.log).toMatch(/^batond: batond\.toml:7: upgrade\.ready_timeout: "soon" is not allowed/);
  expect(service.log).not.toContain('    at ');
  expect(readdirSync(join(service.folder, 'run'))).toEqual([]);
});

test.each([
  ['throws-at-import', /Error: the database has no such table/],
  ['exits-at-once', /exited with status 3/],
] as const)('a first release that %s ends the start with its reason', async (app, reason) => {
  await using service = await HostedService.start({ unready: true, app });
  expect(await service.exit, service.log).toBe(70);
  expect(service.log).toMatch(reason);
  await untilNobody(service);
  expect(readdirSync(join(service.folder, 'run'))).toEqual(['host.lock']);
});

test('a second start is refused, and names the host that runs', async () => {
  await using service = await HostedService.start();
  const { status, stderr } = await batond(['run', '--config', 'batond.toml'], service.env, service.folder);
  expect(stderr).toBe(`batond: shop is already running with pid ${service.hostPid}\n`);
  expect(status).toBe(1);
  await service.expectNoLeftovers();
  expect(await whoAnswers(service.port)).toMatchObject({ release: 'r1' });
});

describe('a supervisor that is killed', () => {
  test('is started again, and goes on with the workers that serve', async () => {
    await using service = await HostedService.start();
    const before = await service.status();
    const slow = await ask(service.port, '/slow?ms=2000&chunks=5');
    const after = await service.killSupervisor();
    const pidsOf = ({ generations }: typeof before) => generations[0]!.workers.map(({ pid }) => pid);
    expect(pidsOf(after)).toEqual(pidsOf(before));
    expect(pidsOf(before)).toContain((await whoAnswers(service.port)).pid);
    expect(await slow.body).toContain('chunk 4 of 5');
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });

  test('may be killed again and again', async () => {
    await using service = await HostedService.start({ workers: 1 });
    for (let n = 0; n < 2; n++) {
      const { supervisor } = await service.status();
      process.kill(supervisor.pid, 'SIGKILL');
      await eventually(
        () => service.tryStatus(),
        (status) => status?.state === 'serving' && status.supervisor.pid !== supervisor.pid,
        { what: () => `it serves again; log:\n${service.log}` },
      );
    }
    await service.expectNoLeftovers();
  });

  test('while a stop is awaited does not keep the host', async () => {
    await using service = await HostedService.start({ toml: FOREVER });
    const { supervisor } = await service.status();
    const slow = await ask(service.port, '/slow?ms=600000&chunks=3000');
    process.kill(supervisor.pid, 'SIGKILL');
    // Two different ones: of the same one the kernel would deliver a single signal, signal(7).
    service.signal('SIGTERM');
    service.signal('SIGINT');
    await expect(slow.body).rejects.toThrow();
    await service.exit;
    await untilNobody(service);
  });
});

describe('an orphan of the service', () => {
  const daemonOf = (service: HostedService, parentPid: () => number) =>
    eventually(
      () =>
        service
          .processes()
          .find(({ command, parentPid: parent }) => command.startsWith('sleep') && parent === parentPid()),
      (daemon) => daemon !== undefined,
      { what: () => `the daemon is the host's child: ${JSON.stringify(service.processes())}` },
    );
  const untilReaped = (service: HostedService, pid: number) =>
    eventually(
      () => existsSync(`/proc/${pid}`),
      (there) => !there,
      { what: () => `no zombie is left: ${JSON.stringify(service.processes())}` },
    );

  test('falls to the host, which reaps it', async () => {
    await using service = await HostedService.start({ app: 'starts-a-daemon', workers: 1 });
    const daemon = await daemonOf(service, () => service.hostPid);
    process.kill(daemon!.pid, 'SIGKILL');
    await untilReaped(service, daemon!.pid);
    await service.expectNoLeftovers();
    expect(service.log).toMatch(/^worker \d+ was here$/m);
  });

  asRoot('falls to the host that is PID 1 of a container', async () => {
    const through = ['unshare', '--pid', '--fork', '--mount-proc'];
    await using service = await HostedService.start({ app: 'starts-a-daemon', workers: 1, through });
    const one = service.processes().find(({ parentPid }) => parentPid === service.hostPid)!.pid;
    expect((await service.status()).supervisor.pid).toBeLessThan(100);
    const daemon = await daemonOf(service, () => one);
    process.kill(daemon!.pid, 'SIGKILL');
    await untilReaped(service, daemon!.pid);
    service.deploy('starts-a-daemon');
    expect((await service.reload()).status, service.log).toBe(0);
    process.kill(one, 'SIGTERM');
    expect(await service.exit, service.log).toBe(0);
    await untilNobody(service);
  });
});

describe('the log', () => {
  test('is NDJSON where nobody reads it at a terminal', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const entries = service.log
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(entries).toContainEqual(expect.objectContaining({ name: 'shop', event: 'ready', generation: 1 }));
  });

  test.each([
    ['in colour', {}, true],
    ['without colour where NO_COLOR is set', { NO_COLOR: '1' }, false],
  ])('is for people at a terminal, %s; Ctrl-C ends it', async (_name, extra, colour) => {
    await using service = await HostedService.start({ app: 'answers-express', workers: 1, idle: true });
    const terminal = new Terminal([NODE, MAIN, 'run', '--config', 'batond.toml'], {
      cwd: service.folder,
      env: { ...service.env, ...extra },
    });
    await terminal.untilSeen(/generation 1 \(r1@1\.0\.0\) serves/);
    const line = terminal.screen.split('\r\n').find((text) => text.includes('worker g1s0 started'))!;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is looked for.
    const colours = /\x1b\[[\d;]*m/g;
    expect(line.search(colours) !== -1).toBe(colour);
    expect(line.replace(colours, '')).toMatch(
      /^\d\d:\d\d:\d\d worker g1s0 started with pid \d+ generation=1 slot=0 pid=\d+$/,
    );
    expect(terminal.screen).toMatch(/r1 listens with pid \d+\r\n/);
    terminal.type('\x03');
    expect(await terminal.exit, terminal.screen).toBe(0);
    expect(terminal.screen).toContain('stopped');
  });
});
