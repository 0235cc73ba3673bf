// A lab for a test: a real systemd as PID 1 in namespaces of its own, gone when the test, or its process, is gone.
//
//   await using lab = await startLab();
//   await lab.exec(['systemctl', 'start', 'shop']);          throws with all output when the status is not 0
//
// Files for both sides go into `lab.share`, which has the same path inside and outside; the project folder and the
// node that runs this are visible inside, read-only. Everything else inside is a throw-away copy of the machine.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { labAvailable } from './available.mjs';
import { commandInLab } from './command.mjs';
import { runToEnd } from './run-to-end.mjs';
import { sweepDeadLabs } from './sweep.mjs';
import { startUserManager } from './user-manager.mjs';

export { labAvailable };

const projectDir = realpathSync(resolve(import.meta.dirname, '../../..'));
const bootDeadlineMs = 30_000;
const downDeadlineMs = 20_000;

/** @typedef {import('./places.mjs').LabRecord} LabRecord */
/**
 * @typedef {object} LabOptions
 * @property {string} [name] letters, digits and dashes; default: one that nobody has
 * @property {string} [root] lower folder of the overlay, such as a debootstrapped Debian; default: the machine itself
 * @property {string[]} [binds] more folders to show inside, read-only, at their own paths
 * @property {number} [deadlineMs] for the boot
 */

/** @param {LabOptions} [options] */
export async function startLab(options = {}) {
  const { keeper, record } = await startKeeper(options, { stays: false });
  const ended = new Promise((settle) => keeper.once('exit', settle));
  /** @param {readonly string[]} command @param {import('./command.mjs').CommandOptions} [how] */
  const start = (command, how) => spawnInLab(record, command, how);

  const lab = {
    name: record.name,
    share: record.share,
    /** Where the lab's cgroup tree is on the machine. */
    cgroup: record.cgroup,
    /** systemd, as the machine sees it. */
    pid: record.init?.pid ?? 0,
    /** Starts a command and leaves it to the caller; it is killed with its nsenter or with the lab. */
    spawn: start,
    /**
     * @param {readonly string[]} command
     * @param {import('./run-to-end.mjs').ExecOptions} [how]
     */
    exec: (command, how = {}) => runToEnd(command, start(command, how), how),
    /**
     * The same as an unprivileged user with a `systemctl --user` of their own; both are made when first asked for.
     * @param {readonly string[]} command
     * @param {import('./run-to-end.mjs').ExecOptions & { user?: string }} [how]
     */
    execUser: async (command, { user = 'visitor', ...how } = {}) => {
      const env = await startUserManager(lab.exec, user);
      return lab.exec(command, { ...how, user, env: { ...env, ...how.env } });
    },
    async down() {
      keeper.stdin?.end();
      const late = setTimeout(() => keeper.kill('SIGKILL'), downDeadlineMs);
      await ended;
      clearTimeout(late);
      if (keeper.signalCode !== null) throw new Error(`lab ${record.name} was not down after ${downDeadlineMs} ms`);
    },
    [Symbol.asyncDispose]: () => lab.down(),
  };
  return lab;
}

/** Starts a lab that stays when this process ends, until `takeDown`. @param {LabOptions} [options] */
export async function startStayingLab(options = {}) {
  const { keeper, record } = await startKeeper(options, { stays: true });
  keeper.stdout?.destroy();
  keeper.stderr?.destroy();
  keeper.unref();
  return record;
}

/** @param {LabRecord} record @param {readonly string[]} command @param {import('./command.mjs').CommandOptions} [how] */
function spawnInLab(record, command, how) {
  const [file, ...args] = commandInLab(record, command, how);
  return spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** @param {LabOptions} options @param {{ stays: boolean }} how */
async function startKeeper({ name = randomName(), root = '/', binds = [], deadlineMs = bootDeadlineMs }, { stays }) {
  if (!/^[a-z0-9][a-z0-9-]{0,39}$/i.test(name)) throw new Error(`a lab cannot be named ${JSON.stringify(name)}`);
  const available = labAvailable();
  if (!available.ok) throw new Error(`no lab on this machine: ${available.why}`);
  await sweepDeadLabs();
  const wishes = {
    name,
    root: realpathSync(root),
    binds: [projectDir, ...binds.map((path) => realpathSync(path))],
    stays,
    deadlineMs,
  };
  // A session of its own: an interrupt from the terminal reaches the starter, and the keeper only through its end.
  const keeper = spawn(process.execPath, [join(import.meta.dirname, 'keeper.mjs'), JSON.stringify(wishes)], {
    stdio: [stays ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: true,
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    cwd: '/',
  });
  let complaint = '';
  keeper.stderr?.setEncoding('utf8').on('data', (text) => {
    complaint += text;
  });
  return new Promise((resolveKeeper, reject) => {
    const lines = createInterface({ input: /** @type {import('node:stream').Readable} */ (keeper.stdout) });
    lines.once('line', (line) => {
      const answer = /** @type {{ record: LabRecord } | { error: string }} */ (JSON.parse(line));
      if ('error' in answer) reject(new Error(answer.error));
      else resolveKeeper({ keeper, record: answer.record });
    });
    keeper.once('error', reject);
    keeper.once('close', (status, signal) =>
      reject(new Error(`the lab's keeper ended (${signal ?? status})\n${complaint}`)),
    );
  });
}

function randomName() {
  return `t${randomBytes(4).toString('hex')}`;
}
