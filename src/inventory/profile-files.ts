/**
 * Profiles that somebody asked for, on disk: profiles/<date>-<worker>.cpuprofile or .heapsnapshot in the state directory.
 * Few are kept, and no more bytes than MAX_BYTES; the oldest go first.
 *
 * A file is called .partial until it is whole. A heap has the app's secrets: nobody but the owner may look.
 */
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const KEPT_PROFILES = 20;
export const MAX_PROFILE_BYTES = 2 ** 30;

const PARTIAL = '.partial';
const NAME = /^\d{8}T\d{9}Z-g\d{1,15}s\d{1,5}\.((startup\.)?cpuprofile|heapsnapshot)$/;

/** The disk is not only ours: the records of the service itself need some of it. */
const SPARED_BYTES = 64 * 2 ** 20;

export class ProfileFiles {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #freeBytes: (path: string) => number;
  /** Being written. */
  readonly #begun = new Set<string>();

  /** `freeBytes` is what the file system of a path has for us. */
  constructor(stateDirectory: string, maxBytes = MAX_PROFILE_BYTES, freeBytes = freeBytesOf) {
    this.#folder = join(stateDirectory, 'profiles');
    this.#maxBytes = maxBytes;
    this.#freeBytes = freeBytes;
  }

  /** Where a profile is when it is whole. */
  pathOf(name: string): string {
    return join(this.#folder, name);
  }

  /** The path of one of that name; null where it is none of ours, or not there. */
  find(name: string): string | null {
    return this.#whole().includes(name) ? this.pathOf(name) : null;
  }

  /** Where it is to be made. What a supervisor that died has left half is removed. Throws what the disk throws. */
  begin(name: string): string {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const file of readdirSync(this.#folder)) {
      if (file.endsWith(PARTIAL) && !this.#begun.has(file.slice(0, -PARTIAL.length))) this.#remove(file);
    }
    this.#begun.add(name);
    return this.pathOf(name) + PARTIAL;
  }

  /** What one more may have, older ones being removed for it. Throws what the disk throws. */
  leftBytes(): number {
    const older = this.#whole().reduce((all, name) => all + this.#bytesOf(name), 0);
    return Math.max(0, Math.min(this.#maxBytes, this.#freeBytes(this.#folder) + older - SPARED_BYTES));
  }

  /** Removes older ones until there are so many bytes for it. */
  makeRoom(bytes: number): void {
    const older = this.#whole();
    let all = older.reduce((sum, name) => sum + this.#bytesOf(name), 0);
    for (const [i, name] of older.entries()) {
      const isFew = older.length - i < KEPT_PROFILES;
      const scarce = this.#freeBytes(this.#folder) - SPARED_BYTES < bytes;
      if (isFew && all + bytes <= this.#maxBytes && !scarce) return;
      all -= this.#bytesOf(name);
      this.#remove(name);
    }
  }

  /** It is whole. Gives its bytes; throws what the disk throws, and where it is larger than it may be. */
  complete(name: string): number {
    this.#begun.delete(name);
    const partial = this.pathOf(name) + PARTIAL;
    chmodSync(partial, 0o600);
    const { size } = statSync(partial);
    if (size > this.#maxBytes) {
      this.#remove(name + PARTIAL);
      throw new Error(`it had ${size} bytes, and ${this.#maxBytes} are kept`);
    }
    renameSync(partial, this.pathOf(name));
    this.makeRoom(0);
    return size;
  }

  /** There is none, or half of one. */
  discard(name: string): void {
    this.#begun.delete(name);
    this.#remove(name + PARTIAL);
  }

  /** The oldest first, as their names say. */
  #whole(): string[] {
    try {
      return readdirSync(this.#folder)
        .filter((name) => NAME.test(name))
        .sort();
    } catch {
      return [];
    }
  }

  #bytesOf(name: string): number {
    try {
      return statSync(this.pathOf(name)).size;
    } catch {
      return 0; // Somebody has just removed it.
    }
  }

  #remove(file: string): void {
    rmSync(join(this.#folder, file), { force: true });
  }
}

/** "20260101T120000000Z-g7s0.cpuprofile". */
export function profileName(at: Date, worker: string, ending: string): string {
  return `${at.toISOString().replaceAll(/[-:.]/g, '')}-${worker}.${ending}`;
}

function freeBytesOf(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
