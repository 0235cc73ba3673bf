// A real systemd to try things in, by hand (as root, on any Linux with systemd installed):
//
//   node test/support/lab/lab.mjs up [--name NAME] [--root DIR|trixie] [--bind DIR]... [--json]
//   node test/support/lab/lab.mjs exec NAME|PID [--user USER] -- COMMAND...
//   node test/support/lab/lab.mjs down NAME|PID | --all
//   node test/support/lab/lab.mjs list [--json]
//   node test/support/lab/lab.mjs root trixie        makes the folder for --root trixie, once (debootstrap)
//
// This file only reads the command line and prints. It must never do what the functions for tests cannot do.

import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { commandInLab } from './command.mjs';
import { debianRoot, makeDebianRoot } from './debian-root.mjs';
import { findRecord, isAlive, readRecords } from './places.mjs';
import { runToEnd } from './run-to-end.mjs';
import { startStayingLab } from './start-lab.mjs';
import { sweepDeadLabs } from './sweep.mjs';
import { takeDown } from './take-down.mjs';
import { startUserManager } from './user-manager.mjs';

const usage = 64;
const commands = { up, exec, down, list, root };

const [command, ...rest] = process.argv.slice(2);
try {
  const run = commands[/** @type {keyof typeof commands} */ (command)];
  if (run === undefined)
    throw Object.assign(new Error('usage: lab.mjs up|exec|down|list|root ...'), { exitStatus: usage });
  await run(rest);
} catch (error) {
  const { message, code, exitStatus } = /** @type {Error & { code?: string, exitStatus?: number }} */ (error);
  console.error(message);
  process.exitCode = exitStatus ?? (code?.startsWith('ERR_PARSE_ARGS') ? usage : 1);
}

/** @param {string[]} args */
async function up(args) {
  const { values } = parseArgs({
    args,
    options: {
      name: { type: 'string' },
      root: { type: 'string' },
      bind: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
    },
  });
  const record = await startStayingLab({
    binds: values.bind,
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(values.root === undefined ? {} : { root: debianRoot(values.root) }),
  });
  if (values.json) console.log(JSON.stringify(record));
  else {
    console.log(
      `lab ${record.name} is up: systemd is process ${record.init?.pid}, files are shared in ${record.share}`,
    );
    console.log(`  node ${process.argv[1]} exec ${record.name} -- systemctl status`);
  }
}

/** @param {string[]} args */
async function exec(args) {
  const split = args.indexOf('--');
  const { values, positionals } = parseArgs({
    args: split < 0 ? args : args.slice(0, split),
    options: { user: { type: 'string' } },
    allowPositionals: true,
  });
  const inside = split < 0 ? [] : args.slice(split + 1);
  if (inside.length === 0)
    throw Object.assign(new Error('usage: lab.mjs exec NAME|PID [--user USER] -- COMMAND...'), { exitStatus: usage });
  const record = known(positionals[0]);
  const env = process.env.TERM === undefined ? undefined : { TERM: process.env.TERM };
  const how =
    values.user === undefined
      ? { env }
      : { user: values.user, env: { ...env, ...(await userEnvironment(record, values.user)) } };
  const [file, ...rest] = commandInLab(record, inside, how);
  const child = spawn(file, rest, { stdio: 'inherit' });
  // An interrupt from the terminal goes to the command as well; how it ends is what counts.
  process.on('SIGINT', () => {});
  process.exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status) => resolve(status ?? 1));
  });
}

/** @param {string[]} args */
async function down(args) {
  const { values, positionals } = parseArgs({
    args,
    options: { all: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  await sweepDeadLabs();
  const records = values.all ? readRecords().filter(({ stays }) => stays) : positionals.map(known);
  for (const record of records) await takeDown(record);
}

/** @param {string[]} args */
async function list(args) {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
  const labs = readRecords().map((record) => ({ ...record, alive: isAlive(record.keeper) }));
  if (values.json) console.log(JSON.stringify(labs));
  else
    for (const { name, init, root, share, stays, alive } of labs) {
      console.log(
        [
          name,
          alive ? `pid ${init?.pid ?? '(starting)'}` : 'dead',
          `root ${root}`,
          `share ${share}`,
          stays ? 'by hand' : 'of a test',
        ].join('  '),
      );
    }
}

/** @param {string[]} args */
async function root(args) {
  console.log(await makeDebianRoot(args[0] ?? 'trixie'));
}

/** @param {import('./places.mjs').LabRecord} record @param {string} user */
function userEnvironment(record, user) {
  return startUserManager((inside, how = {}) => {
    const [file, ...rest] = commandInLab(record, inside);
    return runToEnd(inside, spawn(file, rest, { stdio: ['pipe', 'pipe', 'pipe'] }), how);
  }, user);
}

/** @param {string | undefined} nameOrPid */
function known(nameOrPid) {
  const record = nameOrPid === undefined ? undefined : findRecord(nameOrPid);
  if (record === undefined) throw new Error(`there is no lab ${nameOrPid ?? '(no name given)'} (see: lab.mjs list)`);
  return record;
}
