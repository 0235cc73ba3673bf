/**
 * Evidence on disk, a folder each in the state directory: evidence/<date>-g<generation>/ of failed candidates, and those of
 * crash-files.ts. Few are kept, and no more bytes than there may be; the oldest go first, by the number of the generation, since dates jump.
 *
 * A folder is called .partial until all that it will have is in it. One that is found so belongs to a supervisor that
 * died in the middle, and is removed. Heap and environment have the app's secrets: nobody but the owner may look.
 */
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const KEPT_FOLDERS = 5;

const PARTIAL = '.partial';
/** Of a crash the slot and the pid follow. */
const NAME = /^\d{8}T\d{6}Z-g(\d{1,15})(?:s\d{1,4}-\d{1,10})?(\.partial)?$/;

/** The disk is not only ours: the records of the service itself need some of it. */
const SPARED_BYTES = 64 * 2 ** 20;

export interface EvidenceFile {
  readonly name: string;
  readonly bytes: number;
}

export interface EvidencePlace {
  /** In the state directory. */
  readonly folder: string;
  /** How many folders there may be in it. */
  readonly kept: number;
  /** What the file system of a path has for us. */
  readonly freeBytes?: (path: string) => number;
}

export class EvidenceFiles {
  readonly #root: string;
  readonly #kept: number;
  readonly #maxBytes: number;
  readonly #freeBytes: (path: string) => number;

  constructor(
    stateDirectory: string,
    maxBytes: number,
    { folder, kept, freeBytes = freeBytesOf }: EvidencePlace = { folder: 'evidence', kept: KEPT_FOLDERS },
  ) {
    this.#root = join(stateDirectory, folder);
    this.#kept = kept;
    this.#maxBytes = maxBytes;
    this.#freeBytes = freeBytes;
  }

  /** Where a folder is when it is complete. */
  pathOf(name: string): string {
    return join(this.#root, name);
  }

  /** Where a file is made. */
  pathFor(name: string, file: string): string {
    return join(this.#root, name + PARTIAL, file);
  }

  /** Removes what a supervisor that died had not completed. Throws what the disk throws. */
  sweep(): void {
    for (const { folder } of this.#folders().filter(({ partial }) => partial)) this.#remove(folder);
  }

  /** Throws what the disk throws. */
  begin(name: string): void {
    for (const { folder } of this.#complete().slice(0, 1 - this.#kept)) this.#remove(folder);
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    mkdirSync(join(this.#root, name + PARTIAL), { mode: 0o700 });
  }

  /** What may still be written into it, older folders being removed for it. */
  leftBytes(name: string): number {
    const older = sum(this.#complete().map(({ folder }) => this.#bytesOf(folder)));
    const free = this.#freeBytes(this.#root) + older - SPARED_BYTES;
    return Math.max(0, Math.min(this.#maxBytes - this.#bytesOf(name + PARTIAL), free));
  }

  /** Removes older folders until there are so many bytes for it. */
  makeRoom(name: string, bytes: number): void {
    const older = this.#complete();
    const own = this.#bytesOf(name + PARTIAL);
    let all = own + sum(older.map(({ folder }) => this.#bytesOf(folder)));
    for (const { folder } of older) {
      const scarce = this.#freeBytes(this.#root) - SPARED_BYTES < bytes;
      if (all + bytes <= this.#maxBytes && !scarce) return;
      all -= this.#bytesOf(folder);
      this.#remove(folder);
    }
  }

  write(name: string, file: string, value: unknown): void {
    writeFileSync(this.pathFor(name, file), `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  }

  remove(name: string, file: string): void {
    rmSync(this.pathFor(name, file), { force: true });
  }

  /** The files that are in it; what nobody has answered for is removed, a part that is still being written. */
  complete(name: string, answered: ReadonlySet<string>): EvidenceFile[] {
    const partial = join(this.#root, name + PARTIAL);
    const files: EvidenceFile[] = [];
    for (const file of readdirSync(partial).sort()) {
      const path = join(partial, file);
      if (!answered.has(file)) rmSync(path, { force: true });
      else {
        chmodSync(path, 0o600);
        files.push({ name: file, bytes: statSync(path).size });
      }
    }
    renameSync(partial, this.pathOf(name));
    return files;
  }

  /** Oldest first. */
  #complete(): { readonly folder: string }[] {
    return this.#folders().filter(({ partial }) => !partial);
  }

  #folders(): { readonly folder: string; readonly generation: number; readonly partial: boolean }[] {
    let names: string[];
    try {
      names = readdirSync(this.#root);
    } catch {
      return [];
    }
    return names
      .flatMap((folder) => {
        const [, generation, partial] = NAME.exec(folder) ?? [];
        return generation === undefined
          ? []
          : [{ folder, generation: Number(generation), partial: partial !== undefined }];
      })
      .sort((a, b) => a.generation - b.generation || (a.folder < b.folder ? -1 : 1));
  }

  #bytesOf(folder: string): number {
    try {
      return sum(readdirSync(join(this.#root, folder)).map((file) => statSync(join(this.#root, folder, file)).size));
    } catch {
      return 0; // Somebody has just removed it.
    }
  }

  #remove(folder: string): void {
    rmSync(join(this.#root, folder), { recursive: true, force: true });
  }
}

/** "20260101T120000Z-g7". */
export function evidenceName(at: Date, generation: number): string {
  return `${at.toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '')}-g${generation}`;
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);

function freeBytesOf(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
