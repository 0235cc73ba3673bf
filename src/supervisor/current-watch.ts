/**
 * The watch of release.current, as far as the supervisor has to do with it: only the main process watches, what watches
 * is loaded when nothing waits for it, and a target is tried once. One that may not be tried yet is not tried.
 */
import type { Mirror } from '../inventory/mirror.js';
import type { Target } from '../release/current.js';
import { rootOf } from '../release/release.js';
import type { ReleaseWatch } from '../release/watch.js';
import type { Admitter } from './admitter.js';
import type { Attempts } from './attempts.js';
import type { Reloads } from './reloads.js';
import type { Situation } from './situation.js';

export interface CurrentWatchHost {
  readonly admitter: Admitter;
  readonly attempts: Attempts;
  readonly mirror: Mirror;
  readonly reloads: Reloads;
}

export class CurrentWatch {
  readonly #situation: Situation;
  readonly #host: CurrentWatchHost;
  #watch: ReleaseWatch | null = null;

  constructor(situation: Situation, host: CurrentWatchHost) {
    this.#situation = situation;
    this.#host = host;
  }

  async begin(): Promise<void> {
    if (this.#situation.config.release.current === null) return;
    const { ReleaseWatch } = await import('../release/watch.js');
    if (this.#situation.stopping) return;
    const { log } = this.#situation.options;
    const { current, debounceMs, recheckMs } = this.#situation.config.release;
    if (current === null) return;
    this.#watch?.close();
    const tried = () => this.#host.attempts.tried;
    const changed = (target: Target) => this.#changed(current, target);
    this.#watch = new ReleaseWatch({ current, debounceMs, recheckMs, log, tried, changed });
  }

  /** As the configuration now says. */
  reconfigure(): void {
    if (this.#watch !== null) void this.begin();
  }

  /** At what may have been switched while nothing could be begun. */
  look(): void {
    this.#watch?.look();
  }

  close(): void {
    this.#host.admitter.forget();
    this.#watch?.close();
  }

  #changed(current: string, target: Target): void {
    const { admitter, attempts, mirror, reloads } = this.#host;
    const { inventory, options, stopping } = this.#situation;
    const serving = inventory.incumbent?.release;
    if (reloads.busy || stopping || serving === undefined) return;
    const moved = rootOf(serving) !== target.root;
    if (moved && !admitter.admits(target, () => this.look())) return;
    admitter.forget();
    attempts.isTried(target);
    mirror.touch();
    if (!moved) return;
    options.log.info({ event: 'current-moved', root: target.root }, `${current} points to ${target.root}`);
    reloads.watched();
  }
}
