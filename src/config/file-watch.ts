/**
 * Says that a file may have changed, however it is replaced: written in place, renamed over as editors do, by a symlink
 * anywhere on its path that is pointed elsewhere (`..data` of Kubernetes), with its folder gone and there again.
 *
 * inotify(7) watches files and folders, not paths. So what is watched is each folder on the way in which something could
 * be put in place of the next step: those that hold a symlink, the last one, and where the path ends too early the nearest
 * that is there. An event only makes it look again where the path leads now; `changed` then has to read and compare.
 *
 * Needs nothing but Node, keeps no process alive, and has a timer only while something settles, or cannot be watched.
 */
import { type FSWatcher, lstatSync, readlinkSync, statSync, watch } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';

/** The file must have been left alone for so long, since most are not written in one step... */
const SETTLE_MS = 100;
/** ...but who writes all the time is not waited for. */
const SETTLE_AT_MOST_MS = 1_000;
/** How often it is looked at where it cannot be watched. */
export const LOOK_EVERY_MS = 30_000;
/** As the kernel follows symlinks, path_resolution(7). */
const MAX_LINKS = 40;

export interface FileWatchHost {
  /** Time to read it. */
  changed(): void;
  /** It cannot be watched, or not all of its path: it is looked at every 30 s until it can. Said once. */
  failed(error: Error): void;
}

interface Watched {
  readonly watcher: FSWatcher;
  readonly inode: bigint;
  names: ReadonlySet<string>;
}

export class FileWatch {
  readonly #path: string;
  readonly #host: FileWatchHost;
  readonly #folders = new Map<string, Watched>();
  #timer: NodeJS.Timeout | null = null;
  #latestAt = 0;
  #looking: NodeJS.Timeout | null = null;
  #complained = false;
  #closed = false;

  /** `path` is absolute, symlinks as they are written. */
  constructor(path: string, host: FileWatchHost) {
    this.#path = path;
    this.#host = host;
    this.#arm();
  }

  /** As if something had happened. */
  settle(): void {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#timer === null) this.#latestAt = now + SETTLE_AT_MOST_MS;
    else clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#arm();
        this.#host.changed();
      },
      Math.max(0, Math.min(SETTLE_MS, this.#latestAt - now)),
    );
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#looking !== null) clearInterval(this.#looking);
    for (const { watcher } of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  /** What is put in place while it is being armed would not be heard of: so it looks until nothing is new. */
  #arm(): void {
    let failure: Error | null = null;
    for (let round = 0; round < 3; round++) {
      const wanted = foldersOn(this.#path);
      let isNew = false;
      for (const [folder, { watcher, inode }] of this.#folders) {
        if (wanted.has(folder) && inodeOf(folder) === inode) continue;
        watcher.close();
        this.#folders.delete(folder);
      }
      for (const [folder, names] of wanted) {
        const known = this.#folders.get(folder);
        if (known !== undefined) known.names = names;
        else {
          const error = this.#watch(folder, names);
          failure ??= error;
          isNew ||= error === null;
        }
      }
      if (!isNew) break;
    }
    this.#lookSometimes(failure);
  }

  #watch(folder: string, names: ReadonlySet<string>): Error | null {
    try {
      const inode = statSync(folder, { bigint: true }).ino;
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        const known = this.#folders.get(folder);
        if (known?.watcher !== watcher) return;
        // A folder that goes, or is renamed, says so by its own name.
        if (name === null || known.names.has(name) || name === basename(folder)) this.#heard();
      });
      watcher.on('error', () => {
        if (this.#folders.get(folder)?.watcher !== watcher) return;
        watcher.close();
        this.#folders.delete(folder);
        this.settle();
      });
      this.#folders.set(folder, { watcher, inode, names });
      return null;
    } catch (error) {
      // One that has just gone is none to be watched: whoever looks next finds another.
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : (error as Error);
    }
  }

  #heard(): void {
    this.#arm();
    this.settle();
  }

  #lookSometimes(failure: Error | null): void {
    if (failure === null) {
      if (this.#looking !== null) clearInterval(this.#looking);
      this.#looking = null;
      return;
    }
    this.#looking ??= setInterval(() => this.settle(), LOOK_EVERY_MS).unref();
    if (this.#complained) return;
    this.#complained = true;
    this.#host.failed(failure);
  }
}

/** The real folders in which a step of the path could be replaced, and the names of those steps. */
function foldersOn(path: string): Map<string, Set<string>> {
  const folders = new Map<string, Set<string>>();
  const add = (folder: string, name: string) => folders.set(folder, (folders.get(folder) ?? new Set()).add(name));
  let real = '/';
  const steps = stepsOf(path);
  for (let links = 0, step = steps.shift(); step !== undefined; step = steps.shift()) {
    if (step === '..') {
      real = join(real, '..');
      continue;
    }
    const here = join(real, step);
    let target: string | null = null;
    try {
      const found = lstatSync(here);
      if (found.isSymbolicLink()) target = readlinkSync(here);
    } catch {
      // Not there, or not to be looked at: whatever comes there comes into this folder.
      add(real, step);
      return folders;
    }
    if (target !== null) {
      add(real, step);
      if (++links > MAX_LINKS) return folders;
      if (isAbsolute(target)) real = '/';
      steps.unshift(...stepsOf(target));
    } else if (steps.length === 0) add(real, step);
    else real = here;
  }
  return folders;
}

const stepsOf = (path: string): string[] => path.split('/').filter((step) => step !== '' && step !== '.');

function inodeOf(folder: string): bigint | null {
  try {
    return statSync(folder, { bigint: true }).ino;
  } catch {
    return null;
  }
}
