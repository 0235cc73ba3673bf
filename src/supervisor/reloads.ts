/**
 * Reloads: who may begin one, its takeover, its roll and its verdict, whether a client asked, the watch of
 * release.current, or a supervisor that did not live to end it.
 */
import { healthOf } from '../config/health.js';
import type { ReloadOptions, ReloadOutcome, ReloadStep, RollbackOptions } from '../control/messages.js';
import type { ReloadClient } from '../control/reload-client.js';
import { BatondError } from '../errors.js';
import type { Attempt } from '../inventory/attempt.js';
import type { Generation } from '../inventory/generation.js';
import type { Mirror } from '../inventory/mirror.js';
import type { CanaryReport } from '../inventory/report.js';
import { monotonicMs } from '../process/monotonic.js';
import { isSameRelease } from '../release/compare.js';
import { readTarget } from '../release/current.js';
import type { Release } from '../release/release.js';
import type { Admitter } from './admitter.js';
import type { Attempts } from './attempts.js';
import type { Deployment } from './deployment.js';
import type { FirstStart } from './first-start.js';
import type { GoodReleases } from './good-releases.js';
import type { Handover } from './handover.js';
import type { History } from './history.js';
import type { Profiling } from './profiling.js';
import type { Reporter } from './reporter.js';
import type { Roller, RollRequest } from './roller.js';
import type { Situation } from './situation.js';
import type { WaitingClient } from './waiting-client.js';

export interface ReloadsHost {
  readonly admitter: Admitter;
  readonly attempts: Attempts;
  readonly client: WaitingClient;
  readonly deployment: Deployment;
  readonly good: GoodReleases;
  readonly handover: Handover;
  readonly history: History;
  readonly mirror: Mirror;
  readonly reporter: Reporter;
  readonly roller: Roller;
  firstStart(): FirstStart;
  profiling(): Profiling | null;
  announce(): void;
  /** Another reload may begin: what was switched to meanwhile is looked at. */
  over(): void;
}

export class Reloads {
  readonly #situation: Situation;
  readonly #host: ReloadsHost;

  constructor(situation: Situation, host: ReloadsHost) {
    this.#situation = situation;
    this.#host = host;
  }

  get busy(): boolean {
    const { handover, roller, deployment } = this.#host;
    return !handover.idle || roller.state !== 'steady' || deployment.busy;
  }

  /** Asks for a reload; the client hears the rest. Throws BUSY, STOPPING and what `Admitter` throws. */
  reload(client: ReloadClient, { noOldAfterMs, force, traceparent }: ReloadOptions): void {
    this.#refuseOthers();
    if (!force) this.#host.admitter.require('reload');
    this.#host.attempts.noOldAfterMs = noOldAfterMs;
    this.#begin(client, 'reload', null, { traceparent });
  }

  /** The same, to a release of before. Throws NO_ROLLBACK_TARGET too. */
  rollback(client: ReloadClient, { to, force, traceparent }: RollbackOptions): void {
    this.#refuseOthers();
    const { attempts, good, history } = this.#host;
    const serving = this.#situation.inventory.incumbent?.release;
    if (serving === undefined) throw new BatondError('NO_ROLLBACK_TARGET', { reason: 'nothing serves' });
    const release = to === null ? good.before(serving) : history.releaseOf(to);
    const refuse = (reason: string) => new BatondError('NO_ROLLBACK_TARGET', { reason });
    if (release === null) throw refuse('no other release has served that is still there');
    if (isSameRelease(release, serving)) throw refuse(`generation ${to} is of the release that serves`);
    if (!force) this.#host.admitter.require('rollback');
    attempts.noOldAfterMs = null;
    this.#begin(client, 'rollback', release, { traceparent });
  }

  /** Because of SIGUSR2: as `reload`, but nobody waits for it, and only the log and the audit hear of a refusal. */
  signalled(): void {
    const { audit, log } = this.#situation.options;
    audit.signalled('reload', 'asked');
    try {
      this.#refuseOthers();
      this.#host.admitter.require('reload');
    } catch (error) {
      if (!(error instanceof BatondError)) throw error;
      audit.signalled('reload', error.code);
      log.warn({ event: 'signal-refused', code: error.code }, `no reload by SIGUSR2: ${error.message}`);
      return;
    }
    this.#host.attempts.noOldAfterMs = null;
    this.#begin(null, 'reload', null, { by: 'signal' });
  }

