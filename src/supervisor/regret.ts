/**
 * A generation that cannot be kept: back to the last good release where there is one, else the service is lost. And one
 * of which nothing is left to run, which is the end of its service too.
 */
import { BatondError, EXIT } from '../errors.js';
import type { Generation } from '../inventory/generation.js';
import { monotonicMs } from '../process/monotonic.js';
import { readTarget } from '../release/current.js';
import { rootOf } from '../release/release.js';
import type { Attempts } from './attempts.js';
import type { Ending } from './ending.js';
import type { GoodReleases } from './good-releases.js';
import type { Reloads } from './reloads.js';
import type { Reporter } from './reporter.js';
import type { Situation } from './situation.js';

export interface RegretHost {
  readonly attempts: Attempts;
  readonly ending: Ending;
  readonly good: GoodReleases;
  readonly reloads: Reloads;
  readonly reporter: Reporter;
}

export class Regret {
  readonly #situation: Situation;
  readonly #host: RegretHost;
  readonly #regretted = new Set<number>();

  constructor(situation: Situation, host: RegretHost) {
    this.#situation = situation;
    this.#host = host;
  }

  /** False where there is nothing to go back to, or no time for it. */
  begin(generation: Generation, reason: string): boolean {
    const { attempts, good, reloads, reporter } = this.#host;
    const { config } = this.#situation;
    const { log } = this.#situation.options;
    if (this.#situation.stopping || reloads.busy) return false;
    if (this.#regretted.has(generation.number)) return false;
    const previous = good.before(generation.release);
    if (previous === null) return false;
    this.#regretted.add(generation.number);
    good.remove(generation.release);
    const cause = new BatondError('GENERATION_LOST', { generation: generation.number, reason });
    log.error(
      { event: 'regret', generation: generation.number, code: cause.code },
      `${cause.message}: going back to the last good release, ${previous.label}`,
    );
    reporter.begin('regret', generation.number);
    const { current } = config.release;
    const target = current === null ? null : readTarget(current);
    const isItsOwn = target?.root === rootOf(generation.release);
    attempts.roll(attempts.new('regret', previous, isItsOwn ? target : null), {
      release: previous,
      kind: 'regret',
      sinceMs: monotonicMs(),
      entered: (state, candidate) => reporter.entered(state, candidate),
      passing: (state, onTheWayBytes) => reporter.passing(state, onTheWayBytes),
      step: (step, message) => log.info({ event: 'step', step }, message),
      done: (outcome) => {
        const { code, exitStatus, message } = cause;
        reloads.done({ ...outcome, ok: false, code, exitStatus, message: `${message}; ${outcome.message}` });
      },
    });
    return true;
  }

  /** Nothing is left to try. */
  lost({ number: generation }: Generation, reason: string): void {
    this.#giveUp(new BatondError('GENERATION_LOST', { generation, reason }));
  }

  /** Every worker has ended, and none is started again: well, or for `reason`, which no start would change. */
  over({ number: generation }: Generation, reason: string | null): void {
    if (reason !== null) {
      this.#giveUp(new BatondError('GENERATION_KEPT', { generation, reason }));
      return;
    }
    const { log, notifier } = this.#situation.options;
    const { ending } = this.#host;
    log.info({ event: 'done', generation }, `generation ${generation} has done what it had to do`);
    notifier.status(`Done: every worker of generation ${generation} has ended well.`);
    ending.sayStopping();
    ending.endAllWith(EXIT.done);
  }

  #giveUp(cause: BatondError): void {
    const { log, notifier } = this.#situation.options;
    const { generation } = cause.facts;
    log.fatal({ event: 'lost', generation, code: cause.code }, cause.message);
    notifier.status(`${cause.message}.`);
    // Starting the same again would help nobody: the host is told that this end is meant.
    this.#host.ending.sayStopping();
    this.#host.ending.endAllWith(cause.exitStatus);
  }
}
