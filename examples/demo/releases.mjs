// Release folders as a deploy makes them: each release in a folder of its own, and a symlink `current` to the one that
// shall serve, moved by rename. A running service is never written into.

import { cpSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const shop = join(import.meta.dirname, '../shop');
const nodeModules = join(import.meta.dirname, '../../node_modules');

/** @param {string} folder where the releases go */
export function makeReleases(folder) {
  mkdirSync(folder, { recursive: true });
  // The dependencies of all of them, where Node looks for what a release does not hold itself.
  symlinkSync(nodeModules, join(folder, 'node_modules'));
  const current = join(folder, 'current');
  return {
    folder,
    current,
    /** @param {{ version: string, offer: string, broken?: boolean }} release */
    deploy({ version, offer, broken = false }) {
      const target = join(folder, version);
      cpSync(shop, target, { recursive: true });
      const description = JSON.parse(readFileSync(join(shop, 'package.json'), 'utf8'));
      writeFileSync(join(target, 'package.json'), JSON.stringify({ ...description, version, offer }, null, 2));
      if (broken) forgetFile(target);
      symlinkSync(version, `${current}.next`);
      renameSync(`${current}.next`, current);
    },
  };
}

/** The mistake of many a deploy: a new file that nobody added. */
function forgetFile(target) {
  const entry = join(target, 'server.js');
  writeFileSync(entry, `import './prices.js';\n${readFileSync(entry, 'utf8')}`);
}
