/** All that is in a folder, as it is on disk: what a seal is made of, and what it is compared with. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isWithout, SEAL_FILE, SIGNATURE_FILE } from './seal-format.js';

export interface TreeEntry {
  /** Relative to the root. */
  readonly path: string;
  /** 'other': a socket, a pipe or a device, which no release is made of. */
  readonly kind: 'file' | 'link' | 'other';
}

/** In the order of the file system. Folders are not told: an empty one runs nothing. Throws what readdir(3) does. */
export function* treeEntries(root: string, without: readonly string[]): Generator<TreeEntry> {
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (path === SEAL_FILE || path === SIGNATURE_FILE || isWithout(path, without)) continue;
      if (entry.isDirectory()) folders.push(path);
      else yield { path, kind: entry.isFile() ? 'file' : entry.isSymbolicLink() ? 'link' : 'other' };
    }
  }
}