  /** Because release.current was moved: nobody waits for it. */
  watched(): void {
    this.#host.attempts.noOldAfterMs = null;
    this.#begin(null, 'watch', null);
  }

  /** The client that waits for the reload under way, or nobody; `sinceMs` of CLOCK_MONOTONIC. */
  attend(client: ReloadClient | null, sinceMs: number): void {
    const { handover, deployment, roller, client: waiting } = this.#host;
    if (client === null) {
      waiting.alone(sinceMs);
      return;
    }
    waiting.attend(client, sinceMs, () => {
      const cause = new BatondError('CLIENT_GONE');
      handover.abort(cause);
      deployment.abort(cause);
      roller.abort(cause);
    });
  }

  /** The second half, in the supervisor that has taken over. `wanted` is what a rollback goes back to. */
  continue(kind: Attempt['kind'], wanted: Release | null, by?: Attempt['by']): void {
    const { attempts, client } = this.#host;
    const { release: resolved, target } = this.#situation.options;
    const release = wanted ?? resolved!;
    attempts.roll(attempts.new(kind, release, target, by), {
      ...this.#reported(),
      release,
      kind: 'reload',
      ...this.#trial(kind),
      sinceMs: client.sinceMs,
      done: (outcome) => this.done(outcome),
    });
  }

  /** Takes back the roll of a supervisor that died before its commit. */
  takeBack(candidate: Generation, cause: BatondError): void {
    const { attempts, client, history, roller } = this.#host;
    const isStart = this.#situation.inventory.incumbent === null;
    const attempt = attempts.current ?? attempts.cutOff(isStart ? 'start' : 'reload', candidate);
    attempt.generation = candidate.number;
    attempts.current = attempt;
    const request: RollRequest = {
      ...this.#reported(),
      release: candidate.release,
      kind: isStart ? 'start' : 'reload',
      sinceMs: client.sinceMs,
      done: (outcome) => {
        if (!isStart) this.done(outcome);
        else {
          history.add(attempt, outcome, false);
          this.#host.firstStart().begin(this.#situation.options.release!);
        }
      },
    };
    roller.takeBack(request, candidate, cause);
  }

  /** The verdict of a reload that another supervisor did not live to give. */
  cutOff(outcome: ReloadOutcome): void {
    const { attempts } = this.#host;
    const { incumbent } = this.#situation.inventory;
    const attempt = attempts.current ?? attempts.cutOff('reload', outcome.ok ? incumbent : null);
    attempts.current = attempt;
    // What follows the roll had begun, and no hook is run twice.
    if (attempt.outcome === null) this.done(outcome);
    else this.#verdict(attempt, outcome);
  }

