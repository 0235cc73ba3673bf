/**
 * What surrounds a roll: before it the release is verified and pre_reload is run, after it the symlink is put right and
 * post_reload or on_error is run. All of it belongs to the reload, which is under way from the first of these steps to
 * the last. What is not configured costs nothing, not even a turn of the loop.
 *
 * It happens in the successor: it has read the config anew, it is the main process and feeds the watchdog, and no
 * deadline of the takeover runs while 20,000 files are read.
 */
import type { Config } from '../config/config.js';
import type { ReloadOutcome } from '../control/messages.js';
import { BatondError } from '../errors.js';
import type { Attempt } from '../inventory/attempt.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';
import { pointBack, readTarget } from '../release/current.js';
import { type Release, rootOf, runnablesOf } from '../release/release.js';
import { workerEnvironment } from '../release/worker-environment.js';
import type { HookName, HookResult } from './hooks.js';
import { Progress } from './progress.js';
import { HOOK_ENVIRONMENT } from './strays.js';

/** How often whoever waits is told how far the verification has come. */
const PROGRESS_MS = 1_000;
/** A file system that gives nothing for so long hangs: a reload must not wait for it for ever. */
const SILENCE_MS = 60_000;

export interface DeploymentHost {
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  /** The release that serves; null where nothing does. */
  serving(): Release | null;
  step(step: 'verify' | 'hook', message: string): void;
  announce(): void;
}

export class Deployment {
  readonly #host: DeploymentHost;
  /** What goes on, and whether it can still keep a release from serving. */
  readonly #under = new Map<AbortController, 'before' | 'after'>();
  readonly #progress = new Progress();
  #doing: string | null = null;

  constructor(host: DeploymentHost) {
    this.#host = host;
  }

  get busy(): boolean {
    return this.#under.size > 0;
  }

  /** Whether something has outlasted even its own deadline. */
  get stuck(): boolean {
    return this.#progress.stuck;
  }

  /** A sentence for the status; null where nothing is done just now. */
  get doing(): string | null {
    return this.#doing;
  }

  /** Ends what goes on before a roll. What goes on after one has nothing left to decide, and is let be. */
  abort(cause: BatondError): void {
    for (const [controller, when] of this.#under) if (when === 'before') controller.abort(cause);
  }

  /** Ends everything: the service stops. */
  stop(cause: BatondError): void {
    for (const controller of this.#under.keys()) controller.abort(cause);
  }

  /** Null where there is nothing to do. Rejects with why the release must not be run; nothing was touched then. */
  before(attempt: Attempt, nextGeneration: number): Promise<void> | null {
    const { release: policy, hooks } = this.#host.config;
    const preReload = hasHooks(attempt) ? hooks.preReload : null;
    const release = attempt.release!;
    if (policy.verify === 'off' && preReload === null) return null;
    return this.#during('before', async (signal, abort) => {
      if (policy.verify !== 'off') await this.#verify(release, signal, abort);
      if (preReload === null) return;
      const env = { BATOND_GENERATION: String(nextGeneration) };
      const result = await this.#hook('pre_reload', preReload, release, { ...facts(attempt), ...env }, signal);
      signal.throwIfAborted();
      if (result.ok) return;
      throw new BatondError('HOOK_FAILED', { hook: 'pre_reload', how: result.how, output: result.output.join(' / ') });
    });
  }

