// Where labs keep what they need on the machine, and how one lab's record is read and written.
//
//   /var/lib/batond-lab/NAME/lab.json   the record      .../fs     mount point (empty seen from the machine)
//                            share/     the share       .../log    what init and systemd said before the journal
//
// Not below /run (often noexec) nor /tmp and /var/tmp (PrivateTmp= hides them): services run their files from the share.
// A process is named by pid and start time, never by the pid alone: it must never be possible to signal a stranger.

import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export const labsDir = '/var/lib/batond-lab';
export const rootsDir = '/var/cache/batond-lab';

/** @typedef {{ pid: number, startTime: string }} ProcessId */
/**
 * @typedef {object} LabRecord
 * @property {string} name
 * @property {string} dir its folder below /var/lib/batond-lab
 * @property {ProcessId} keeper the process that owns the lab and takes it down
 * @property {ProcessId | null} init systemd, as the machine sees it; null while the lab is starting
 * @property {string} cgroup folder of the lab's own cgroup on the machine
 * @property {string} share folder that both sides write, at the same path
 * @property {string} root lower folder of the overlay
 * @property {boolean} stays true when it was started by hand and outlives its starter
 */

/** @param {number} pid @returns {ProcessId | null} null when there is no such process, or it is a zombie */
export function processId(pid) {
  try {
    // proc_pid_stat(5): the name may hold spaces and brackets, so fields are counted from its closing bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : { pid, startTime: fields[19] ?? '' };
  } catch {
    return null;
  }
}

/** @param {ProcessId | null} id */
export function isAlive(id) {
  return id !== null && processId(id.pid)?.startTime === id.startTime;
}

/** @param {LabRecord} record */
export function writeRecord(record) {
  const draft = join(record.dir, 'lab.json.new');
  writeFileSync(draft, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(draft, join(record.dir, 'lab.json'));
}

/**
 * A new lab's folder appears under its name in one rename, with the record in it. The cgroup carries the pid of its
 * keeper: sweeping what a failed start left can never hit a running lab of the same name.
 * @param {{ name: string, root: string, stays: boolean, cgroup: string }} lab
 * @returns {LabRecord}
 */
export function claimName({ name, root, stays, cgroup }) {
  const keeper = processId(process.pid);
  if (keeper === null) throw new Error('/proc does not show this process');
  const dir = join(labsDir, name);
  mkdirSync(labsDir, { recursive: true });
  const draft = mkdtempSync(join(labsDir, '.new-'));
  chmodSync(draft, 0o755);
  mkdirSync(join(draft, 'fs'));
  mkdirSync(join(draft, 'share'));
  const record = { name, dir, keeper, init: null, cgroup, share: join(dir, 'share'), root, stays };
  writeRecord({ ...record, dir: draft });
  try {
    renameSync(draft, dir);
  } catch (cause) {
    rmSync(draft, { recursive: true });
    throw new Error(`there is a lab named ${name} already (see: lab.mjs list)`, { cause });
  }
  return record;
}

/** All labs of this machine, running or left over. @returns {LabRecord[]} */
export function readRecords() {
  /** @type {LabRecord[]} */
  const records = [];
  for (const entry of listDir(labsDir)) {
    try {
      const dir = join(labsDir, entry);
      records.push({ ...JSON.parse(readFileSync(join(dir, 'lab.json'), 'utf8')), dir });
    } catch {
      // Being made, or removed by somebody else, at this very moment.
    }
  }
  return records;
}

/** @param {string} nameOrPid name of the lab, or the pid of its systemd */
export function findRecord(nameOrPid) {
  return readRecords().find((record) => record.name === nameOrPid || String(record.init?.pid) === nameOrPid);
}

/** @param {string} dir */
function listDir(dir) {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
