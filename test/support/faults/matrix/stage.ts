/** A service on which one case after the other is played, with a supervisor whose descriptors have been counted. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../service/batond.js';
import { HostedService } from '../../service/hosted.js';
import { descriptorCount } from '../../service/processes.js';
import { eventually } from '../../service/wait.js';
import type { Scenario } from './scenarios.js';

/** Short enough for hundreds of cases, long enough for a process to start on a busy machine. */
const CONFIG = [
  '[upgrade]',
  'takeover_timeout = "4s"',
  'ready_timeout = "4s"',
  'drain_timeout = "4s"',
  'probe = "/healthz"',
  '[stop]',
  'kill_timeout = "1s"',
].join('\n');

/** So small a share that what a candidate has in hand when it falls is hardly ever of the load. */
const CANARY = `canary = [${Array(3).fill('{ weight = 0.001, for = "1s" }').join(', ')}]`;

/** More than the faults themselves take of a supervisor's time. */
export const WATCHDOG_MS = 6_000;

export class Stage implements AsyncDisposable {
  readonly service: HostedService;
  /** What a supervisor that has nothing to do has open. */
  descriptors: number;
  readonly #config: string;

  private constructor(service: HostedService, descriptors: number) {
    this.service = service;
    this.descriptors = descriptors;
    this.#config = readFileSync(join(service.folder, 'batond.toml'), 'utf8');
  }

  static async set(): Promise<Stage> {
    // A Node that was stopped for longer than its keep-alive time ends idle connections before it reads what has come
    // on them, under batond or not.
    const env = { WATCHDOG_USEC: String(WATCHDOG_MS * 1_000), KEEP_ALIVE_MS: '60000', BATOND: ROOT };
    const service = await HostedService.start({ faults: true, toml: CONFIG, env });
    try {
      // A successor has other descriptors than the first supervisor of all.
      const { status, stderr } = await service.reload();
      if (status !== 0) throw new Error(`the first reload failed: ${stderr}`);
      const { supervisor } = await service.untilDrained();
      return new Stage(service, descriptorCount(supervisor.pid));
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Lets serve what the scenario begins with. */
  async begin({ from }: Scenario): Promise<void> {
    if (from === undefined) return;
    this.service.deploy(from);
    const { status, stderr } = await this.service.reload();
    if (status !== 0) throw new Error(`the reload to ${from} failed: ${stderr}`);
    await this.service.untilDrained();
  }

  /** Deploys what the scenario reloads to; returns the name of its release. */
  prepare({ app = 'answers', config }: Scenario): string {
    if (config === 'broken') this.service.writeConfig('name = "shop"\nworkers = = 2\n');
    if (config === 'renamed') this.service.writeConfig(this.#config.replace('"shop"', '"store"'));
    if (config === 'canary') {
      this.service.writeConfig(this.#config.replace('[upgrade]', `[upgrade]\n${CANARY}`));
      // The listener has a second socket from its first canary on.
      this.descriptors++;
    }
    if (config === 'soak') this.service.writeConfig(this.#config.replace('[upgrade]', '[upgrade]\nsoak = "1s"'));
    return this.service.deploy(app);
  }

  /** Makes the config whole again. */
  restore(): void {
    this.service.writeConfig(this.#config);
  }

  /** The supervisor has no more open than one that has done nothing. */
  async untilNothingIsHeld(pid: number): Promise<void> {
    await eventually(
      () => descriptorCount(pid),
      (count) => count <= this.descriptors,
      { what: () => `the supervisor has no more than ${this.descriptors} descriptors open` },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]();
  }
}

/** Stages that are free; one that has seen a supervisor die is not used again, since the host starts the next ones later. */
export class Stages implements AsyncDisposable {
  readonly #free: Stage[] = [];

  async take(): Promise<Stage> {
    return this.#free.pop() ?? (await Stage.set());
  }

  give(stage: Stage): void {
    this.#free.push(stage);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stage of this.#free.splice(0)) await stage[Symbol.asyncDispose]();
  }
}
