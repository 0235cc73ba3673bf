/** The first start of a service: a roll that replaces nothing. One that fails is tried with the last good release. */
import type { ReloadOutcome } from '../control/messages.js';
import { EXIT } from '../errors.js';
import type { Attempt } from '../inventory/attempt.js';
import type { Mirror } from '../inventory/mirror.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Release } from '../release/release.js';
import type { Attempts } from './attempts.js';
import type { Deployment } from './deployment.js';
import type { Ending } from './ending.js';
import type { GoodReleases } from './good-releases.js';
import type { History } from './history.js';
import type { Leftovers } from './leftovers.js';
import type { Situation } from './situation.js';

export interface FirstStartHost {
  readonly attempts: Attempts;
  readonly deployment: Deployment;
  readonly ending: Ending;
  readonly good: GoodReleases;
  readonly history: History;
  readonly leftovers: Leftovers;
  readonly mirror: Mirror;
  announce(): void;
  /** The service serves: what was switched to meanwhile is looked at. */
  over(): void;
}

export class FirstStart {
  readonly #situation: Situation;
  readonly #host: FirstStartHost;
  #fellBack = false;

  constructor(situation: Situation, host: FirstStartHost) {
    this.#situation = situation;
    this.#host = host;
  }

  begin(release: Release): void {
    const { attempts } = this.#host;
    const { log, target } = this.#situation.options;
    attempts.isTried(target);
    attempts.roll(attempts.new('start', release, target), {
      release,
      kind: 'start',
      sinceMs: monotonicMs(),
      // A first start replaces nothing: there is no report of it.
      entered: () => {},
      passing: () => {},
      step: (step, message) => log.info({ event: 'step', step }, message),
      done: (outcome) => this.#done(release, outcome),
    });
  }

  /** One whose supervisor died between the commit and its word about it. */
  cutOff({ release, generation }: Attempt): void {
    const message = `generation ${generation} (${release!.label}) serves`;
    const common = { ok: true, code: null, exitStatus: 0, message, generation };
    this.#done(release!, { ...common, at: Date.now(), durationMs: 0 });
  }

  #done(release: Release, outcome: ReloadOutcome): void {
    const { attempts, deployment, history } = this.#host;
    const attempt = attempts.current!;
    attempts.current = null;
    history.add(attempt, outcome, outcome.ok);
    const settling = this.#situation.stopping ? null : deployment.after(attempt, outcome, this.#fellBack);
    if (outcome.ok) this.#serves(outcome);
    else if (!this.#situation.stopping) this.#failed(release, outcome, settling);
  }

  #serves(outcome: ReloadOutcome): void {
    const { good, leftovers } = this.#host;
    const { log, notifier } = this.#situation.options;
    const { generation, durationMs } = outcome;
    log.info({ event: 'ready', generation, durationMs }, outcome.message);
    good.save();
    leftovers.release();
    this.#situation.inventory.listeners.closeUnasked();
    this.#host.announce();
    notifier.ready();
    this.#host.over();
  }

  #failed(release: Release, outcome: ReloadOutcome, settling: Promise<unknown> | null): void {
    const { log } = this.#situation.options;
    log.error({ event: 'start-failed', code: outcome.code }, outcome.message);
    const previous = this.#host.good.before(release);
    if (previous !== null && !this.#fellBack) {
      this.#fellBack = true;
      this.#situation.inventory.lastReload = outcome;
      log.warn(
        { event: 'fall-back', release: previous.label },
        `starting the last good release instead: ${previous.label}`,
      );
      this.begin(previous);
    } else if (settling === null) this.#giveUp(outcome);
    else void settling.then(() => this.#giveUp(outcome));
  }

  #giveUp(outcome: ReloadOutcome): void {
    const { ending, leftovers, mirror } = this.#host;
    if (this.#situation.stopping) return;
    this.#situation.options.notifier.status(`Could not start: ${outcome.message}.`);
    if (leftovers.size > 0) {
      // There are workers of an older supervisor that serve; the next one tries again.
      mirror.flush();
      ending.end(EXIT.software);
    } else ending.endAllWith(EXIT.software);
  }
}
