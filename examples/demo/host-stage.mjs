// The service where no systemd is: `batond run` in the foreground, as in a container or on a laptop. Everything it
// makes is in one temporary folder. It must never leave a process behind, whatever the demo ended of.

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { main, runToEnd } from './batond.mjs';
import { makeReleases } from './releases.mjs';

const stopMs = 10_000;

/** @param {number} port */
export function hostStage(port) {
  const folder = mkdtempSync(join(tmpdir(), 'batond-demo-'));
  const releases = makeReleases(join(folder, 'srv'));
  const env = {
    PATH: process.env.PATH,
    PORT: String(port),
    RUNTIME_DIRECTORY: join(folder, 'run'),
    STATE_DIRECTORY: join(folder, 'state'),
  };
  let log = '';
  /** @type {import('node:child_process').ChildProcess | null} */
  let host = null;
  let ended = Promise.resolve();

  return {
    how: '`batond run`, as in a container or on a laptop',
    reloadCommand: 'batond reload',
    folder: releases.folder,
    deploy: releases.deploy,
    log: () => log,

    async start() {
      const args = [main, 'run', 'server.js', '--name', 'shop', '--workers', '2', '--directory', releases.current];
      host = spawn(process.execPath, args, { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [host.stdout, host.stderr]) {
        stream?.setEncoding('utf8').on('data', (text) => {
          log += text;
        });
      }
      ended = new Promise((resolve) => host?.once('close', resolve));
    },

    /** @param {(step: string) => void} onStep */
    async reload(onStep) {
      const child = spawn(process.execPath, [main, 'reload', '--name', 'shop', '--json'], { env, cwd: folder });
      let verdict = null;
      let complaint = '';
      child.stderr.setEncoding('utf8').on('data', (text) => {
        complaint += text;
      });
      createInterface({ input: child.stdout }).on('line', (text) => {
        const line = JSON.parse(text);
        if (line.event === 'verdict') verdict = line;
        else onStep(line.message);
      });
      const status = await new Promise((resolve) => child.once('close', resolve));
      return { ok: status === 0, message: verdict?.message ?? complaint, generation: verdict?.generation ?? null };
    },

    async status() {
      const { stdout } = await runToEnd([main, 'status', '--name', 'shop', '--json'], { env, cwd: folder });
      return JSON.parse(stdout);
    },

    /** What only a real systemd can tell. */
    facts: async () => '',

    async stop() {
      host?.kill('SIGTERM');
      const late = setTimeout(() => {
        for (const pid of processesNaming(folder)) kill(pid);
      }, stopMs);
      await ended;
      clearTimeout(late);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Every process of ours has the folder in its environment, and nobody else has. */
function processesNaming(folder) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder);
      } catch {
        return false;
      }
    })
    .map(Number);
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
