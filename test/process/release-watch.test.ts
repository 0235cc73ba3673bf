/** A deploy that moves `current` is noticed, checked and, if it is bad, put back: no command is given in this file. */
import { appendFileSync, existsSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sealRelease } from '../../src/release/seal.js';
import { writeKeyPair } from '../../src/release/signature.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const MODES = { fresh: { perSecond: 50 }, keepAlive: { connections: 8, gapMs: [0, 50] as const } };

/** The first release is sealed before the start, and signed where there is a key. */
async function watched(toml: string, keyed = false): Promise<HostedService> {
  const service = await HostedService.start({ idle: true });
  const key = join(service.folder, 'shop.key');
  if (keyed) writeKeyPair(key);
  service.configure({ toml: `[upgrade]\nready_timeout = "2s"\n[release]\ncurrent = "srv/current"\n${toml}` });
  sealRelease(service.releases.path('r1'), { keyFile: keyed ? key : null, without: [] });
  service.run();
  await service.untilServing();
  return service;
}

const current = (service: HostedService) => readlinkSync(service.releases.current);

/** Each makes the next release, not to be served, and says with which code it must be refused. */
const BAD: readonly ((service: HostedService, key: string) => { name: string; code: string })[] = [
  ({ releases }) => ({ name: releases.make('answers'), code: 'RELEASE_NOT_SEALED' }),
  ({ releases }, keyFile) => {
    const name = releases.make('throws-at-import');
    sealRelease(releases.path(name), { keyFile, without: [] });
    return { name, code: 'CANDIDATE_EXITED' };
  },
  ({ releases }, keyFile) => {
    const name = releases.make('answers');
    sealRelease(releases.path(name), { keyFile, without: [] });
    appendFileSync(join(releases.path(name), 'server.js'), '// one line more\n');
    return { name, code: 'RELEASE_CHANGED' };
  },
  ({ releases, folder }) => {
    const name = releases.make('answers');
    const keyFile = join(folder, `${name}.key`);
    writeKeyPair(keyFile);
    sealRelease(releases.path(name), { keyFile, without: [] });
    return { name, code: 'SIGNATURE_WRONG' };
  },
  ({ releases }, keyFile) => {
    const name = releases.make('never-listens');
    sealRelease(releases.path(name), { keyFile, without: [] });
    return { name, code: 'CANDIDATE_NOT_READY' };
  },
];

async function switchUnderLoad(switches: number): Promise<void> {
  await using service = await watched('verify = "signature"\npublic_key = "shop.key.pub"\nrevert = true', true);
  const keyFile = join(service.folder, 'shop.key');
  const load = await service.load({ modes: MODES });
  const good = ['r1'];
  let bad = 0;
  for (let n = 1; n <= switches; n++) {
    if (n % 5 === 0) {
      const { name, code } = BAD[bad++ % BAD.length]!(service, keyFile);
      service.releases.pointTo(name);
      expect(await service.untilJudged(name), service.log).toMatchObject({ kind: 'watch', verdict: 'refused', code });
      expect(current(service)).toBe(good.at(-1));
    } else {
      const name = service.releases.make('answers');
      sealRelease(service.releases.path(name), { keyFile, without: [] });
      service.releases.pointTo(name);
      expect(await service.untilJudged(name), service.log).toMatchObject({ kind: 'watch', verdict: 'serving' });
      good.push(name);
    }
  }
  const result = await load.stop();
  expectNothingLost(result, service.log);
  const served = result.releases.map(({ release }) => release);
  expect(served.sort()).toEqual([...good].sort());
  console.log(
    `${switches} switches, ${bad} of them bad: ${result.ok} of ${result.requests} requests answered well, ` +
      `longest silence ${Math.round(result.longestSilence.ms)} ms`,
  );
  // The start and one attempt a switch: what was put back, and what was refused, was not tried again.
  expect(service.history()).toHaveLength(1 + switches);
  await service.expectNoLeftovers();
}

test('ten switches under load, two of them bad: the good ones serve, the bad ones never, nothing is lost', async () => {
  await switchUnderLoad(10);
}, 240_000);

test.runIf(process.env.BATOND_LONG === '1')(
  'thirty switches under load, every fifth bad: the good ones serve, the bad ones never, nothing is lost',
  async () => {
    await switchUnderLoad(30);
  },
  900_000,
);

