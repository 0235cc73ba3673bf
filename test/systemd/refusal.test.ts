/** Bad releases and broken takeovers under a real systemd: `systemctl reload` fails, with the reason where people look. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { arm, faultEnvironment, hasFallen } from '../support/faults/faults.js';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { NODE } from '../support/service/batond.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { InstalledService } from '../support/service/installed.js';
import type { App } from '../support/service/releases.js';
import { eventually } from '../support/service/wait.js';

const available = labAvailable();
const suite = describe.skipIf(!available.ok);
const MODES = {
  fresh: { perSecond: 100 },
  keepAlive: { connections: 8, gapMs: [0, 50] as const },
  slow: { connections: 2, ms: 700, chunks: 4 },
};

const config = (service: InstalledService, lines: string) =>
  writeFileSync(
    join(service.lab.share, 'batond.toml'),
    `name = "shop"\nentry = "server.js"\ndirectory = "${service.releases.current}"\nworkers = 2\n${lines}\n`,
  );

/** What is wrong, how the service is made so, and what must be read in each place. */
const REFUSED: { readonly name: string; readonly app?: App; readonly config?: string; readonly says: string }[] = [
  { name: 'exits at once', app: 'exits-at-once', says: 'exited with status 3' },
  { name: 'never gets ready', app: 'never-listens', says: 'was not ready within 2 s: 2 of 2 workers never listened' },
  { name: 'throws at import', app: 'throws-at-import', says: 'the database has no such table' },
  { name: 'listens on a taken port', app: 'listens-on-a-taken-port', says: 'EADDRINUSE' },
  { name: 'has a syntax error in batond.toml', app: 'answers', config: 'workers = = 3', says: 'batond.toml:' },
  {
    name: 'has a runtime that does not exist',
    app: 'answers',
    config: 'runtime = "/opt/no/node"',
    says: '/opt/no/node',
  },
];

suite(`under systemd${available.ok ? '' : ` (${available.why})`}`, () => {
  test('each bad release is refused with its reason, and the incumbent answers all the while', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, resolve));
    const TAKEN_PORT = String((taken.address() as AddressInfo).port);
    const good = `runtime = "${NODE}"\n[upgrade]\nready_timeout = "2s"`;
    try {
      await using service = await InstalledService.start({ env: { TAKEN_PORT } });
      await service.batond('uninstall');
      config(service, good);
      const file = join(service.lab.share, 'batond.toml');
      const env = { PORT: String(service.port), TAKEN_PORT };
      const flags = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      await service.batond('install', '--config', file, ...flags, '--now');
      const load = await service.load({ modes: MODES });
      for (const bad of REFUSED) {
        if (bad.app !== undefined) service.deploy(bad.app);
        config(service, bad.config ?? good);
        const { status, verdict } = await service.reload();
        expect(status, bad.name).not.toBe(0);
        expect(verdict, bad.name).toMatchObject({ ok: false, generation: 1 });
        expect(await service.show('StatusText'), bad.name).toContain(bad.says);
        expect(await service.journal('-p', 'err'), bad.name).toContain(bad.says);
        expect(await service.show('ActiveState'), bad.name).toBe('active');
      }
      // Each with what it means and what to do about it.
      const explained = await service.journal('-x', 'BATOND_EVENT=verdict');
      expect(explained).toContain('Subject: A reload was rolled back (CANDIDATE_EXITED)');
      expect(explained).toContain('Subject: A reload was refused (SUCCESSOR_REFUSED)');
      expect(explained).toContain('Mend it and reload');
      expectNothingLost(await load.stop());
      expect(await service.show('NRestarts')).toBe('0');
      config(service, good);
      await service.expectNoLeftovers();

      service.deploy('dies-after-ready');
      await service.reload();
      const back = await eventually(
        () => service.status(),
        (seen) =>
          seen.state === 'serving' &&
          seen.generations.some(({ role, entry }) => role === 'incumbent' && entry.includes('/r1/')),
        { deadlineMs: 20_000, what: () => 'the last good release serves again' },
      );
      expect(back.lastReload).toMatchObject({ ok: false, code: 'GENERATION_LOST' });
      expect(await service.show('NRestarts')).toBe('0');
    } finally {
      taken.close();
    }
  }, 120_000);

  test('a successor that falls at any step before it is main leaves systemd with the old main process', async () => {
    await using service = await InstalledService.start();
    const folder = service.lab.share;
    const variables = Object.entries(faultEnvironment(folder)).map(([key, value]) => `Environment="${key}=${value}"`);
    writeFileSync(join(folder, 'faults.conf'), `[Service]\n${variables.join('\n')}\n`);
    await service.lab.exec(['mkdir', '-p', '/etc/systemd/system/shop.service.d']);
    await service.lab.exec(['cp', join(folder, 'faults.conf'), '/etc/systemd/system/shop.service.d/']);
    await service.lab.exec(['systemctl', 'daemon-reload']);
    await service.lab.exec(['systemctl', 'restart', 'shop']);
    const main = await service.show('MainPID');
    const load = await service.load({ modes: MODES });
    const steps = [
      { machine: 'boot', state: '', event: '' },
      { machine: 'successor', state: 'greeting', event: 'inventory' },
      { machine: 'successor', state: 'receiving', event: 'batch' },
      { machine: 'successor', state: 'receiving', event: 'complete' },
    ] as const;
    for (const step of steps) {
      arm(folder, { ...step, signal: 'SIGKILL' });
      const { status, verdict } = await service.reload();
      expect(hasFallen(folder), JSON.stringify(step)).toBe(true);
      expect(status).not.toBe(0);
      expect(verdict).toMatchObject({ ok: false, code: 'SUCCESSOR_EXITED' });
      expect(await service.show('MainPID')).toBe(main);
      expect(await service.show('ActiveState')).toBe('active');
    }
    // Right after it yielded the old one is nobody any more.
    arm(folder, { machine: 'predecessor', state: 'yielding', event: 'yielded', signal: 'SIGKILL' });
    expect((await service.reload()).status).toBe(0);
    expect(hasFallen(folder)).toBe(true);
    expect(await service.show('ActiveState')).toBe('active');
    expectNothingLost(await load.stop());
    expect(await service.show('NRestarts')).toBe('0');
    await service.expectNoLeftovers();
  }, 120_000);
});
