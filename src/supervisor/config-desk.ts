/**
 * When the configuration is looked at while the service runs, and who is told of another one. What reads it is loaded
 * when something serves, since no start has to wait for it.
 */
import type { CurrentWatch } from './current-watch.js';
import type { Degrading } from './degrading.js';
import type { Doors } from './doors.js';
import type { Evidence } from './evidence.js';
import type { HealthKeeper } from './health-keeper.js';
import type { LiveConfig } from './live-config.js';
import type { Probes } from './probes.js';
import type { Scaler } from './scaler.js';
import type { Situation } from './situation.js';
import type { Verbosity } from './verbosity.js';
import type { Workforce } from './workforce.js';

export interface ConfigDeskHost {
  readonly admin: Doors;
  readonly currentWatch: () => CurrentWatch;
  readonly degrading: Degrading;
  readonly evidence: Evidence;
  readonly health: HealthKeeper;
  readonly probes: Probes;
  readonly scaler: Scaler;
  readonly verbosity: Verbosity;
  readonly workforce: () => Workforce;
  /** Whether nothing is under way that keeps the configuration with which it began. */
  idle(): boolean;
  settle(): void;
  announce(): void;
}

export class ConfigDesk {
  readonly #situation: Situation;
  readonly #host: ConfigDeskHost;
  #live: LiveConfig | null = null;

  constructor(situation: Situation, host: ConfigDeskHost) {
    this.#situation = situation;
    this.#host = host;
  }

  /** Because of SIGHUP: the file is read at once, and something is said of it. */
  async reread(): Promise<void> {
    (await this.#load())?.reread('signal');
  }

  /** Nothing is under way any more: what was changed meanwhile is looked at, and what will be from here on. */
  async watch(): Promise<void> {
    (await this.#load())?.watch();
  }

  /** For good: the service stops. */
  close(): void {
    this.#live?.close();
  }

  /** Null where nobody needs it any more. */
  async #load(): Promise<LiveConfig | null> {
    const { LiveConfig } = await import('./live-config.js');
    if (this.#situation.stopping) return null;
    this.#live ??= new LiveConfig(this.#situation, {
      idle: () => this.#host.idle(),
      applied: (changed) => this.#applied(changed),
      announce: () => this.#host.announce(),
    });
    return this.#live;
  }

  /** The configuration in use is another one: whoever does more with it than ask for it each time is told. */
  #applied(changed: readonly string[]): void {
    const { inventory, options, config } = this.#situation;
    const { admin, degrading, evidence, health, probes, scaler, verbosity } = this.#host;
    const [currentWatch, workforce] = [this.#host.currentWatch(), this.#host.workforce()];
    const has = (prefix: string) => changed.some((key) => key.startsWith(prefix));
    verbosity.apply();
    if (has('admin.')) admin.bindIfPossible();
    if (has('upgrade.on_failure') || has('evidence.')) evidence.reconfigure();
    if (has('degrade')) degrading.reconfigure();
    if (has('release.')) currentWatch.reconfigure();
    if (has('probe.')) {
      probes.reconfigure();
      // What had to prove itself before it accepts may not have to any more.
      for (const worker of inventory.incumbent?.mainWorkers ?? []) {
        if (worker.phase === 'ready') workforce.moved(worker);
      }
    }
    scaler.apply();
    health.update();
    options.reconfigured(inventory.incumbent?.release ?? null, config);
    this.#host.settle();
    // What waited for a window, or for room, may not have to any more.
    currentWatch.look();
  }
}
