/**
 * The file of a Unix socket. Whoever removes it makes the socket unreachable for good, and many apps do so before they
 * listen: so a second name of the same inode, link(2), is kept in a folder of our own, and puts the first one back.
 */
import { linkSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../native.js';
import { Descriptor } from './descriptor.js';

export interface SocketFile {
  readonly path: string;
  /** Device and inode when it was bound: no other file is ever removed. */
  readonly id: string;
  /** The second name; null where the folder is on another file system. */
  readonly keep: string | null;
}

/** Null for an abstract name, which has no file. */
export function keepFile(path: string, directory: string, name: string): SocketFile | null {
  const id = idOf(path);
  if (id === null) return null;
  const keep = join(directory, `${name}.socket`);
  try {
    rmSync(keep, { force: true });
    linkSync(path, keep);
    return { path, id, keep };
  } catch {
    // EXDEV, or the folder is not to be written: the file can then not be put back, as without us.
    return { path, id, keep: null };
  }
}

/** As it stands there, without a second name; null for an abstract name. */
export function fileAt(path: string): SocketFile | null {
  const id = idOf(path);
  return id === null ? null : { path, id, keep: null };
}

export function isInPlace(file: SocketFile): boolean {
  return idOf(file.path) === file.id;
}

/** Whether a socket of that path has a file at all: an abstract one has none, and one that was removed neither. */
export function isPlaced(path: string): boolean {
  if (path === '' || path.startsWith('\0')) return false;
  return statSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}

/** Puts a removed file back. Throws EADDRINUSE where another stands there now, or where nothing was kept. */
export function restoreFile(file: SocketFile): void {
  try {
    if (file.keep !== null) {
      linkSync(file.keep, file.path);
      return;
    }
  } catch {
    // Told below.
  }
  throw Object.assign(new Error(`the file of the socket ${file.path} is gone and cannot be put back`), {
    code: 'EADDRINUSE',
  });
}

export function removeFile(file: SocketFile): void {
  if (isInPlace(file)) unlinkSync(file.path);
  if (file.keep !== null) rmSync(file.keep, { force: true });
}

/** Removes what a crashed run left: it is a socket, and nobody listens behind it any more. False where it is in use. */
export function removeStale(path: string): boolean {
  using probe = new Descriptor(native().unixSocket('stream'));
  try {
    if (!statSync(path).isSocket()) return false;
    native().connectUnix(probe.fd, path);
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') return false;
    unlinkSync(path);
    return true;
  }
}

function idOf(path: string): string | null {
  if (path.startsWith('\0')) return null;
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.dev}:${stat.ino}`;
}
