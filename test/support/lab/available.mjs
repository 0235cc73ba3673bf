// Says whether this machine can run a lab, and if not why, so that a skipped test can tell its reason.
// It must never leave a trace, and never say yes because of a guess: it does a small one of each thing.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { cgroup2Mount } from './cgroup.mjs';

/** @typedef {{ ok: true } | { ok: false, why: string }} Availability */

const systemd = '/lib/systemd/systemd';
const smallLab =
  'd=/run; mount -t tmpfs lab "$d" && mkdir "$d/u" "$d/w" "$d/r" && mount -t overlay -o "lowerdir=/,upperdir=$d/u,workdir=$d/w" lab "$d/r"';

/** @returns {Availability} */
export function labAvailable() {
  const why = whyNot();
  return why === null ? { ok: true } : { ok: false, why };
}

/** @returns {string | null} */
function whyNot() {
  if (process.platform !== 'linux') return `it needs Linux, this is ${process.platform}`;
  if (process.geteuid?.() !== 0) return 'it needs root';
  if (!existsSync(systemd)) return `there is no ${systemd}`;
  const missing = ['unshare', 'nsenter', 'setpriv', 'mount', 'umount', 'pivot_root', 'hostname'].filter(
    (tool) => !inPath(tool),
  );
  if (missing.length > 0) return `these tools are missing: ${missing.join(', ')}`;
  return whyNoCgroup() ?? whyNoNamespaces();
}

function whyNoCgroup() {
  const mount = cgroup2Mount();
  if (mount === null) return 'cgroup2 is not mounted';
  const probe = join(mount, `batond-lab-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return null;
  } catch (error) {
    return `a cgroup cannot be made: ${/** @type {Error} */ (error).message}`;
  }
}

function whyNoNamespaces() {
  const args = ['--mount', '--pid', '--uts', '--ipc', '--cgroup', '--fork', '--kill-child', 'sh', '-c', smallLab];
  const { status, stderr, error } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? null : `namespaces and an overlay are refused: ${error?.message ?? stderr.trim()}`;
}

/** @param {string} tool */
function inPath(tool) {
  return (process.env.PATH ?? '').split(':').some((dir) => {
    try {
      accessSync(join(dir, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
