/** Each way of listening, run bare and as a worker, gated and open: what the app sees is the same. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { APPS, NODE, runAsWorker, runBare } from './fake-supervisor.ts';

const APP = 'listens-in-every-way.mjs';

/** Root could create a socket anywhere; run as root, the app of this test is somebody else. */
const NOBODY = process.getuid?.() === 0 ? 65_534 : undefined;

let directory: string;
let port: number;
let blocker: net.Server | null = null;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'batond-listen-'));
  port = await freePort();
});

afterEach(() => {
  blocker?.close();
  blocker = null;
  rmSync(directory, { recursive: true, force: true });
});

/** The same directory for both runs, since its name is in what they print, and nothing left in it. */
function emptyDirectory(): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { mode: 0o755 });
  mkdirSync(join(directory, 'closed'), { mode: 0o555 });
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0);
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const WAYS = JSON.parse(execFileSync(NODE, [join(APPS, APP)], { encoding: 'utf8' })) as string[];

describe.each(WAYS)('%s', (way) => {
  test.each([
    ['gated', false],
    ['open', true],
  ])('%s', async (_state, opens) => {
    if (way === 'port that another process has') blocker = net.createServer().listen(port, '127.0.0.1');
    const lacksPermission = way === 'path without permission';
    const uid = lacksPermission ? NOBODY : undefined;
    const args = [way, String(port), directory];
    emptyDirectory();
    const bare = await runBare(APP, args, uid);
    emptyDirectory();
    const worker = await runAsWorker(APP, {
      args,
      opens,
      ...(uid !== undefined && { uid }),
      // A real supervisor runs as the app does; this one may be root.
      ...(lacksPermission && { refuses: 'EACCES' }),
    });
    expect(worker.output).toEqual(bare.output);
    expect(worker.code, worker.errors).toBe(bare.code);
    expect(bare.output.length).toBeGreaterThan(0);
  });
});
