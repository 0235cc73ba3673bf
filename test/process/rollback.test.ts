/** Going back: by command, to the last good release or a certain one, and what the history says of it. */
import { cpSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { HistoryRow, ReloadOutcome } from '../../src/control/messages.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const MODES = { fresh: { perSecond: 50 }, keepAlive: { connections: 8, gapMs: [0, 50] as const } };
/** The symlink is known, and nobody looks at it. */
const KNOWN = '[release]\ncurrent = "srv/current"\nrecheck = "1h"\ndebounce = "1h"\n';

async function rollback(
  service: HostedService,
  ...args: string[]
): Promise<{ status: number; verdict: ReloadOutcome }> {
  const { status, stdout, stderr } = await service.batond('rollback', '--json', ...args);
  const last = stdout.trim().split('\n').at(-1)!;
  if (!last.startsWith('{')) throw new Error(`${stderr}\n${service.log}`);
  return { status, verdict: JSON.parse(last) };
}

async function history(service: HostedService): Promise<HistoryRow[]> {
  return JSON.parse((await service.batond('history', '--json')).stdout);
}

async function deploy(service: HostedService): Promise<void> {
  service.deploy('answers');
  expect((await service.reload()).status, service.log).toBe(0);
}

test('a rollback loses nothing, points the symlink back, and the release is not gone back to again', async () => {
  await using service = await HostedService.start({ toml: KNOWN });
  await deploy(service);
  await deploy(service);
  const load = await service.load({ modes: MODES });
  const { status, verdict } = await rollback(service);
  expect(status, service.log).toBe(0);
  expect(verdict).toMatchObject({ ok: true, generation: 4 });
  expect(verdict.message).toContain('generation 4 (r2@2.0.0) serves');
  expectNothingLost(await load.stop(), service.log);
  expect(readlinkSync(service.releases.current)).toBe('r2');

  // The next one goes on to r1: r3 was bad.
  expect((await rollback(service)).verdict.message).toContain('generation 5 (r1@1.0.0) serves');
  const none = await service.batond('rollback');
  expect(none).toMatchObject({ status: 1, stderr: expect.stringContaining('no other release has served') });
  expect(
    (await history(service)).map(({ generation, label, verdict: what, kind }) => [generation, label, what, kind]),
  ).toEqual([
    [1, 'r1@1.0.0', 'replaced', 'start'],
    [2, 'r2@2.0.0', 'replaced', 'reload'],
    [3, 'r3@3.0.0', 'rolledBack', 'reload'],
    [4, 'r2@2.0.0', 'rolledBack', 'rollback'],
    [5, 'r1@1.0.0', 'serving', 'rollback'],
  ]);
  await service.expectNoLeftovers();

  // A restart starts what was gone back to, and the numbers go on.
  await service.stop();
  service.run();
  await service.untilServing();
  expect((await service.status()).generations).toMatchObject([{ number: 6, release: 'r1@1.0.0' }]);
});

test('--to goes to the release of a generation, and says what is not possible', async () => {
  await using service = await HostedService.start({ toml: KNOWN });
  await deploy(service);
  service.deploy('exits-at-once');
  expect((await service.reload()).status).toBe(1);
  await deploy(service);
  const refused = async (to: string) => {
    const { status, stderr } = await service.batond('rollback', '--to', to);
    expect(status).toBe(1);
    return stderr;
  };
  expect(await refused('3')).toContain('generation 3 never served');
  expect(await refused('4')).toContain('generation 4 serves');
  expect(await refused('77')).toContain('generation 77 is not on record');
  expect((await service.batond('rollback', '--to', 'r1')).status).toBe(64);
  const { status, verdict } = await rollback(service, '--to', '1');
  expect(status).toBe(0);
  expect(verdict.message).toContain('generation 5 (r1@1.0.0) serves');
  expect(await refused('1')).toContain('generation 1 is of the release that serves');
  rmSync(service.releases.path('r2'), { recursive: true });
  expect(await refused('2')).toContain('of generation 2 is gone');
  const table = (await service.batond('history')).stdout;
  expect(table).toMatch(/^ +3 .*refused, CANDIDATE_EXITED +r3@3\.0\.0 /m);
  expect(table).toMatch(/^ +2 .*replaced .*\/r2 \(gone\)$/m);
  expect(table).toMatch(/^ +4 .*rolled back /m);
});

test('a rollback to what does not start any more leaves what serves, which stays good', async () => {
  await using service = await HostedService.start({ toml: KNOWN });
  await deploy(service);
  writeFileSync(join(service.releases.path('r1'), 'server.js'), 'throw new Error("rotten")');
  const { status, verdict } = await rollback(service);
  expect(status).toBe(1);
  expect(verdict).toMatchObject({ ok: false, code: 'CANDIDATE_EXITED', generation: 2 });
  expect(readlinkSync(service.releases.current)).toBe('r2');
  expect((await history(service)).at(-1)).toMatchObject({ kind: 'rollback', verdict: 'refused', label: 'r1@1.0.0' });
  await service.stop();
  service.run();
  await service.untilServing();
  expect((await service.status()).generations).toMatchObject([{ release: 'r2@2.0.0' }]);
});

test('a rollback needs nothing of what the symlink leads to', async () => {
  await using service = await HostedService.start({ toml: KNOWN });
  await deploy(service);
  rmSync(join(service.releases.path(service.deploy('answers')), 'server.js'));
  expect(await service.reload()).toMatchObject({ status: 1, verdict: { code: 'SUCCESSOR_REFUSED', generation: 2 } });
  const { status, verdict } = await rollback(service);
  expect(status, service.log).toBe(0);
  expect(verdict.message).toContain('generation 3 (r1@1.0.0) serves');
  expect(readlinkSync(service.releases.current)).toBe('r1');
});

test('a symlink that cannot be pointed back is said', async () => {
  await using service = await HostedService.start({ toml: KNOWN });
  await deploy(service);
  rmSync(service.releases.current);
  cpSync(service.releases.path('r2'), service.releases.current, { recursive: true });
  const { status, verdict } = await rollback(service);
  expect(status).toBe(0);
  expect(verdict.message).toContain('serves; but');
  expect(verdict.message).toContain('it is no symlink');
});

test('a release that is given up for its crashes is rolled back in the history, and the symlink is put back', async () => {
  await using service = await HostedService.start({ toml: `${KNOWN}revert = true` });
  service.deploy('dies-after-ready');
  await service.reload();
  await eventually(
    () => service.history(),
    (entries) => entries.at(-1)?.kind === 'regret',
    { deadlineMs: 20_000, what: () => `it is given up; log:\n${service.log}` },
  );
  expect(await history(service)).toMatchObject([
    { generation: 1, verdict: 'replaced' },
    { generation: 2, verdict: 'rolledBack' },
    { generation: 3, verdict: 'serving', kind: 'regret', code: 'GENERATION_LOST', label: 'r1@1.0.0' },
  ]);
  expect(readlinkSync(service.releases.current)).toBe('r1');
});
