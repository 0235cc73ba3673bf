/**
 * A reload follows the path of a runtime, not the file that it was: whoever moves the symlink from one Node to the next
 * gets the next one, below the workers and below the supervisor itself. TEST_NODE_NEXT is that next one; without it a
 * copy of this Node stands in, which is another file of the same version.
 */

import { execFileSync } from 'node:child_process';
import {
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, type TestContext, test } from 'vitest';
import { expectNothingLost } from '../support/service/expectations.js';

const folder = mkdtempSync(join(tmpdir(), 'batond-runtimes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const first = realpathSync(process.env.TEST_NODE ?? process.execPath);
const next = nextNode();
const link = join(folder, 'node');
// The harness starts the host by this path, so it has to stand before the harness is loaded.
pointTo(first);
process.env.TEST_NODE = link;
const { HostedService } = await import('../support/service/hosted.js');

const MODES = {
  fresh: { perSecond: 100 },
  keepAlive: [
    { connections: 8, gapMs: [25, 75] as const },
    { connections: 8, gapMs: [2_900, 3_100] as const },
  ],
};

/** Its release is the version of Node that runs it, so that the load tells which Node answered. */
const TELLS_ITS_VERSION = `require('node:http')
  .createServer((_request, response) => response.end(JSON.stringify({ release: process.version, pid: process.pid })))
  .listen(Number(process.env.PORT));\n`;

const versionOf = (node: string) => execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
const runs = (pid: number) => readlinkSync(`/proc/${pid}/exe`);

test('a reload replaces the Node of the workers, and of the supervisor with it', async (context: TestContext) => {
  await using service = await HostedService.start();
  writeFileSync(join(service.folder, 'srv/r1/server.js'), TELLS_ITS_VERSION);
  expect((await service.reload()).status, service.log).toBe(0);
  const before = await service.untilDrained();
  expect(runs(before.supervisor.pid)).toBe(first);

  const load = await service.load({ modes: MODES });
  pointTo(next);
  const { status, stderr } = await service.reload();
  expect(status, stderr + service.log).toBe(0);
  const after = await service.untilDrained();
  expect(runs(after.supervisor.pid)).toBe(next);
  for (const { pid } of after.generations[0]!.workers) expect(runs(pid)).toBe(next);
  // The host is who it was: only it must live as long as the service.
  expect(runs(service.hostPid)).toBe(first);

  const result = await load.stop();
  Object.assign(context.task.meta, { load: result, versions: [versionOf(first), versionOf(next)] });
  expectNothingLost(result, service.log);
  expect(new Set(result.releases.map(({ release }) => release))).toEqual(new Set([versionOf(first), versionOf(next)]));
  await service.expectNoLeftovers();
});

test('a reload replaces the Node of the workers alone', async (context: TestContext) => {
  pointTo(first);
  const runtime = join(folder, 'runtime/node');
  mkdirSync(join(folder, 'runtime'));
  symlinkSync(first, runtime);
  await using service = await HostedService.start();
  writeFileSync(join(service.folder, 'srv/r1/server.js'), TELLS_ITS_VERSION);
  service.writeConfig(
    `name = "shop"\nentry = "server.js"\nruntime = "${runtime}"\ndirectory = "${service.releases.current}"\nworkers = 2\n`,
  );
  expect((await service.reload()).status, service.log).toBe(0);
  await service.untilDrained();

  const load = await service.load({ modes: MODES });
  symlinkSync(next, `${runtime}.next`);
  renameSync(`${runtime}.next`, runtime);
  const { status, stderr } = await service.reload();
  expect(status, stderr + service.log).toBe(0);
  const after = await service.untilDrained();
  expect(runs(after.supervisor.pid)).toBe(first);
  for (const { pid } of after.generations[0]!.workers) expect(runs(pid)).toBe(next);

  const result = await load.stop();
  Object.assign(context.task.meta, { load: result, versions: [versionOf(first), versionOf(next)] });
  expectNothingLost(result, service.log);
  expect(new Set(result.releases.map(({ release }) => release))).toEqual(new Set([versionOf(first), versionOf(next)]));
  await service.expectNoLeftovers();
});

function nextNode(): string {
  if (process.env.TEST_NODE_NEXT !== undefined) return realpathSync(process.env.TEST_NODE_NEXT);
  const copy = join(folder, 'copy-of-node');
  copyFileSync(first, copy, constants.COPYFILE_FICLONE);
  return copy;
}

/** Moves the symlink by rename, as an update does. */
function pointTo(node: string): void {
  symlinkSync(node, `${link}.next`);
  renameSync(`${link}.next`, link);
}
