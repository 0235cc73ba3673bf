/** Signals of the supervisor under a real systemd, sent as an operator sends them: `systemctl kill --kill-whom=main`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { expectNothingLost } from '../support/service/expectations.js';
import { InstalledService } from '../support/service/installed.js';
import { eventually } from '../support/service/wait.js';

const available = labAvailable();
const suite = describe.skipIf(!available.ok);

async function startConfigured(): Promise<{ readonly service: InstalledService; readonly file: string }> {
  const service = await InstalledService.start();
  const file = join(service.lab.share, 'batond.toml');
  await service.batond('uninstall');
  writeFileSync(
    file,
    `name = "shop"\nentry = "server.js"\ndirectory = "${service.releases.current}"\nworkers = 2\n[upgrade]\n`,
  );
  await service.batond('install', '--config', file, '--env', `PORT=${service.port}`, '--now');
  return { service, file };
}

suite(`under systemd${available.ok ? '' : ` (${available.why})`}`, () => {
  test('SIGUSR2 reloads, SIGHUP puts the configuration into force, SIGQUIT ends the unit for good', async () => {
    const { service: started, file } = await startConfigured();
    await using service = started;
    const kill = (signal: string) => service.lab.exec(['systemctl', 'kill', '-s', signal, '--kill-whom=main', 'shop']);
    const load = await service.load({ modes: { fresh: { perSecond: 100 }, keepAlive: { connections: 8 } } });

    await kill('USR2');
    await eventually(
      () => service.status(),
      ({ state, generations }) => state === 'serving' && generations.some(({ number }) => number === 2),
      { deadlineMs: 20_000, what: () => 'generation 2 serves' },
    );
    expect(Number(await service.show('MainPID'))).toBe((await service.status()).supervisor.pid);

    writeFileSync(file, `${readFileSync(file, 'utf8')}drain_timeout = "long"\n`);
    await kill('HUP');
    await eventually(
      () => service.show('StatusText'),
      (text) => text.includes('upgrade.drain_timeout: "long" is not allowed'),
      { what: () => 'the status of the unit says what is wrong, with its line' },
    );

    writeFileSync(file, readFileSync(file, 'utf8').replace('"long"', '"9s"').replace('workers = 2', 'workers = 3'));
    await kill('HUP');
    await eventually(
      async () => (await service.untilDrained()).generations.map(({ number, workers }) => [number, workers.length]),
      (generations) => JSON.stringify(generations) === '[[2,3]]',
      { what: () => 'a third worker serves in the same generation' },
    );
    expect(await service.show('StatusText')).toMatch(/^Generation 2 .* with 3 workers\.$/);
    expectNothingLost(await load.stop());
    expect(await service.show('ActiveState')).toBe('active');

    await kill('QUIT');
    await eventually(
      () => service.show('ActiveState'),
      (state) => state === 'inactive',
      { what: () => 'the unit has ended' },
    );
    expect(await service.show('NRestarts')).toBe('0');
    expect(await service.show('Result')).toBe('success');
    const { stdout } = await service.lab.exec(['sh', '-c', 'ls /var/lib/batond/shop/diagnostics | wc -l']);
    expect(stdout.trim()).toBe('1');
  }, 120_000);
});
