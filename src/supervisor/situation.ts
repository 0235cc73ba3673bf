/**
 * What every part of a supervisor has before it: what it was started with, the inventory, and whether the service is to
 * end. What only one part needs is not here.
 */
import type { Config } from '../config/config.js';
import { inForce, type Pending } from '../config/in-force.js';
import type { Audit } from '../control/audit.js';
import type { ConfigProblem } from '../control/messages.js';
import type { Paths } from '../control/paths.js';
import { EXIT } from '../errors.js';
import type { EventFeed } from '../events/feed.js';
import { Inventory } from '../inventory/inventory.js';
import type { Log } from '../log.js';
import type { Target } from '../release/current.js';
import type { Release } from '../release/release.js';
import type { Notifier } from '../systemd/notify.js';
import type { SuccessorCommand } from './handover.js';
import type { WorkerLines } from './worker-lines.js';

export interface SupervisorOptions {
  readonly config: Config;
  /** Null only where a rollback is to be carried out, which brings another. */
  readonly release: Release | null;
  /** Where release.current led when the release was resolved; null where none is watched. */
  readonly target: Target | null;
  /** When the configuration was read, milliseconds since the epoch. */
  readonly configAt: number;
  /** Why config and release are not what stands in the configuration now. */
  readonly configProblem: ConfigProblem | null;
  /** What the status says beside what runs, each a sentence. */
  readonly remarks: readonly string[];
  /** A generation of this release has been committed with this configuration. */
  readonly committed: (release: Release, config: Config) => void;
  /** The configuration with which the release serves is another one. */
  readonly reconfigured: (release: Release | null, config: Config) => void;
  /** The configuration as it stands now. Throws what it is refused for. */
  readonly readConfig: () => Config;
  /** Something that was under way is over, or another supervisor is the main process. */
  readonly settled: () => void;
  readonly env: NodeJS.ProcessEnv;
  readonly paths: Paths;
  readonly log: Log;
  readonly audit: Audit;
  readonly notifier: Notifier;
  readonly events: Pick<EventFeed, 'begin' | 'end' | 'clear'>;
  readonly lines: WorkerLines;
  readonly successorCommand: () => SuccessorCommand;
}

export class Situation {
  readonly options: Omit<SupervisorOptions, 'config' | 'configAt' | 'configProblem'>;
  /**
   * In use, frozen, and replaced as one: who asks has what is in force, so nobody may keep a part of it for later. It
   * stays as it is while a start or a reload is under way.
   */
  config: Config;
  /** That of the generation that serves, while a reload under way has another. */
  servingConfig: Config | null = null;
  /** What the file says of it and a reload, or a restart, has yet to bring. */
  configPending: readonly Pending[] = [];
  /** Replaced once, by what was inherited. */
  inventory: Inventory;
  /** Nothing begins any more: everything drains and ends. */
  stopping = false;
  /** Of this process, when everything has ended. */
  exitStatus: number = EXIT.ok;
  /** Why the configuration in use is not the one that stands in its file. */
  configProblem: ConfigProblem | null;
  /** When the configuration in use was read, milliseconds since the epoch. */
  configAt: number;

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.config = options.config;
    this.configProblem = options.configProblem;
    this.configAt = options.configProblem?.configOf ?? options.configAt;
    this.inventory = new Inventory(options.config.name, options.paths.runtimeDirectory);
  }

  /** A generation serves that was begun with another configuration: what does not apply live stays as it has it. */
  goOnWith(serving: Config): void {
    const { config, pending } = inForce(serving, this.config);
    this.config = config;
    this.configPending = pending;
  }

  /** The reload has come to nothing with which the configuration in use came. */
  keepServing(): void {
    const { servingConfig } = this;
    this.servingConfig = null;
    if (servingConfig !== null) this.goOnWith(servingConfig);
  }
}
