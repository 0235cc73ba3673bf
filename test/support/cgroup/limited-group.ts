/** A control group of its own for a service under test, with real limits of the kernel; cgroups of either version. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../service/wait.js';

const TOP = '/sys/fs/cgroup';
type Controller = 'memory' | 'pids' | 'cpu';

export class LimitedGroup implements AsyncDisposable {
  readonly #name: string;
  readonly #version: 1 | 2;
  readonly #controllers: readonly Controller[];

  private constructor(name: string, version: 1 | 2, controllers: readonly Controller[]) {
    this.#name = name;
    this.#version = version;
    this.#controllers = controllers;
  }

  /** Why this machine cannot make one; null where it can. */
  static lacks(...controllers: readonly Controller[]): string | null {
    try {
      new LimitedGroup(`batond-try-${process.pid}`, versionOf(controllers), controllers).#make().#remove();
      return null;
    } catch (error) {
      return `no control group with ${controllers.join(' and ')} can be made here: ${(error as Error).message}`;
    }
  }

  static create(...controllers: readonly Controller[]): LimitedGroup {
    const name = `batond-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
    return new LimitedGroup(name, versionOf(controllers), controllers).#make();
  }

  get name(): string {
    return this.#name;
  }

  get version(): 1 | 2 {
    return this.#version;
  }

  /** What starts a program within it, as `HostedOptions.through`. */
  get through(): string[] {
    const enter = this.#folders.map((folder) => `echo $$ > ${join(folder, 'cgroup.procs')}`);
    return ['sh', '-c', `${enter.join(' && ')} && exec "$@"`, 'sh'];
  }

  get memoryBytes(): number {
    const file = this.#version === 1 ? 'memory.usage_in_bytes' : 'memory.current';
    return Number(readFileSync(join(this.#folder('memory'), file), 'utf8'));
  }

  get tasks(): number {
    return Number(readFileSync(join(this.#folder('pids'), 'pids.current'), 'utf8'));
  }

  /** Null takes the limit away. */
  limitMemory(bytes: number | null): void {
    const [file, none] = this.#version === 1 ? ['memory.limit_in_bytes', '-1'] : ['memory.max', 'max'];
    writeFileSync(join(this.#folder('memory'), file!), bytes === null ? none! : `${bytes}`);
  }

  limitTasks(count: number | null): void {
    writeFileSync(join(this.#folder('pids'), 'pids.max'), count === null ? 'max' : `${count}`);
  }

  /** So many hundredths of one core. */
  limitCpu(percent: number | null): void {
    const folder = this.#folder('cpu');
    const quota = percent === null ? null : percent * 1_000;
    if (this.#version === 2) writeFileSync(join(folder, 'cpu.max'), `${quota ?? 'max'} 100000`);
    else writeFileSync(join(folder, 'cpu.cfs_quota_us'), `${quota ?? -1}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The last of its processes may not have been reaped yet.
    await eventually(
      () => {
        try {
          this.#remove();
          return true;
        } catch {
          return false;
        }
      },
      (removed) => removed,
      { what: () => `the control group ${this.#name} is empty` },
    );
  }

  get #folders(): string[] {
    return [...new Set(this.#controllers.map((one) => this.#folder(one)))];
  }

  #folder(controller: Controller): string {
    return join(TOP, this.#version === 1 ? controller : '', this.#name);
  }

  #make(): this {
    if (this.#version === 2)
      writeFileSync(join(TOP, 'cgroup.subtree_control'), this.#controllers.map((one) => `+${one}`).join(' '));
    for (const folder of this.#folders) mkdirSync(folder);
    return this;
  }

  #remove(): void {
    for (const folder of this.#folders) if (existsSync(folder)) rmdirSync(folder);
  }
}

/** A hierarchy of version 1 has a folder for each controller. */
function versionOf(controllers: readonly Controller[]): 1 | 2 {
  return existsSync(join(TOP, controllers[0]!, 'cgroup.procs')) ? 1 : 2;
}
