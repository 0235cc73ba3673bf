/** A memory cgroup of its own for a service under the host, made by hand, where this machine and this user can. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './wait.js';

/** What starts a program inside the group: it is in it from before its first instruction on. */
const ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"';

export class MemoryGroupFolder implements AsyncDisposable {
  readonly #folder: string;
  readonly #files: { readonly usage: string; readonly limit: string };

  private constructor(folder: string, isFirst: boolean) {
    this.#folder = folder;
    this.#files = isFirst
      ? { usage: 'memory.usage_in_bytes', limit: 'memory.limit_in_bytes' }
      : { usage: 'memory.current', limit: 'memory.max' };
  }

  /** Throws, with why, where there can be none. Version 1 below our own group; version 2 where memory is delegated. */
  static make(): MemoryGroupFolder {
    const groups = readFileSync('/proc/self/cgroup', 'utf8');
    const first = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/m.exec(groups)?.[1];
    const second = /^0::(\/.*)$/m.exec(groups)?.[1] ?? '/';
    const parent = first === undefined ? join('/sys/fs/cgroup', second) : join('/sys/fs/cgroup/memory', first);
    const folder = join(parent, `batond-test-${process.pid}`);
    mkdirSync(folder);
    const group = new MemoryGroupFolder(folder, first !== undefined);
    try {
      group.#read(group.#files.usage);
      writeFileSync(join(folder, group.#files.limit), first === undefined ? 'max' : '-1');
      return group;
    } catch (error) {
      rmdirSync(folder);
      throw error;
    }
  }

  get through(): readonly string[] {
    return ['sh', '-c', ENTER, this.#folder];
  }

  /** Leaves what runs in it so many bytes more than it has now; returns the limit. */
  leave(bytes: number): number {
    const limit = this.#read(this.#files.usage) + bytes;
    writeFileSync(join(this.#folder, this.#files.limit), String(limit));
    return limit;
  }

  #read(name: string): number {
    return Number(readFileSync(join(this.#folder, name), 'utf8'));
  }

  /** It can be removed when the last process in it has been reaped. */
  async [Symbol.asyncDispose](): Promise<void> {
    await eventually(
      () => {
        try {
          rmdirSync(this.#folder);
          return null;
        } catch (error) {
          return (error as NodeJS.ErrnoException).code;
        }
      },
      (failure) => failure === null,
      { what: () => `${this.#folder} is removed` },
    );
  }
}

/** Null where there can be one; else why not. */
export function whyNoMemoryGroup(): string | null {
  try {
    void MemoryGroupFolder.make()[Symbol.asyncDispose]();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
