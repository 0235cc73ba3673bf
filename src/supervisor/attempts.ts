/**
 * The attempt under way, whatever began it, and what every roll has before it: what the config asks for before a release
 * may run.
 */
import type { ReloadOptions, ReloadOutcome } from '../control/messages.js';
import { BatondError } from '../errors.js';
import type { Attempt } from '../inventory/attempt.js';
import type { Generation } from '../inventory/generation.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Target } from '../release/current.js';
import type { Release } from '../release/release.js';
import type { Deployment } from './deployment.js';
import type { Roller, RollRequest } from './roller.js';
import type { Situation } from './situation.js';

export class Attempts {
  readonly #situation: Situation;
  readonly #parts: { readonly roller: Roller; readonly deployment: Deployment };
  /** The one under way. */
  current: Attempt | null = null;
  /** Which target of release.current was tried last. */
  tried: string | null = null;
  /** Asked for by the reload under way. */
  noOldAfterMs: ReloadOptions['noOldAfterMs'] = null;

  constructor(situation: Situation, parts: { readonly roller: Roller; readonly deployment: Deployment }) {
    this.#situation = situation;
    this.#parts = parts;
  }

  new(kind: Attempt['kind'], release: Release | null, target: Target | null, by?: Attempt['by']): Attempt {
    const { incumbent } = this.#situation.inventory;
    const from = incumbent === null ? null : { generation: incumbent.number, release: incumbent.release };
    return { kind, ...(by === undefined ? {} : { by }), release, generation: null, from, target, outcome: null };
  }

  /** Where nothing is on record of what was asked for. */
  cutOff(kind: Attempt['kind'], generation: Generation | null): Attempt {
    const attempt = this.new(kind, generation?.release ?? null, null);
    return generation === null ? attempt : { ...attempt, generation: generation.number };
  }

  isTried(target: Target | null): void {
    if (target !== null) this.tried = target.identity;
  }

  serves({ generation }: Attempt): boolean {
    return generation !== null && this.#situation.inventory.incumbent?.number === generation;
  }

  /** What has to be so before the roll, then the roll. */
  roll(attempt: Attempt, request: RollRequest): void {
    const { config, inventory } = this.#situation;
    const { roller, deployment } = this.#parts;
    this.current = attempt;
    const refuse = (error: Error) => {
      const facts = { generation: inventory.nextGeneration, reason: error.message };
      const cause = error instanceof BatondError ? error : new BatondError('CANDIDATE_NOT_STARTED', facts, error);
      request.done(this.refusal(cause, request.sinceMs));
    };
    const begin = () => {
      if (this.#situation.stopping) {
        refuse(new BatondError('STOPPING', { name: config.name }));
        return;
      }
      const entered: RollRequest['entered'] = (state, candidate) => {
        if (candidate !== null) attempt.generation = candidate.number;
        request.entered(state, candidate);
      };
      roller.begin({ ...request, entered });
    };
    const preparing = deployment.before(attempt, inventory.nextGeneration);
    if (preparing === null) begin();
    else void preparing.then(begin, refuse);
  }

  /** The outcome of what ended before its roll began. */
  refusal(cause: BatondError, sinceMs: number): ReloadOutcome {
    const serving = this.#situation.inventory.incumbent?.number ?? null;
    return {
      ok: false,
      code: cause.code,
      message: `${cause.message}; ${serving === null ? 'nothing serves' : `generation ${serving} keeps serving`}`,
      exitStatus: cause.exitStatus,
      generation: serving,
      at: Date.now(),
      durationMs: monotonicMs() - sinceMs,
    };
  }
}
