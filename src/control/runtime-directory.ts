/**
 * The runtime directory, where sockets and locks are: whoever can write to it can put a socket of their own in place of
 * ours. Without XDG_RUNTIME_DIR it is below /tmp, where anybody could have made the folder of our name before us.
 */
import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { BatondError } from '../errors.js';
import { temporaryRoot } from './paths.js';

/** Throws DIRECTORY_UNSAFE, and NOT_WRITABLE where it cannot be made. */
export function makeRuntimeDirectory(path: string, uid: number = process.getuid?.() ?? 0): void {
  const root = temporaryRoot(uid);
  try {
    // Not recursive: that would be content with whatever is there.
    if (isBelow(path, root) && lstatSync(root, { throwIfNoEntry: false }) === undefined) {
      mkdirSync(root, { mode: 0o700 });
    }
    refuseForeign(path, uid);
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    if (error instanceof BatondError) throw error;
    throw new BatondError('NOT_WRITABLE', { path, reason: (error as Error).message }, error);
  }
  const problem = problemOf(path, uid);
  if (problem !== null) throw new BatondError('DIRECTORY_UNSAFE', { path, reason: problem });
}

/** A folder below /tmp that is not ours alone is neither served from nor asked. Throws DIRECTORY_UNSAFE. */
export function refuseForeign(path: string, uid: number = process.getuid?.() ?? 0): void {
  const root = temporaryRoot(uid);
  const reason = isBelow(path, root) ? foreignness(root, uid) : null;
  if (reason !== null) throw new BatondError('DIRECTORY_UNSAFE', { path: root, reason });
}

/** The same as an answer, for who looks in several places. */
export function isForeign(path: string, uid: number = process.getuid?.() ?? 0): boolean {
  const root = temporaryRoot(uid);
  return isBelow(path, root) && foreignness(root, uid) !== null;
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}

/** Null where it is ours alone, or not there. */
function foreignness(root: string, uid: number): string | null {
  const found = lstatSync(root, { throwIfNoEntry: false });
  if (found === undefined) return null;
  const mode = found.mode & 0o777;
  if (!found.isDirectory()) return 'it is no directory';
  if (found.uid !== uid) return `it belongs to uid ${found.uid}, not to uid ${uid}`;
  return mode === 0o700 ? null : `its mode is ${mode.toString(8)} and must be 700`;
}

/** systemd, or whoever set RUNTIME_DIRECTORY, may let a group write there, but never everybody. */
function problemOf(path: string, uid: number): string | null {
  const { uid: owner, mode } = statSync(path);
  if (owner !== uid && owner !== 0) return `it belongs to uid ${owner}, neither to uid ${uid} nor to root`;
  return (mode & 0o002) === 0 ? null : 'everybody may write to it';
}