  /** The second half of one that nobody waits for any more, and that nobody but a client wanted. */
  abandoned(): void {
    const { attempts } = this.#host;
    attempts.current ??= attempts.cutOff('reload', null);
    this.done(attempts.refusal(new BatondError('CLIENT_GONE'), this.#host.client.sinceMs));
  }

  takeoverFailed(cause: BatondError): void {
    this.done(this.#host.attempts.refusal(cause, this.#host.client.sinceMs));
  }

  /** The roll is over, or there was none: what the config asks for afterwards, then the verdict. */
  done(outcome: ReloadOutcome): void {
    const { attempts, deployment, good, mirror } = this.#host;
    const attempt = attempts.current!;
    if (attempt.kind === 'rollback' && outcome.ok && attempt.from !== null) good.remove(attempt.from.release);
    const givenUp = !outcome.ok || attempt.kind === 'rollback';
    const settling = this.#situation.stopping ? null : deployment.after(attempt, outcome, givenUp);
    if (!outcome.ok) this.#situation.keepServing();
    if (settling === null) this.#verdict(attempt, outcome);
    else {
      attempt.outcome = outcome;
      mirror.touch();
      const sinceMs = monotonicMs() - outcome.durationMs;
      void settling.then((settled) => {
        this.#verdict(attempt, { ...settled, at: Date.now(), durationMs: monotonicMs() - sinceMs });
      });
    }
  }

  stepTaken(step: ReloadStep, message: string): void {
    this.#situation.options.log.info({ event: 'step', step }, message);
    this.#host.client.step(step, message);
  }

  /** Whoever goes back is in a hurry, and knows what to. */
  #trial(kind: Attempt['kind']): Pick<RollRequest, 'canary' | 'soak'> {
    const { config } = this.#situation;
    const { soak: limits, upgrade } = config;
    const { reporter } = this.#host;
    const { soakMs: forMs = 0, canary: steps = [], minTrust = 0 } = upgrade;
    if (kind === 'rollback') return {};
    const canary = { steps, moved: (step: CanaryReport | null) => reporter.canarying(step) };
    if (limits === undefined || (forMs === 0 && steps.length === 0)) return { canary };
    const rules = { levels: healthOf(config).levels, minTrust };
    return { canary, soak: { forMs, limits, rules, over: (report) => reporter.soaked(report) } };
  }

  /** What of a roll is told to whoever waits, and what to the report. */
  #reported(): Pick<RollRequest, 'entered' | 'passing' | 'step'> {
    const { reporter } = this.#host;
    return {
      entered: (state, candidate) => reporter.entered(state, candidate),
      passing: (state, onTheWayBytes) => reporter.passing(state, onTheWayBytes),
      step: (step, message) => this.stepTaken(step, message),
    };
  }

  /** Throws BUSY and STOPPING. */
  #refuseOthers(): void {
    const { stopping, config, inventory } = this.#situation;
    if (stopping) throw new BatondError('STOPPING', { name: config.name });
    if (!this.busy) return;
    throw new BatondError('BUSY', { generation: inventory.nextGeneration - (this.#host.handover.idle ? 1 : 0) });
  }

  #begin(
    client: ReloadClient | null,
    kind: 'reload' | 'watch' | 'rollback',
    release: Release | null,
    { by, traceparent }: { readonly by?: Attempt['by']; readonly traceparent?: string | undefined } = {},
  ): void {
    const { attempts, reporter, handover, announce } = this.#host;
    const { config, options, inventory } = this.#situation;
    this.#host.admitter.forget();
    this.#host.profiling()?.enough('a reload began');
    const { current } = config.release;
    const target = current === null ? null : readTarget(current);
    attempts.isTried(target);
    attempts.current = attempts.new(kind, release, target, by);
    reporter.begin(kind === 'rollback' ? 'rollback' : 'reload', inventory.incumbent?.number ?? null, traceparent);
    reporter.takeover();
    this.attend(client, monotonicMs());
    options.log.info({ event: 'reload', kind }, 'reload: starting the next supervisor');
    options.notifier.reloading();
    this.#host.client.step('takeover', 'starting the next supervisor');
    handover.begin();
    announce();
  }

  #verdict(attempt: Attempt, outcome: ReloadOutcome): void {
    const { attempts, client, good, history, reporter } = this.#host;
    const { log, notifier } = this.#situation.options;
    if (attempts.current === attempt) attempts.current = null;
    this.#situation.inventory.lastReload = outcome;
    good.save();
    history.add(attempt, outcome, attempts.serves(attempt));
    const { code, generation, durationMs } = outcome;
    const fields = { event: 'verdict', kind: attempt.kind, code, generation, durationMs };
    if (outcome.ok) log.info(fields, `reload done: ${outcome.message}`);
    else log.error(fields, `reload failed: ${outcome.message}`);
    this.#auditVerdict(attempt, outcome);
    client.verdict(outcome, outcome.ok && attempts.noOldAfterMs !== null ? reporter.number : null);
    attempts.noOldAfterMs = null;
    reporter.verdict(outcome);
    this.#host.announce();
    if (this.#situation.stopping) return;
    notifier.ready();
    this.#host.over();
  }

  #auditVerdict(attempt: Attempt, { code, generation }: ReloadOutcome): void {
    const { peer } = this.#host.client;
    if (attempt.by === 'signal') {
      this.#situation.options.audit.signalled('reload', code ?? 'done', { generation });
    }
    if (peer === null) return;
    const isRollback = attempt.kind === 'rollback';
    const { noOldAfterMs } = this.#host.attempts;
    const facts = isRollback ? { generation, release: attempt.release?.label } : { generation, noOldAfterMs };
    this.#situation.options.audit.action(peer, isRollback ? 'rollback' : 'reload', code ?? 'done', facts);
  }
}
