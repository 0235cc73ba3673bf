/**
 * One host a service: a lock that the kernel releases when its holder dies, however it dies, flock(2). The file stays,
 * since a lock on a name that somebody removes protects nobody; who holds it is written into it.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BatondError } from '../errors.js';
import { native } from '../native.js';

const FILE = 'host.lock';

/** Held until this process ends. Throws ALREADY_RUNNING. */
export function lockService(name: string, runtimeDirectory: string): void {
  const path = join(runtimeDirectory, FILE);
  const fd = openSync(path, 'a', 0o644);
  if (!native().lockFile(fd)) {
    closeSync(fd);
    throw new BatondError('ALREADY_RUNNING', { name, pid: readPid(path) ?? 'unknown' });
  }
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
}

/** The host of a service that runs, by its runtime directory; null where it has none, as under systemd. */
export function hostOf(runtimeDirectory: string): number | null {
  const path = join(runtimeDirectory, FILE);
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    return native().lockFile(fd) ? null : readPid(path);
  } finally {
    closeSync(fd);
  }
}

/** What a file that holds one pid says. */
export function readPid(path: string): number | null {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || null;
  } catch {
    return null;
  }
}
