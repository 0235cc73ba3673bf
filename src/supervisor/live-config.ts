/** The configuration as it stands in its file now, beside the one that is in use. */
import type { Config } from '../config/config.js';
import { BatondError } from '../errors.js';
import type { Situation } from './situation.js';

export interface LiveConfigHost {
  /** Throws what the file, or a flag, is refused for. */
  read(): Config;
  announce(): void;
}

export class LiveConfig {
  readonly #situation: Situation;
  readonly #host: LiveConfigHost;

  constructor(situation: Situation, host: LiveConfigHost) {
    this.#situation = situation;
    this.#host = host;
  }

  /** A file that is refused changes nothing. */
  reread(): void {
    const { log } = this.#situation.options;
    try {
      this.#host.read();
      this.#situation.configProblem = null;
      log.info({ event: 'config-read' }, 'the configuration is in order: the next reload goes by it');
    } catch (error) {
      if (!(error instanceof BatondError)) throw error;
      const { code, message } = error;
      this.#situation.configProblem = { code, message, configOf: this.#situation.configAt };
      log.error({ event: 'config-refused', code }, `${message}: the configuration stays as it was`);
    }
    this.#host.announce();
  }
}
