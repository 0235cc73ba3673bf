/**
 * The PID file of a host, for scripts: written by rename, so that a reader never sees half a number, and locked as long
 * as its writer lives, so that the file of a host that was killed stops nobody.
 */
import { closeSync, fstatSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { BatondError } from '../errors.js';
import { native } from '../native.js';
import { readPid } from './lock.js';

export class PidFile {
  readonly #path: string;
  readonly #fd: number;

  /** Throws ALREADY_RUNNING where a living host has written it, NOT_WRITABLE where it cannot be written. */
  constructor(path: string, name: string) {
    this.#path = path;
    refuseHeld(path, name);
    const next = `${path}.${process.pid}`;
    try {
      this.#fd = openSync(next, 'w', 0o644);
    } catch (error) {
      throw new BatondError('NOT_WRITABLE', { path, reason: (error as Error).message }, error);
    }
    native().lockFile(this.#fd);
    writeSync(this.#fd, `${process.pid}\n`);
    renameSync(next, path);
  }

  /** Another may have put its own there after somebody removed ours: only ours is removed. */
  remove(): void {
    const there = statSync(this.#path, { throwIfNoEntry: false });
    if (there?.ino === fstatSync(this.#fd).ino) rmSync(this.#path, { force: true });
    closeSync(this.#fd);
  }
}

function refuseHeld(path: string, name: string): void {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return;
  }
  try {
    if (!native().lockFile(fd)) throw new BatondError('ALREADY_RUNNING', { name, pid: readPid(path) ?? 'unknown' });
  } finally {
    closeSync(fd);
  }
}
