// The process that owns one headless browser: it starts it in a folder of its own, and when its standard input ends,
// which is how it learns that its starter died, even by SIGKILL, it ends every process of the browser and removes the
// folder. The DevTools protocol goes past it: descriptors 3 and 4 are the browser's.
//
//   test ---stdin: open as long as it lives---> keeper ---kills, removes---> browser and its folder
//     |                                                                        ^
//     +---- 3: commands, 4: answers and events, each ended by a NUL -----------+
//
// All processes of the browser have the folder in their environment, by which they are found: some lead sessions of
// their own, so that no process group has all of them.

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BROWSER } from './available.mjs';

const folder = mkdtempSync(join(tmpdir(), 'batond-browser-'));
const quiet = [
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--disable-gpu',
  '--disable-crash-reporter',
  '--disable-breakpad',
];
const args = [
  '--headless',
  '--no-sandbox',
  ...quiet,
  '--remote-debugging-pipe',
  `--user-data-dir=${join(folder, 'user')}`,
];

const browser = spawn(BROWSER, args, {
  stdio: ['ignore', 'ignore', 'inherit', 3, 4],
  env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, XDG_RUNTIME_DIR: folder },
});
const browserEnded = new Promise((resolve) => {
  browser.once('exit', resolve);
  browser.once('error', (error) => {
    console.error(error.message);
    resolve(undefined);
  });
});
const starterEnded = new Promise((resolve) => process.stdin.on('end', resolve).on('error', resolve).resume());
// An interrupt is for the test, whose end is heard of.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

await Promise.race([browserEnded, starterEnded]);
/** Every process of the browser that was ever seen: one that is dying has no environment any more. */
const pids = new Set(processes());
// One that is being forked while the others are killed is seen the next time.
while ([...pids].some(isAlive)) {
  for (const pid of pids) kill(pid);
  await pause(10);
  for (const pid of processes()) pids.add(pid);
}
await browserEnded;
rmSync(folder, { recursive: true, force: true });
process.exit(0);

function processes() {
  return listed('/proc').filter((name) => /^\d+$/.test(name) && text(`/proc/${name}/environ`).includes(folder));
}

/** Whether one of its threads may still write into the folder: the first of them may be a zombie before the others. */
function isAlive(/** @type {string} */ pid) {
  return listed(`/proc/${pid}/task`).some((thread) => /\) [^ZX] /.test(text(`/proc/${pid}/task/${thread}/stat`)));
}

/** @param {string} path */
function listed(path) {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** @param {string} path */
function text(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** @param {string} pid */
function kill(pid) {
  try {
    process.kill(Number(pid), 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
