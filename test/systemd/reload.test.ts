/** The main job under a real systemd: `systemctl reload` all day, and what systemd knows of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { expectNothingLost } from '../support/service/expectations.js';
import { InstalledService } from '../support/service/installed.js';
import { eventually } from '../support/service/wait.js';

const available = labAvailable();
const suite = describe.skipIf(!available.ok);

const KEEP_ALIVE = [
  { connections: 12, gapMs: [0, 100] as const },
  { connections: 8, gapMs: [2_900, 3_100] as const },
];
const WITHOUT_SLOW = { fresh: { perSecond: 150 }, keepAlive: KEEP_ALIVE };
const WITH_SLOW = {
  ...WITHOUT_SLOW,
  slow: { connections: 4, ms: 900, chunks: 6 },
  upload: { connections: 4, ms: 700 },
};

/** `npm test` takes a sample; all fifty with BATOND_LONG=1. */
const RELOADS = process.env.BATOND_LONG === '1' ? 50 : 6;

suite(`under systemd${available.ok ? '' : ` (${available.why})`}`, () => {
  test.each([
    ['with slow requests and uploads', WITH_SLOW],
    ['without them', WITHOUT_SLOW],
  ])(
    `an Express app with two workers is reloaded ${RELOADS} times without losing a request, %s`,
    async (_name, modes) => {
      await using service = await InstalledService.start({ app: 'answers-express' });
      const load = await service.load({ modes });
      for (let n = 2; n <= RELOADS + 1; n++) {
        const release = service.deploy('answers-express');
        const { status, stderr, verdict } = await service.reload();
        expect(status, stderr).toBe(0);
        expect(verdict).toMatchObject({ ok: true, generation: n });
        const seen = await service.status();
        expect(Number(await service.show('MainPID'))).toBe(seen.supervisor.pid);
        expect(seen.generations.at(-1)).toMatchObject({ number: n, release: `${release}@${n}.0.0` });
        expect(await service.show('ActiveState')).toBe('active');
      }
      const result = await load.stop();
      expectNothingLost(result);
      console.log(
        `${RELOADS} reloads, ${result.requests} requests, ${result.failures} failures, ${result.idleClosed} idle closed`,
      );
      expect(await service.show('NRestarts')).toBe('0');
      expect(await service.show('StatusText')).toMatch(
        /^Generation \d+ \(r\d+@[\d.]+\) serves on \[::\]:\d+ with 2 workers\.$/,
      );
      await service.expectNoLeftovers();
    },
    300_000,
  );

  test('systemd notices the death of a new main process while the old generation still lives', async () => {
    await using service = await InstalledService.start();
    const load = await service.load({ modes: { slow: { connections: 2, ms: 3_000, chunks: 6 } } });
    await eventually(
      () => load.snapshot(),
      ({ outstanding }) => outstanding > 0,
      { what: () => 'a slow request is in flight' },
    );
    expect((await service.reload()).status).toBe(0);
    const { generations, supervisor } = await service.status();
    expect(generations.map(({ role }) => role).sort()).toEqual(['draining', 'incumbent']);
    await service.lab.exec(['kill', '-9', String(supervisor.pid)]);
    await eventually(
      () => service.show('NRestarts'),
      (restarts) => restarts === '1',
      { what: () => 'systemd starts it again' },
    );
    await eventually(
      async () => [await service.show('ActiveState'), Number(await service.show('MainPID'))] as const,
      ([state, main]) => state === 'active' && main !== supervisor.pid && main > 0,
      { what: () => 'the next supervisor is up' },
    );
    await load.stop();
    await service.expectNoLeftovers();
  });

  test("the journal has the fields of a generation, and a worker's output its own pid", async () => {
    await using service = await InstalledService.start({ app: 'answers-express' });
    service.deploy('answers-express');
    await service.reload();
    const status = await service.untilDrained();
    const ours = await service.journal('BATOND_GENERATION=2', '-o', 'json');
    expect(
      ours
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).BATOND_GENERATION),
    ).toContain('2');
    const printed = (await service.journal('-o', 'json', '--grep', 'r2 listens'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const workers = status.generations[0]!.workers.map(({ pid }) => String(pid));
    expect(printed.map(({ _PID }) => _PID).sort()).toEqual(workers.sort());
    for (const entry of printed) {
      expect(entry).toMatchObject({ SYSLOG_IDENTIFIER: 'shop', _SYSTEMD_UNIT: 'shop.service' });
    }
  });

  test('systemctl stop finishes what is in flight and leaves nothing', async () => {
    await using service = await InstalledService.start();
    const load = await service.load({ modes: { slow: { connections: 4, ms: 1_500, chunks: 5, requests: 1 } } });
    await eventually(
      () => load.snapshot(),
      ({ outstanding }) => outstanding === 4,
      { what: () => 'four slow requests are in flight' },
    );
    const group = await service.show('ControlGroup');
    await service.lab.exec(['systemctl', 'stop', 'shop']);
    expect(await load.finished).toMatchObject({ ok: 4, failures: 0 });
    expect(await service.show('ActiveState')).toBe('inactive');
    expect(await service.show('Result')).toBe('success');
    const left = await service.lab.exec([
      'sh',
      '-c',
      `cat /sys/fs/cgroup${group}/cgroup.procs 2>/dev/null; ls /run/batond/shop 2>/dev/null; true`,
    ]);
    expect(left.stdout).toBe('');
  });

  test('batond stop is a stop that systemd knows of: nothing is started again', async () => {
    await using service = await InstalledService.start();
    expect((await service.batond('stop')).stdout).toBe('shop has stopped\n');
    expect(await service.show('ActiveState')).toBe('inactive');
    expect(await service.show('NRestarts')).toBe('0');
  });

  test('a stop may take as long as the config says, whatever the unit file was written with', async () => {
    await using service = await InstalledService.start({ args: ['--drain-timeout', '20s'] });
    const dropIn = join(service.lab.share, 'short.conf');
    writeFileSync(dropIn, '[Service]\nTimeoutStopSec=1s\n');
    await service.lab.exec(['mkdir', '-p', '/etc/systemd/system/shop.service.d']);
    await service.lab.exec(['cp', dropIn, '/etc/systemd/system/shop.service.d/']);
    await service.lab.exec(['systemctl', 'daemon-reload']);
    const load = await service.load({ modes: { slow: { connections: 2, ms: 3_000, chunks: 5, requests: 1 } } });
    await eventually(
      () => load.snapshot(),
      ({ outstanding }) => outstanding === 2,
      { what: () => 'two slow requests are in flight' },
    );
    await service.lab.exec(['systemctl', 'stop', 'shop']);
    expect(await load.finished).toMatchObject({ ok: 2, failures: 0 });
    expect(await service.show('Result')).toBe('success');
  });

  test('sockets of a .socket unit are inherited and stay', async () => {
    await using service = await InstalledService.start();
    await service.batond('uninstall');
    const address = `127.0.0.1:${service.port}`;
    await service.lab.exec(['true']);
    await service.batond(
      'install',
      `${service.releases.current}/server.js`,
      '--directory',
      service.releases.current,
      '--socket',
      `${service.port}`,
      '--env',
      `PORT=${service.port}`,
      '--now',
    );
    const load = await service.load({ modes: WITHOUT_SLOW });
    expect((await service.status()).listeners).toMatchObject([{ origin: 'systemd' }]);
    service.deploy('answers');
    expect((await service.reload()).status, address).toBe(0);
    expect((await service.untilDrained()).listeners).toMatchObject([{ origin: 'systemd' }]);
    // The socket is systemd's: a stopped and started service refuses nobody, they wait.
    await service.lab.exec(['systemctl', 'stop', 'shop.service']);
    await service.lab.exec(['systemctl', 'start', 'shop.service']);
    const { refused, timedOut, wrong } = await load.stop();
    expect({ refused, timedOut, wrong }).toEqual({ refused: 0, timedOut: 0, wrong: 0 });
  });
});
