/** A reload that the service began by itself, as systemd sees it. */
import { readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sealRelease } from '../../src/release/seal.js';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { expectNothingLost } from '../support/service/expectations.js';
import { InstalledService } from '../support/service/installed.js';
import { eventually } from '../support/service/wait.js';

const available = labAvailable();
const suite = describe.skipIf(!available.ok);

const TOML = `
[release]
current = "srv/current"
verify = "manifest"
revert = true
[hooks]
pre_reload = ["sh", "-c", "echo migrating; while [ ! -e ../../go ]; do sleep 0.02; done"]
`;

const seal = (service: InstalledService, name: string) =>
  sealRelease(service.releases.path(name), { keyFile: null, without: [] });

suite(`under systemd${available.ok ? '' : ` (${available.why})`}`, () => {
  test('a switch of the symlink is a reload like any other: RELOADING, STATUS, MAINPID, and active again', async () => {
    await using service = await InstalledService.start({
      prepare: (one) => {
        const config = join(one.lab.share, 'batond.toml');
        writeFileSync(config, TOML);
        seal(one, 'r1');
        return ['--config', config];
      },
    });
    const load = await service.load({ modes: { fresh: { perSecond: 50 }, keepAlive: { connections: 8 } } });
    const before = Number(await service.show('MainPID'));
    const good = service.releases.make('answers');
    seal(service, good);
    service.releases.pointTo(good);
    const states = async () => ({ state: await service.show('ActiveState'), text: await service.show('StatusText') });
    await eventually(states, ({ state, text }) => state === 'reloading' && text.includes('The hook pre_reload runs.'), {
      deadlineMs: 30_000,
      what: () => 'systemd sees the reload',
    });
    writeFileSync(join(service.lab.share, 'go'), '');
    await eventually(states, ({ state, text }) => state === 'active' && text.startsWith('Generation 2 '), {
      deadlineMs: 30_000,
      what: () => 'generation 2 serves',
    });
    const { supervisor } = await service.status();
    expect(Number(await service.show('MainPID'))).toBe(supervisor.pid);
    expect(supervisor.pid).not.toBe(before);
    expect(await service.journal('BATOND_EVENT=hook-output', '-o', 'cat')).toContain('migrating');

    service.releases.pointTo(service.releases.make('answers'));
    await eventually(states, ({ state, text }) => state === 'active' && text.includes('release r3 is not sealed'), {
      deadlineMs: 30_000,
      what: () => 'the release is refused',
    });
    expect(readlinkSync(service.releases.current)).toBe(good);
    expect(await service.journal('BATOND_CODE=RELEASE_NOT_SEALED', '-o', 'cat')).toContain(
      'generation 2 keeps serving',
    );
    expect(await service.show('NRestarts')).toBe('0');
    const result = await load.stop();
    expectNothingLost(result);
    expect(result.releases.map(({ release }) => release).sort()).toEqual(['r1', good]);
    await service.expectNoLeftovers();
  });

  test('a supervisor that is killed in the middle of such a reload is replaced: what served serves on', async () => {
    await using service = await InstalledService.start({
      prepare: (one) => {
        const config = join(one.lab.share, 'batond.toml');
        writeFileSync(config, TOML);
        seal(one, 'r1');
        return ['--config', config];
      },
    });
    const load = await service.load({ modes: { fresh: { perSecond: 50 }, keepAlive: { connections: 8 } } });
    const before = await service.status();
    const bad = service.releases.make('answers');
    seal(service, bad);
    service.releases.pointTo(bad);
    await eventually(
      () => service.show('StatusText'),
      (text) => text.includes('The hook pre_reload runs.'),
      { deadlineMs: 30_000, what: () => 'the hook runs' },
    );
    const { supervisor } = await service.status();
    await service.lab.exec(['kill', '-KILL', await service.show('MainPID')]);
    await eventually(
      async () => [await service.show('ActiveState'), Number(await service.show('MainPID'))],
      ([state, pid]) => state === 'active' && pid !== 0 && pid !== supervisor.pid,
      { deadlineMs: 30_000, what: () => 'systemd has started the next one' },
    );
    expect(readlinkSync(service.releases.current)).toBe('r1');
    expect((await service.status()).generations[0]!.workers.map(({ pid }) => pid).sort()).toEqual(
      before.generations[0]!.workers.map(({ pid }) => pid).sort(),
    );
    await service.expectNoLeftovers();
    writeFileSync(join(service.lab.share, 'go'), '');
    const good = service.releases.make('answers');
    seal(service, good);
    service.releases.pointTo(good);
    const rows = await eventually(
      () => service.history(),
      (history) => history.length === 3,
      { deadlineMs: 30_000, what: () => 'the next switch has a verdict' },
    );
    expect(rows).toMatchObject([
      { kind: 'start', generation: 1, verdict: 'replaced' },
      { kind: 'watch', generation: null, verdict: 'refused', code: 'SUPERVISOR_DIED' },
      { kind: 'watch', generation: 2, verdict: 'serving' },
    ]);
    expectNothingLost(await load.stop());
    await service.expectNoLeftovers();
  });
});