test('a switch whose event is lost is seen all the same', async () => {
  await using service = await watched('recheck = "300ms"');
  // The folder that is watched is another one from here on, and nothing tells of that.
  const folder = join(service.folder, 'srv');
  const name = service.releases.make('answers');
  renameSync(folder, `${folder}.old`);
  symlinkSync(`${folder}.old`, folder);
  service.releases.pointTo(name);
  await eventually(
    () => service.history(),
    (entries) => entries.at(-1)?.release?.directory === join(`${folder}.old`, name),
    { deadlineMs: 30_000, what: () => `it is seen; log:\n${service.log}` },
  );
});

test('switches that follow each other quickly are one reload, to the last of them', async () => {
  await using service = await watched('debounce = "1s"');
  const names = Array.from({ length: 5 }, () => service.releases.make('answers'));
  for (const name of names) service.releases.pointTo(name);
  expect(await service.untilJudged(names.at(-1)!)).toMatchObject({ generation: 2, verdict: 'serving' });
  expect(service.history()).toHaveLength(2);
});

test('a switch during a reload is followed by a second one', async () => {
  await using service = await watched(
    'debounce = "0ms"\n[hooks]\npost_reload = ["sh", "-c", "while [ ! -e ../../go ]; do sleep 0.02; done"]',
  );
  const [first, second] = [service.releases.make('answers'), service.releases.make('answers')];
  service.releases.pointTo(first);
  await eventually(
    () => service.log,
    (log) => log.includes('"event":"hook"'),
    { what: () => 'the hook runs' },
  );
  service.releases.pointTo(second);
  writeFileSync(join(service.folder, 'go'), '');
  expect(await service.untilJudged(second), service.log).toMatchObject({ verdict: 'serving' });
  expect(service.history().map(({ release, verdict }) => [release?.label.split('@')[0], verdict])).toEqual([
    ['r1', 'replaced'],
    [first, 'replaced'],
    [second, 'serving'],
  ]);
});

test('a bad release is left where it is without release.revert, and tried again when it has changed', async () => {
  await using service = await watched('verify = "manifest"\nrecheck = "100ms"');
  const name = service.releases.make('answers');
  service.releases.pointTo(name);
  expect(await service.untilJudged(name)).toMatchObject({ code: 'RELEASE_NOT_SEALED' });
  const { summary } = await service.status();
  expect(summary).toContain('release r2 is not sealed');
  expect(current(service)).toBe(name);
  // Each command takes longer than it is until the symlink is looked at again.
  for (let n = 0; n < 4; n++) await service.status();
  expect(service.history()).toHaveLength(2);
  sealRelease(service.releases.path(name), { keyFile: null, without: [] });
  await eventually(
    () => service.history(),
    (entries) => entries.length === 3,
    { deadlineMs: 30_000, what: () => `it is tried again; log:\n${service.log}` },
  );
  expect(await service.untilJudged(name)).toMatchObject({ generation: 2, verdict: 'serving' });
});

test('a reload by hand and the first start verify the release too', async () => {
  await using service = await watched('verify = "manifest"\ndebounce = "1h"\nrecheck = "1h"\nrevert = true');
  service.deploy('answers');
  const { status, verdict } = await service.reload();
  expect(status).toBe(1);
  expect(verdict).toMatchObject({ code: 'RELEASE_NOT_SEALED', generation: 1 });
  expect(verdict?.message).toContain('current points to');
  expect(current(service)).toBe('r1');
  await service.stop();

  // The start falls back to what was good, and puts the symlink right.
  service.releases.pointTo('r2');
  service.run();
  await service.untilServing();
  expect((await service.status()).generations[0]?.entry).toContain('/r1/');
  await eventually(
    () => current(service),
    (target) => target === 'r1',
    { what: () => `it is put back:\n${service.log}` },
  );
  await service.stop();

  // Without anything good nothing is started.
  appendFileSync(join(service.releases.path('r1'), 'server.js'), '//');
  service.run();
  expect(await service.exit).not.toBe(0);
  expect(service.log).toContain('RELEASE_CHANGED');
  expect(existsSync(join(service.folder, 'run/control.sock'))).toBe(false);
});

test('an entry that is missing in the new release is refused before the takeover, and put back', async () => {
  await using service = await watched('revert = true');
  const name = service.releases.make('answers');
  rmSync(join(service.releases.path(name), 'server.js'));
  service.releases.pointTo(name);
  await eventually(
    () => service.history().at(-1),
    (entry) => entry?.code === 'SUCCESSOR_REFUSED',
    { deadlineMs: 30_000, what: () => `it is refused; log:\n${service.log}` },
  );
  expect(current(service)).toBe('r1');
  await service.expectNoLeftovers();
  expect(service.history()).toHaveLength(2);
});
