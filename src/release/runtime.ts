/**
 * The file that execve(2) gets, looked up as a shell does. It keeps the path by which it was found: an updated Node
 * behind the same symlink is what the next release is meant to run, and shims go by the name they are called by.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BatondError } from '../errors.js';

/** What systemd gives a service of its own accord, for an environment without PATH. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin';

export interface Lookup {
  /** What relative paths, also those in PATH, are relative to. */
  readonly directory: string;
  readonly path: string | undefined;
  /** Taken where PATH has no such program. */
  readonly fallback?: string | undefined;
}

/** Throws RUNTIME_NOT_FOUND, which says where it was looked for and what was in the way there. */
export function findProgram(name: string, { directory, path = DEFAULT_PATH, fallback }: Lookup): string {
  const folders = path.split(':').map((folder) => resolve(directory, folder));
  const candidates = name.includes('/')
    ? [resolve(directory, name)]
    : [...folders.map((folder) => resolve(folder, name)), ...(fallback === undefined ? [] : [fallback])];
  const looked: string[] = [];
  for (const [index, file] of candidates.entries()) {
    const obstacle = obstacleOf(file);
    if (obstacle === null) return file;
    const isMissing = obstacle === 'no such file' && !name.includes('/');
    looked.push(isMissing ? (folders[index] ?? file) : `${file} (${obstacle})`);
  }
  throw new BatondError('RUNTIME_NOT_FOUND', { runtime: name, looked: [...new Set(looked)].join(', ') });
}

function obstacleOf(file: string): string | null {
  try {
    if (!statSync(file).isFile()) return 'not a file';
    accessSync(file, constants.X_OK);
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'no such file';
    return code === 'EACCES' ? 'not executable' : `${code}`;
  }
}
