// A lab's own cgroup on the machine: made before systemd starts, so that all of its units live below it, and removed
// with everything in it. It must never touch a cgroup that it was not given by name.

import { readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Where cgroup2 is mounted: /sys/fs/cgroup, or its folder `unified` beside version 1. @returns {string | null} */
export function cgroup2Mount() {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [mount, source] = line.split(' - ');
    if (source?.startsWith('cgroup2 ')) return mount?.split(' ')[4] ?? null;
  }
  return null;
}

/** @param {string} name */
export function cgroupFor(name) {
  const mount = cgroup2Mount();
  if (mount === null) throw new Error('cgroup2 is not mounted on this machine');
  return join(mount, `batond-lab-${name}-${process.pid}`);
}

/**
 * Kills what is still in it and removes it. A cgroup can be removed as soon as only zombies are in it, and cgroups(7)
 * gives no event for a whole tree on every kernel, so this tries again until the deadline.
 * @param {string} cgroup
 */
export async function removeCgroup(cgroup, deadlineMs = 10_000) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    killMembers(cgroup);
    const failure = tryRemoveTree(cgroup);
    if (failure === null) return;
    if (Date.now() > end) throw new Error(`cgroup ${cgroup} is still there after ${deadlineMs} ms: ${failure}`);
    await pause(10);
  }
}

/** @param {string} cgroup */
function killMembers(cgroup) {
  try {
    // Since Linux 5.14 one write kills the tree. Older kernels rely on the death of the pid namespace's init.
    writeFileSync(join(cgroup, 'cgroup.kill'), '1', { flag: 'r+' });
  } catch {}
}

/** @param {string} cgroup @returns {string | null} why it could not be removed */
function tryRemoveTree(cgroup) {
  try {
    for (const entry of readdirSync(cgroup, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const failure = tryRemoveTree(join(cgroup, entry.name));
      if (failure !== null) return failure;
    }
    rmdirSync(cgroup);
    return null;
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    return code === 'ENOENT' ? null : message;
  }
}
