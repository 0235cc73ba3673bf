/** Who is asked for a profile. What makes one is loaded for the first that is wanted. */
import type { ProfileFiles } from '../inventory/profile-files.js';
import type { Worker } from '../inventory/worker.js';
import type { Profiling } from './profiling.js';
import type { Situation } from './situation.js';

export interface ProfileDeskHost {
  /** The worker is held back from its end no more. */
  release(worker: Worker): void;
  settle(): void;
  /** Whether a reload or the like is under way. */
  busy(): boolean;
}

export class ProfileDesk {
  readonly #situation: Situation;
  readonly #host: ProfileDeskHost;
  #profiling: Profiling | null = null;

  constructor(situation: Situation, host: ProfileDeskHost) {
    this.#situation = situation;
    this.#host = host;
  }

  /** What makes them; null as long as nobody has asked for any. */
  get profiling(): Profiling | null {
    return this.#profiling;
  }

  /** Throws PROFILE_REFUSED and PROFILE_BUSY; see `Profiling.begin`. */
  async begin(...asked: Parameters<Profiling['begin']>): Promise<void> {
    const { Profiling } = await import('./profiling.js');
    const files = await this.#files();
    const [situation, host] = [this.#situation, this.#host];
    this.#profiling ??= new Profiling({
      get inventory() {
        return situation.inventory;
      },
      files,
      log: situation.options.log,
      release: (worker) => host.release(worker),
      startup: async (slot) => {
        const { StartupProfile } = await import('./startup-profile.js');
        const busy = host.busy() || situation.stopping;
        return new StartupProfile({ situation, files, settle: () => host.settle(), busy }, slot);
      },
    });
    await this.#profiling.begin(...asked);
  }

  /** Where the profile of that name is; null where there is none. */
  async path(name: string): Promise<string | null> {
    return (await this.#files()).find(name);
  }

  async #files(): Promise<ProfileFiles> {
    const { ProfileFiles } = await import('../inventory/profile-files.js');
    return new ProfileFiles(this.#situation.options.paths.stateDirectory);
  }
}