  /**
   * Null where there is nothing to do. `givenUp`: the release that release.current leads to is not the one to serve. The
   * outcome that comes back has the same verdict, and says what else there is to know.
   */
  after(attempt: Attempt, outcome: ReloadOutcome, givenUp: boolean): Promise<ReloadOutcome> | null {
    const { hooks } = this.#host.config;
    const note = givenUp ? this.#putBack(attempt) : null;
    const noted = note === null ? outcome : { ...outcome, message: `${outcome.message}; ${note}` };
    const name: HookName = outcome.ok ? 'post_reload' : 'on_error';
    const argv = outcome.ok ? (hasHooks(attempt) ? hooks.postReload : null) : hooks.onError;
    if (argv === null) return note === null ? null : Promise.resolve(noted);
    return this.#during('after', async (signal) => {
      const env = { ...facts(attempt), BATOND_CODE: outcome.code ?? '', BATOND_MESSAGE: noted.message };
      // Not in a folder that was refused: its files may be anybody's.
      const place = outcome.ok ? attempt.release : this.#host.serving();
      const result = await this.#hook(name, argv, place, env, signal);
      if (result.ok) return noted;
      this.#host.log.warn({ event: 'hook-failed', hook: name }, `the hook ${name} ${result.how}`);
      return outcome.ok ? { ...noted, message: `${noted.message}; but the hook ${name} ${result.how}` } : noted;
    });
  }

  async #during<T>(
    when: 'before' | 'after',
    work: (signal: AbortSignal, abort: (cause: BatondError) => void) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    this.#under.set(controller, when);
    try {
      return await work(controller.signal, (cause) => controller.abort(cause));
    } finally {
      this.#under.delete(controller);
      if (!this.busy) this.#progress.rest();
      this.#say(null);
    }
  }

  async #verify(release: Release, signal: AbortSignal, abort: (cause: BatondError) => void): Promise<void> {
    const { config, log, step } = this.#host;
    const root = rootOf(release);
    const sinceMs = monotonicMs();
    let toldMs = sinceMs;
    this.#say(`Release ${release.label} is being verified.`);
    step('verify', `verifying ${release.label}`);
    const { verifyBeside } = await import('../release/verify-beside.js');
    const question = {
      root,
      publicKey: config.release.verify === 'signature' ? config.release.publicKey : null,
      required: runFrom(release, root),
    };
    const silent = setTimeout(() => {
      const reason = `it could not be read: nothing has come of it for ${SILENCE_MS / 1_000} s`;
      abort(new BatondError('RELEASE_NOT_SEALED', { release: release.label, reason }));
    }, SILENCE_MS);
    this.#progress.allow(SILENCE_MS);
    const onProgress = (done: number, total: number) => {
      silent.refresh();
      this.#progress.allow(SILENCE_MS);
      if (monotonicMs() - toldMs < PROGRESS_MS) return;
      toldMs = monotonicMs();
      step('verify', `verifying ${release.label}: ${done} of ${total} files`);
    };
    const verifying = verifyBeside(question, onProgress, signal).finally(() => clearTimeout(silent));
    const { files, links, signed } = await verifying;
    const durationMs = Math.round(monotonicMs() - sinceMs);
    log.info(
      { event: 'verified', release: release.label, files, links, durationMs },
      `${release.label} is as it was sealed${signed ? ' and signed' : ''}: ${files} files, ${links} symlinks`,
    );
  }

  async #hook(
    hook: HookName,
    argv: readonly string[],
    release: Release | null,
    env: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HookResult> {
    const { config, log, step } = this.#host;
    this.#say(`The hook ${hook} runs.`);
    step('hook', `running the hook ${hook}`);
    this.#progress.allow(config.hooks.timeoutMs);
    const { runHook } = await import('./hooks.js');
    return runHook({
      hook,
      argv,
      cwd: release?.directory ?? '/',
      env: {
        ...workerEnvironment(config.env, this.#host.env),
        BATOND_NAME: config.name,
        [HOOK_ENVIRONMENT]: hook,
        ...env,
      },
      timeoutMs: config.hooks.timeoutMs,
      log,
      signal,
    });
  }

  /** Points release.current to what serves. Null where there is nothing to put back, else what came of it. */
  #putBack({ kind, target }: Attempt): string | null {
    const { config, log } = this.#host;
    const { current, revert } = config.release;
    const serving = this.#host.serving();
    if (current === null || target === null || serving === null) return null;
    if (rootOf(serving) === target.root || !(revert || kind === 'rollback')) return null;
    if (readTarget(current)?.root === rootOf(serving)) return null;
    const reason =
      serving.root === undefined && config.directory !== current
        ? `nobody knows which folder ${serving.directory} belongs to`
        : pointBack(current, target, rootOf(serving));
    const fields = { event: 'put-back', release: serving.label };
    if (reason === null) {
      log.info(fields, `${current} points to ${rootOf(serving)} again`);
      return `${current} points to ${rootOf(serving)} again`;
    }
    const text = `${current} could not be pointed back: ${reason}`;
    log.warn(fields, text);
    return `but ${text}`;
  }

  #say(text: string | null): void {
    this.#doing = text;
    this.#host.announce();
  }
}

/** A start has nothing to reload, and a generation that is given up was never asked to go. */
function hasHooks({ kind }: Attempt): boolean {
  return kind !== 'start' && kind !== 'regret';
}

/** What of the release is run from its folder: a runtime elsewhere is nobody's release. */
function runFrom(release: Release, root: string): string[] {
  return runnablesOf(release).flatMap((run) => [
    ...(run.kind === 'node' ? [run.entry] : []),
    ...(run.program.startsWith(`${root}/`) ? [run.program] : []),
  ]);
}

/** What a hook is told in its environment. */
function facts({ kind, generation, from, release, target }: Attempt): Record<string, string> {
  return {
    BATOND_KIND: kind,
    BATOND_GENERATION: generation === null ? '' : String(generation),
    BATOND_RELEASE: release?.label ?? '',
    BATOND_DIRECTORY: release === null ? (target?.root ?? '') : rootOf(release),
    BATOND_FROM_GENERATION: from === null ? '' : String(from.generation),
    BATOND_FROM_RELEASE: from?.release.label ?? '',
    BATOND_FROM_DIRECTORY: from === null ? '' : rootOf(from.release),
  };
}
