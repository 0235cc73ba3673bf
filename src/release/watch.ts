/**
 * Watches the symlink of the release through its folder, since a symlink that is replaced by rename is another file: an
 * inotify watch on itself would stay with the old one. An event only makes it look; what it sees decides. It also looks
 * now and then without an event, because inotify(7) loses some when its queue is full and knows nothing of NFS.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Log } from '../log.js';
import { readTarget, type Target } from './current.js';

export interface ReleaseWatchOptions {
  /** Absolute. */
  readonly current: string;
  readonly debounceMs: number;
  readonly recheckMs: number;
  readonly log: Log;
  /** The identity of the target that was tried last; null where none was. */
  readonly tried: () => string | null;
  /** The symlink has another target. Where it cannot be tried now, `look` is called when it may be. */
  readonly changed: (target: Target) => void;
}

export class ReleaseWatch {
  readonly #options: ReleaseWatchOptions;
  readonly #name: string;
  #watcher: FSWatcher | null = null;
  #watched: bigint | null = null;
  #settling: NodeJS.Timeout | null = null;
  readonly #timer: NodeJS.Timeout;
  #complained = false;

  constructor(options: ReleaseWatchOptions) {
    this.#options = options;
    this.#name = basename(options.current);
    this.#timer = setInterval(() => this.#recheck(), options.recheckMs);
    this.#timer.unref();
    // What happened before there was a watch is seen by this first look.
    this.#recheck();
  }

  /** Looks at once; called too when what kept a target waiting is over. */
  look(): void {
    const target = readTarget(this.#options.current);
    if (target === null || target.identity === this.#options.tried()) return;
    this.#options.changed(target);
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#settling !== null) clearTimeout(this.#settling);
    this.#watcher?.close();
    this.#watcher = null;
  }

  #recheck(): void {
    this.#arm();
    if (this.#settling === null) this.#settle();
  }

  /** A folder that was replaced is another one: its watch would be silent for ever. */
  #arm(): void {
    const folder = dirname(this.#options.current);
    try {
      const { ino } = statSync(folder, { bigint: true });
      if (this.#watcher !== null && this.#watched === ino) return;
      this.#watcher?.close();
      this.#watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || name === this.#name) this.#settle();
      });
      this.#watcher.on('error', (error) => this.#complain(error));
      this.#watched = ino;
    } catch (error) {
      this.#complain(error as Error);
    }
  }

  #complain(error: Error): void {
    this.#watcher?.close();
    this.#watcher = null;
    if (this.#complained) return;
    this.#complained = true;
    const { current, recheckMs, log } = this.#options;
    log.warn(
      { event: 'watch-failed', err: error },
      `${current} cannot be watched (${error.message}): it is looked at every ${recheckMs / 1_000} s`,
    );
  }

  #settle(): void {
    if (this.#settling !== null) clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#settling = null;
      this.look();
    }, this.#options.debounceMs);
    this.#settling.unref();
  }
}
