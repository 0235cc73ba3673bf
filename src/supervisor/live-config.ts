/**
 * Keeps the configuration in use as its file says: what applies live is put into force as one when nothing is under way,
 * the rest is named until a reload brings it. A file that is refused changes nothing and is reported until it is mended.
 *
 * Loaded when something serves. There is no timer while nothing happens to the file.
 */
import type { Config } from '../config/config.js';
import { FileWatch, LOOK_EVERY_MS } from '../config/file-watch.js';
import { inForce, type Pending } from '../config/in-force.js';
import { BatondError } from '../errors.js';
import type { Situation } from './situation.js';

export interface LiveConfigHost {
  /** Whether no start, reload or stop is under way, which keeps the configuration with which it began. */
  idle(): boolean;
  /** The configuration in use is another one, by these keys. */
  applied(changed: readonly string[]): void;
  announce(): void;
}

/** What a file can be mended of. A release that a start could not use is tried again by a reload alone. */
const OF_THE_FILE: ReadonlySet<string> = new Set(['CONFIG_INVALID', 'CONFIG_UNREADABLE']);

export class LiveConfig {
  readonly #situation: Situation;
  readonly #host: LiveConfigHost;
  #watch: FileWatch | null = null;
  #watched: string | null = null;
  #closed = false;

  constructor(situation: Situation, host: LiveConfigHost) {
    this.#situation = situation;
    this.#host = host;
  }

  /** Watches the file from here on, and looks at what has become of it until now. */
  watch(): void {
    const { file } = this.#situation.config;
    if (this.#closed || file === null) return;
    if (this.#watched !== file) {
      this.#watch?.close();
      this.#watched = file;
      this.#watch = new FileWatch(file, {
        changed: () => this.reread('watch'),
        failed: (error) =>
          this.#situation.options.log.warn(
            { event: 'watch-failed', err: error },
            `${file} cannot be watched (${error.message}): it is looked at every ${LOOK_EVERY_MS / 1_000} s`,
          ),
      });
    }
    this.#watch?.settle();
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
  }

  /** What comes while something is under way is looked at when that is over. A signal is answered in the log. */
  reread(why: 'watch' | 'signal'): void {
    if (this.#closed || !this.#host.idle()) return;
    let next: Config;
    try {
      next = this.#situation.options.readConfig();
    } catch (error) {
      if (!(error instanceof BatondError)) throw error;
      this.#refuse(error, why);
      return;
    }
    this.#take(next, why);
    // It may not have been there before.
    if (this.#watched === null) this.watch();
  }

  #refuse({ code, message }: BatondError, why: 'watch' | 'signal'): void {
    const { configProblem: before, configAt: configOf, options } = this.#situation;
    this.#situation.configProblem = { code, message, configOf };
    if (before?.message === message && why === 'watch') return;
    options.log.error({ event: 'config-refused', code }, `${message}: the configuration stays as it is`);
    this.#host.announce();
  }

  #take(next: Config, why: 'watch' | 'signal'): void {
    const situation = this.#situation;
    const { config, changed, pending } = inForce(situation.config, next);
    const mended = situation.configProblem !== null && OF_THE_FILE.has(situation.configProblem.code);
    const isNew = changed.length > 0 || mended || !isSame(pending, situation.configPending);
    if (mended) situation.configProblem = null;
    situation.configPending = pending;
    situation.configAt = Date.now();
    if (changed.length > 0 || config.file !== situation.config.file) situation.config = config;
    if (changed.length > 0) this.#host.applied(changed);
    if (!isNew && why === 'watch') return;
    const fields = { event: 'config-read', changed, pending: pending.map(({ key }) => key) };
    situation.options.log.info(fields, describe(changed, pending, mended));
    this.#host.announce();
  }
}

function describe(changed: readonly string[], pending: readonly Pending[], mended: boolean): string {
  const keys = (needs: Pending['needs']) => pending.filter((one) => one.needs === needs).map(({ key }) => key);
  const parts = [
    ...(mended ? ['it is in order again'] : []),
    ...(changed.length === 0 ? [] : [`in force at once: ${changed.join(', ')}`]),
    ...(keys('reload').length === 0 ? [] : [`with the next reload: ${keys('reload').join(', ')}`]),
    ...(keys('restart').length === 0 ? [] : [`when the service is stopped and started: ${keys('restart').join(', ')}`]),
  ];
  return `the configuration was read: ${parts.length === 0 ? 'nothing in it has changed' : parts.join('; ')}`;
}

const isSame = (one: readonly Pending[], other: readonly Pending[]) => JSON.stringify(one) === JSON.stringify(other);
