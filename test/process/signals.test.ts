/** What the supervisor does when it is signalled: as the field knows it, and in a storm too. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ask } from '../support/service/ask.js';
import { MAIN, NODE } from '../support/service/batond.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { Terminal } from '../support/service/terminal.js';
import { eventually } from '../support/service/wait.js';

const inLog = (service: HostedService, text: string | RegExp) =>
  eventually(
    () => service.log.search(text) !== -1,
    (found) => found,
    { deadlineMs: 20_000, what: () => `${text} is in the log:\n${service.log}` },
  );

test('ten thousand signals under load lose no request, and leave one reload waiting at most', async () => {
  await using service = await HostedService.start();
  const load = await service.load({
    modes: { fresh: { perSecond: 100 }, keepAlive: { connections: 8, gapMs: [0, 50] } },
  });
  const kinds = ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
  for (let n = 0; n < 10_000; n++) {
    // Whatever is read in between, the last one is what counts.
    if (n % 500 === 0) service.configure({ workers: 1 + ((n / 500) % 3) });
    service.signal(kinds[n % kinds.length]!);
    // So that they come one by one, as far as one process can.
    if (n % 10 === 0) await turn();
  }
  const begun = () => service.log.split('reload: starting the next supervisor').length - 1;
  const begunInStorm = begun();
  service.configure({ workers: 3 });
  service.signal('SIGHUP');
  service.signal('SIGUSR2');
  const status = await eventually(
    async () => ({
      status: await service.tryStatus(),
      begun: begun(),
      done: service.log.split('reload done:').length - 1,
    }),
    (seen) => seen.status?.state === 'serving' && seen.begun > 0 && seen.done === seen.begun,
    { deadlineMs: 40_000, what: () => `every reload has its verdict; log:\n${service.log}` },
  );
  await eventually(
    async () => (await service.untilDrained()).generations[0]!.workers.map(({ phase }) => phase),
    (phases) => phases.length === 3 && phases.every((phase) => phase === 'open'),
    { deadlineMs: 20_000, what: () => `the last configuration is in force; log:\n${service.log}` },
  );
  expectNothingLost(await load.stop(), service.log);
  // One that was under way, and one that waited for it.
  expect(status.begun).toBeLessThanOrEqual(begunInStorm + 2);
  expect(status.begun).toBeGreaterThanOrEqual(2);
  expect(await service.generation()).toBe(status.begun + 1);
  expect(service.log).toMatch(/"action":"reload","outcome":"asked"[^\n]*by a signal/);
  await service.expectNoLeftovers();
  expect(await service.stop()).toBe(0);
});

/** Of a process: the ports that its own TCP sockets listen on. */
function listeningPorts(pid: number): number[] {
  const own = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return [];
    }
  });
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && own.includes(inode ?? ''))
    .map(([, address]) => Number.parseInt(address!.split(':')[1]!, 16));
}

test('SIGUSR1 raises the level of the log, and the port of the debugger stays closed', async () => {
  await using service = await HostedService.start({ workers: 1 });
  const { supervisor } = await service.status();
  process.kill(supervisor.pid, 'SIGUSR1');
  await inLog(service, 'log.level is debug for 10 minutes');
  expect(listeningPorts(supervisor.pid)).not.toContain(9229);
  // It is seen through the next reload, in the next supervisor too.
  expect((await service.reload()).status).toBe(0);
  expect(service.log).toMatch(/"level":20[^\n]*"event":"roll"/);
  service.signal('SIGUSR1');
  await inLog(service, 'log.level is info again, by SIGUSR1');
});

test('SIGQUIT ends everything at once, and leaves what was the case', async () => {
  await using service = await HostedService.start({
    toml: '[upgrade]\ndrain_timeout = "10m"',
    env: { SECRET: 'hush' },
  });
  const slow = await ask(service.port, '/slow?ms=600000&chunks=3000');
  service.signal('SIGQUIT');
  await expect(slow.body).rejects.toThrow();
  expect(await service.exit, service.log).toBe(0);
  expect(service.processes()).toEqual([]);
  const folder = join(service.folder, 'state/diagnostics');
  const [file, ...more] = readdirSync(folder);
  expect(more).toEqual([]);
  const path = join(folder, file!);
  expect(service.log).toContain(`what was the case is in ${path}`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const text = readFileSync(path, 'utf8');
  expect(JSON.parse(text)).toMatchObject({
    machines: { doing: 'idle', roll: 'steady', takeover: 'idle' },
    status: { name: 'shop', state: 'serving' },
    node: { javascriptStack: expect.anything() },
  });
  expect(text).not.toContain('hush');
});

test('a configuration that is read again and refused changes nothing, and is reported until it is mended', async () => {
  await using service = await HostedService.start({ workers: 1 });
  const good = readFileSync(join(service.folder, 'batond.toml'), 'utf8');
  service.writeConfig(`${good}[upgrade]\nready_timeout = "soon"\n`);
  service.signal('SIGHUP');
  await inLog(service, /batond\.toml:\d+: upgrade\.ready_timeout: \\"soon\\" is not allowed/);
  const refused = await service.status();
  expect(refused.configProblem).toMatchObject({ code: 'CONFIG_INVALID' });
  expect(refused.state).toBe('serving');
  service.writeConfig(good);
  service.signal('SIGHUP');
  await eventually(
    () => service.status(),
    ({ configProblem }) => configProblem === null,
    { what: () => `the report has gone; log:\n${service.log}` },
  );
});

test('a host whose terminal closes stops the service', async () => {
  await using service = await HostedService.start({ workers: 1, idle: true });
  const terminal = new Terminal([NODE, MAIN, 'run', '--config', 'batond.toml'], {
    cwd: service.folder,
    env: service.env,
  });
  await terminal.untilSeen(/generation 1 \(r1@1\.0\.0\) serves/);
  process.kill(Number(readFileSync(join(service.folder, 'run/batond.pid'), 'utf8')), 'SIGHUP');
  expect(await terminal.exit, terminal.screen).toBe(0);
  expect(terminal.screen).toContain('stopped');
});
