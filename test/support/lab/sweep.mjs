// Takes away what a dead lab left: its processes, its cgroup, its folder. The keeper does this for its own lab; when
// the keeper itself was killed, the next `up` does it. It must never touch a lab whose keeper is alive.

import { rmSync } from 'node:fs';
import { removeCgroup } from './cgroup.mjs';
import { isAlive, readRecords } from './places.mjs';

/** @returns {Promise<string[]>} names of the labs that were swept */
export async function sweepDeadLabs() {
  const dead = readRecords().filter((record) => !isAlive(record.keeper));
  for (const record of dead) await removeLab(record);
  return dead.map((record) => record.name);
}

/** @param {import('./places.mjs').LabRecord} record */
export async function removeLab(record) {
  if (record.init !== null && isAlive(record.init)) process.kill(record.init.pid, 'SIGKILL');
  await removeCgroup(record.cgroup);
  rmSync(record.dir, { recursive: true, force: true });
}
