// Folders with another Debian to run a lab on, for a systemd that the machine does not have (trixie: 257). Each is made
// once with debootstrap, outside the repository. An unfinished folder must never be taken for a whole one.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rootsDir } from './places.mjs';

const packages = ['systemd', 'procps', 'python3-minimal', 'libstdc++6'];
const mirror = 'http://deb.debian.org/debian';

/** @param {string} nameOrDir the name of a suite that was made before, or any folder */
export function debianRoot(nameOrDir) {
  if (nameOrDir.includes('/')) return resolve(nameOrDir);
  const dir = join(rootsDir, nameOrDir);
  if (!existsSync(dir)) throw new Error(`${dir} does not exist; make it with: lab.mjs root ${nameOrDir}`);
  return dir;
}

/** @param {string} suite such as trixie @returns {Promise<string>} its folder */
export async function makeDebianRoot(suite) {
  if (!/^[a-z]+$/.test(suite)) throw new Error(`${JSON.stringify(suite)} is no name of a Debian suite`);
  const dir = join(rootsDir, suite);
  if (existsSync(dir)) return dir;
  const draft = `${dir}.part`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(rootsDir, { recursive: true });
  await debootstrap(['--variant=minbase', `--include=${packages.join(',')}`, suite, draft, mirror]);
  renameSync(draft, dir);
  return dir;
}

/** @param {string[]} args @returns {Promise<void>} */
function debootstrap(args) {
  return new Promise((settle, reject) => {
    const child = spawn('debootstrap', args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', (cause) =>
      reject(new Error('debootstrap cannot be started (apt-get install debootstrap)', { cause })),
    );
    child.once('exit', (status) =>
      status === 0 ? settle() : reject(new Error(`debootstrap ended with status ${status}`)),
    );
  });
}
