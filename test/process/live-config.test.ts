/** batond.toml is changed while the service runs: what applies live is in force without a reload, and stays so. */
import { renameSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Status } from '../../src/control/messages.js';
import { ask } from '../support/service/ask.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { freePort } from '../support/service/free-port.js';
import { type HostedOptions, HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const until = (service: HostedService, isGood: (status: Status) => boolean, what: string) =>
  eventually(() => service.status(), isGood, {
    deadlineMs: 20_000,
    what: () => `${what}; log:\n${service.log}`,
  });

const inLog = (service: HostedService, text: string | RegExp) =>
  eventually(
    () => service.log.search(text) !== -1,
    (found) => found,
    { what: () => `${text} is in the log:\n${service.log}` },
  );

/** As an editor writes it. */
function edit(service: HostedService, options: HostedOptions): void {
  const write = service.writeConfig.bind(service);
  service.writeConfig = (text) => {
    writeFileSync(join(service.folder, '.batond.toml.swp'), text);
    renameSync(join(service.folder, '.batond.toml.swp'), join(service.folder, 'batond.toml'));
  };
  service.configure(options);
  service.writeConfig = write;
}

const workersOf = ({ generations }: Status) => generations[0]!.workers.map(({ slot }) => slot).sort();

test('more and fewer workers under load, in one generation, and no request is lost', async () => {
  await using service = await HostedService.start({ workers: 2 });
  const load = await service.load({
    modes: { fresh: { perSecond: 100 }, keepAlive: { connections: 12, gapMs: [0, 50] } },
  });
  edit(service, { workers: 4 });
  await until(
    service,
    ({ generations: [one] }) => one!.workers.filter(({ phase }) => phase === 'open').length === 4,
    'four serve',
  );
  const slow = await ask(service.port, '/slow?ms=1500&chunks=5');
  edit(service, { workers: 1 });
  const left = await until(service, (status) => workersOf(status).length === 1, 'one is left');
  expect(workersOf(left)).toEqual([0]);
  expect(await slow.body).toContain('chunk 4 of 5');
  expect(left.generations.map(({ number }) => number)).toEqual([1]);
  // Adopted as it is now, and reloaded as it is now.
  const adopted = await service.killSupervisor();
  expect(workersOf(adopted)).toEqual([0]);
  expect((await service.reload()).status).toBe(0);
  expect(workersOf(await service.untilDrained())).toEqual([0]);
  expectNothingLost(await load.stop(), service.log);
  await service.expectNoLeftovers();
  expect(await service.stop()).toBe(0);
});

test('limits, probes, doors, rules, hooks and the log change while it runs, and the next supervisor has them', async () => {
  const admin = await freePort();
  await using service = await HostedService.start({ workers: 1, toml: '[upgrade]\ndrain_timeout = "10m"\n' });
  const toml = [
    '[upgrade]',
    'drain_timeout = "300ms"',
    'min_interval = "1h"',
    '[probe.readiness]',
    'path = "/"',
    'interval = "50ms"',
    '[admin]',
    `listen = "${admin}"`,
    '[log]',
    'level = "debug"',
    '[[degrade]]',
    'when = "level>=UNHEALTHY for 1s"',
    'weight = 20',
    '[hooks]',
    `post_reload = ["/bin/sh", "-c", "echo hook saw $BATOND_GENERATION"]`,
    '[env]',
    'COLOUR = "green"',
  ].join('\n');
  edit(service, { workers: 1, toml });
  const seen = await until(service, ({ configPending }) => configPending?.length === 1, 'env waits for a reload');
  expect(seen.configPending).toEqual([{ key: 'env', needs: 'reload' }]);
  expect(seen.summary).toContain('Of the configuration env comes into force with the next reload.');
  expect(service.log).toMatch(
    /in force at once: [^"]*upgrade\.drain_timeout[^"]*degrade[^"]*; with the next reload: env/,
  );
  expect(service.log).not.toContain('green');
  const ready = (port: number) =>
    new Promise<number | null>((resolve) => {
      get({ host: '127.0.0.1', port, path: '/readyz', agent: false }, ({ statusCode }) =>
        resolve(statusCode ?? null),
      ).on('error', () => resolve(null));
    });
  await eventually(
    () => ready(admin),
    (status) => status === 200,
    { what: () => 'admin.listen answers' },
  );
  // A refusal by a limit that was not there at the start.
  expect(await service.reload()).toMatchObject({ status: 75, verdict: null });

  // What is in force is on record.
  await service.killSupervisor();
  expect((await service.reload()).stderr).toContain('upgrade.min_interval is 1h');
  expect((await service.status()).configPending).toEqual([{ key: 'env', needs: 'reload' }]);
  expect(await ready(admin)).toBe(200);

  const slow = await ask(service.port, '/slow?ms=60000&chunks=600');
  const { status, stderr } = await service.reload({}, '--force');
  expect(status, stderr).toBe(0);
  await expect(slow.body).rejects.toThrow();
  await inLog(service, 'hook saw 2');
  expect((await service.status()).configPending).toEqual([]);

  // And gone again.
  edit(service, { workers: 1 });
  await eventually(
    () => ready(admin),
    (answer) => answer === null,
    { what: () => 'admin.listen is closed' },
  );
  expect((await service.reload()).status).toBe(0);
});

test('a file that is refused, half written or gone changes nothing until it is good again', async () => {
  await using service = await HostedService.start({ workers: 1 });
  service.configure({ workers: 3, toml: '[upgrade]\nready_timeout = "soon"\n' });
  const refused = await until(service, ({ configProblem }) => configProblem !== null, 'it is refused');
  expect(refused.configProblem!.message).toMatch(/^batond\.toml:7: upgrade\.ready_timeout: "soon" is not allowed/);
  expect(workersOf(refused)).toEqual([0]);
  expect(refused.summary).toContain('refused');
  renameSync(join(service.folder, 'batond.toml'), join(service.folder, 'away'));
  await until(service, ({ configProblem }) => configProblem?.code === 'CONFIG_UNREADABLE', 'it is missed');
  service.configure({ workers: 2 });
  const mended = await until(service, (status) => workersOf(status).length === 2, 'it is in force');
  expect(mended.configProblem).toBeNull();
});

test('what is changed during a reload is in force after it, and a refused reload leaves what does not apply live', async () => {
  await using service = await HostedService.start({ workers: 1 });
  service.deploy('exits-at-once');
  const lines =
    '[env]\nDELAY = "1"\n[hooks]\npre_reload = ["/bin/sh", "-c", "until test -e $PWD/../go; do sleep 0.05; done"]\n';
  service.configure({ workers: 1, toml: lines });
  await until(service, ({ configPending }) => configPending?.length === 1, 'env waits');
  const reload = service.reload();
  await inLog(service, 'running the hook pre_reload');
  service.configure({ workers: 2, toml: lines });
  writeFileSync(join(service.folder, 'srv/go'), '');
  const { status } = await reload;
  expect(status).not.toBe(0);
  const after = await until(service, (seen) => workersOf(seen).length === 2, 'it is in force afterwards');
  expect(after.generations.map(({ number }) => number)).toEqual([1]);
  expect(after.configPending).toEqual([{ key: 'env', needs: 'reload' }]);
});
