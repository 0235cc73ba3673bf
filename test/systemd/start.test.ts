/** Under a real systemd: what cannot start as it is told to goes back to what has served, and nobody loses anything. */
import { appendFileSync, cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/control/messages.js';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { NODE, ROOT } from '../support/service/batond.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { InstalledService } from '../support/service/installed.js';
import { eventually } from '../support/service/wait.js';

/** `npm test` takes a sample; all forty, more than the start limit that units usually have, with BATOND_LONG=1. */
const FAILURES = process.env.BATOND_LONG === '1' ? 40 : 12;

const available = labAvailable();
const suite = describe.skipIf(!available.ok);

const MODES = {
  fresh: { perSecond: 100 },
  keepAlive: { connections: 16, gapMs: [0, 100] as const },
  slow: { connections: 2, ms: 900, chunks: 6 },
};

const pidsOf = ({ generations }: Status) => generations.flatMap(({ workers }) => workers.map(({ pid }) => pid)).sort();

const configFile = (service: InstalledService) => join(service.lab.share, 'batond.toml');
const configure = (service: InstalledService, workers: string) =>
  writeFileSync(
    configFile(service),
    `name = "shop"\nentry = "server.js"\ndirectory = "${service.releases.current}"\nworkers = ${workers}\n`,
  );

/** The service, installed by a configuration file. */
async function startConfigured(...flags: string[]): Promise<InstalledService> {
  const service = await InstalledService.start();
  await service.batond('uninstall');
  configure(service, '2');
  await service.batond('install', '--config', configFile(service), '--env', `PORT=${service.port}`, ...flags);
  return service;
}

async function systemctl(service: InstalledService, ...command: string[]) {
  return service.lab.exec(['systemctl', ...command, 'shop'], { check: false, timeoutMs: 60_000 });
}

/** Changes the unit, without a restart of what runs. */
async function dropIn(service: InstalledService, lines: string): Promise<void> {
  const file = join(service.lab.share, 'more.conf');
  writeFileSync(file, `[Service]\n${lines}\n`);
  await service.lab.exec(['mkdir', '-p', '/etc/systemd/system/shop.service.d']);
  await service.lab.exec(['cp', file, '/etc/systemd/system/shop.service.d/']);
  await service.lab.exec(['systemctl', 'daemon-reload']);
}

async function untilStarted(service: InstalledService, notPid: number, deadlineMs = 30_000): Promise<Status> {
  await eventually(
    async () => [await service.show('ActiveState'), Number(await service.show('MainPID'))] as const,
    ([state, main]) => state === 'active' && main !== notPid && main > 0,
    { deadlineMs, what: () => `another main process than ${notPid}` },
  );
  return service.status();
}

/** How a new version of batond may be broken, in its folder, and whether a reload that starts it finds out. */
const BROKEN: readonly {
  readonly name: string;
  readonly spoil: (folder: string) => void;
  readonly refused: boolean;
}[] = [
  {
    name: 'throws while it is imported',
    spoil: (folder) => writeFileSync(join(folder, 'dist/supervisor/run.js'), "throw new Error('a slip');\n"),
    refused: true,
  },
  { name: 'lacks its addon', spoil: (folder) => rmSync(join(folder, 'build')), refused: true },
  {
    name: 'crashes when it has adopted the workers',
    spoil: (folder) => {
      appendFileSync(join(folder, 'dist/supervisor/run.js'), 'setTimeout(() => process.abort(), 1_000);\n');
    },
    refused: false,
  },
];

/** What runs of batond, in a folder of its own. */
function copyBatond(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const part of ['dist', 'units', 'package.json']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  for (const part of ['node_modules', 'build']) symlinkSync(join(ROOT, part), join(folder, part));
}

suite(`under systemd${available.ok ? '' : ` (${available.why})`}`, () => {
  test('a start whose configuration is refused goes on with the last good one, until it is mended', async () => {
    await using service = await startConfigured('--now');
    expect((await service.status()).configProblem).toBeNull();
    for (const spoil of [() => configure(service, '"many"'), () => rmSync(configFile(service))]) {
      await systemctl(service, 'stop');
      spoil();
      expect((await systemctl(service, 'start')).status, await service.journal()).toBe(0);
      const status = await service.status();
      expect(status.generations[0]!.workers).toHaveLength(2);
      expect(status.configProblem).toMatchObject({ message: expect.stringContaining('batond.toml') });
      expect(await service.show('StatusText')).toMatch(/Running with the configuration of \d{4}-.*batond\.toml/);
      expect(await service.journal('-p', 'err')).toContain('going on with the last good configuration');
      expect((await service.batond('status')).stdout).toContain(`refused      ${status.configProblem!.code}`);
    }
    const load = await service.load({ modes: MODES });
    expect(await service.reload()).toMatchObject({ status: expect.any(Number), verdict: { ok: false } });
    expect((await service.status()).configProblem).not.toBeNull();
    configure(service, '3');
    expect((await service.reload()).verdict).toMatchObject({ ok: true });
    const mended = await service.untilDrained();
    expect(mended.configProblem).toBeNull();
    expect(mended.generations[0]!.workers).toHaveLength(3);
    expect(await service.show('StatusText')).not.toContain('Running with');
    expectNothingLost(await load.stop(), await service.journal());
    await service.expectNoLeftovers();
  }, 120_000);

  test('a release that is gone is replaced by the last good one at a start', async () => {
    await using service = await startConfigured('--now');
    const [before] = (await service.status()).generations;
    await systemctl(service, 'stop');
    rmSync(service.releases.current);
    expect((await systemctl(service, 'start')).status, await service.journal()).toBe(0);
    const status = await service.status();
    expect(status.configProblem).toMatchObject({ code: 'DIRECTORY_NOT_FOUND' });
    expect(status.generations[0]!.entry).toBe(before!.entry);

    await systemctl(service, 'stop');
    renameSync(join(service.lab.share, 'srv'), join(service.lab.share, 'away'));
    expect((await systemctl(service, 'start')).status).not.toBe(0);
    expect((await systemctl(service, 'status')).stdout).toContain('Could not start: there is no directory');
    await eventually(
      async () => Number(await service.show('NRestarts')),
      (count) => count > 2,
      { what: () => 'it is tried again, three times' },
    );
    renameSync(join(service.lab.share, 'away'), join(service.lab.share, 'srv'));
    expect((await untilStarted(service, 0)).configProblem).toMatchObject({ code: 'DIRECTORY_NOT_FOUND' });
  }, 60_000);

  test('a configuration that is refused ends no workers, whatever else is lost', async () => {
    await using service = await startConfigured('--now');
    const load = await service.load({ modes: MODES });
    const before = await service.status();
    configure(service, '"many"');
    await service.lab.exec(['rm', '/var/lib/batond/shop/last-good.json', '/run/batond/shop/live.json']);
    await service.lab.exec(['kill', '-9', String(before.supervisor.pid)]);
    await eventually(
      async () => Number(await service.show('NRestarts')),
      (count) => count > 2,
      { what: () => 'it is tried again, three times' },
    );
    configure(service, '2');
    await untilStarted(service, before.supervisor.pid);
    expectNothingLost(await load.stop(), await service.journal());
  }, 60_000);

  test('a configuration that has never been good fails the start once, with the reason in the status', async () => {
    await using service = await startConfigured();
    await service.lab.exec(['rm', '-rf', '/var/lib/batond/shop']);
    configure(service, '"many"');
    expect((await systemctl(service, 'start')).status).not.toBe(0);
    await eventually(
      () => service.show('ActiveState'),
      (state) => state === 'failed',
      { what: () => 'the unit has failed' },
    );
    expect(await service.show('ExecMainStatus')).toBe('78');
    expect(await service.show('NRestarts')).toBe('0');
    expect((await systemctl(service, 'status')).stdout).toMatch(/batond\.toml:4: workers/);
    expect(
      (
        await service.lab.exec([NODE, join(ROOT, 'dist/main.js'), 'check', '--config', configFile(service)], {
          check: false,
        })
      ).status,
    ).toBe(78);
  }, 60_000);

  test(`a supervisor that fails ${FAILURES} times in a row at its start costs its workers nothing`, async () => {
    await using service = await InstalledService.start();
    const { share } = service.lab;
    const trouble = join(share, 'trouble');
    const preload = join(share, 'fails.mjs');
    writeFileSync(
      preload,
      `import { existsSync } from 'node:fs';\nif (process.argv[2] === 'run' && existsSync(${JSON.stringify(trouble)})) process.abort();\n`,
    );
    await dropIn(service, `Environment="NODE_OPTIONS=--import ${preload}"\nLimitCORE=0`);
    const before = await service.status();
    const load = await service.load({ modes: MODES });
    const restarts = Number(await service.show('NRestarts'));
    writeFileSync(trouble, '');
    await service.lab.exec(['kill', '-9', String(before.supervisor.pid)]);
    await eventually(
      async () => Number(await service.show('NRestarts')),
      (count) => count >= restarts + FAILURES,
      { deadlineMs: 240_000, what: () => `${FAILURES} restarts` },
    );
    rmSync(trouble);
    const after = await untilStarted(service, before.supervisor.pid);
    expect(pidsOf(after)).toEqual(pidsOf(before));
    service.deploy('answers');
    expect((await service.reload()).status).toBe(0);
    const result = await load.stop();
    expectNothingLost(result, await service.journal());
    console.log(`${FAILURES} failed starts, ${result.requests} requests, ${result.failures} failures`);
    await service.expectNoLeftovers();
  }, 300_000);

  test.each(BROKEN)(
    'a batond that $name makes way for the one that served before it',
    async ({ spoil, refused }) => {
      await using service = await InstalledService.start();
      const { share } = service.lab;
      const current = join(share, 'batond');
      const use = (version: string) => {
        symlinkSync(join(share, version), `${current}.next`);
        renameSync(`${current}.next`, current);
      };
      copyBatond(join(share, 'v1'));
      copyBatond(join(share, 'v2'));
      spoil(join(share, 'v2'));
      use('v1');
      await service.batond('uninstall');
      const main = join(current, 'dist/main.js');
      const app = join(service.releases.current, 'server.js');
      const flags = [
        '--directory',
        service.releases.current,
        '--workers',
        '2',
        '--env',
        `PORT=${service.port}`,
        '--now',
      ];
      await service.lab.exec([NODE, main, 'install', app, '--name', 'shop', ...flags]);
      const before = await service.status();
      await eventually(
        async () => (await service.lab.exec(['cat', '/var/lib/batond/shop/starts.json'])).stdout,
        (text) => text.includes(`"good":"${join(share, 'v1/dist/main.js')}"`),
        { deadlineMs: 20_000, what: () => 'v1 is on record' },
      );

      use('v2');
      const load = await service.load({ modes: MODES });
      if (refused) expect((await service.reload()).verdict).toMatchObject({ ok: false });
      await service.lab.exec(['kill', '-9', String(before.supervisor.pid)]);
      const standsIn = () =>
        eventually(
          () => service.show('StatusText'),
          (text) => text.includes(`stands in for ${join(share, 'v2/dist/main.js')}`),
          { deadlineMs: 20_000, what: () => 'the older one stands in' },
        );
      await standsIn();
      const stoodIn = await service.status();
      expect(pidsOf(stoodIn)).toEqual(pidsOf(before));
      expect(stoodIn.supervisor.pid).toBe(Number(await service.show('MainPID')));
      expect(await service.journal('-p', 'err')).toContain(`${join(share, 'v1/dist/main.js')} runs in its place`);

      await service.lab.exec(['systemctl', 'restart', 'shop'], { check: false });
      await untilStarted(service, stoodIn.supervisor.pid);
      await standsIn();
      expect(pidsOf(await service.status())).toEqual(pidsOf(before));

      copyBatond(join(share, 'v2'));
      expect((await service.reload()).verdict, await service.journal()).toMatchObject({ ok: true });
      expect((await service.untilDrained()).summary).not.toContain('stands in for');
      expectNothingLost(await load.stop(), await service.journal());
      await service.expectNoLeftovers();
    },
    120_000,
  );
});
