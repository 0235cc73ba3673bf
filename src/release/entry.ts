/**
 * The file of an entry, found as `node` finds its main: the path itself, with an extension, or a directory's main or
 * index. More extensions than Node tries are tried, since what is handed to Node is the complete path.
 */
import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageField } from '../config/package-json.js';
import { BatondError } from '../errors.js';

const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'];

/** Its real path. Throws ENTRY_NOT_FOUND with the entry as it was `written`. */
export function resolveEntry(path: string, written: string): string {
  const file = findFile(path) ?? findInDirectory(path);
  if (file === null) throw new BatondError('ENTRY_NOT_FOUND', { entry: written });
  return realpathSync(file);
}

function findFile(path: string): string | null {
  return ['', ...EXTENSIONS].map((extension) => path + extension).find((file) => kindOf(file) === 'file') ?? null;
}

function findInDirectory(path: string): string | null {
  if (kindOf(path) !== 'directory') return null;
  const main = packageField(path, 'main');
  const found = main === null ? null : (findFile(join(path, main)) ?? findFile(join(path, main, 'index')));
  // As in Node, a main that is not there falls back to the index.
  return found ?? findFile(join(path, 'index'));
}

function kindOf(path: string): 'file' | 'directory' | null {
  try {
    const stat = statSync(path);
    return stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : null;
  } catch {
    return null;
  }
}
