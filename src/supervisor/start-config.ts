/**
 * What a supervisor starts with: the configuration as it stands, or, where that is refused, one that is known to be good.
 * A file with an error, or a release that is half deployed, is no reason to lose a service that runs, or to leave one down
 * that ran yesterday. Whoever asks for a reload is there to be told; such a start has nobody, so it says so in the status.
 */
import { availableParallelism } from 'node:os';
import { isConfig } from '../config/check-config.js';
import type { Config } from '../config/config.js';
import type { ConfigFlags } from '../config/keys.js';
import { loadConfig } from '../config/load.js';
import { workingDirectory } from '../config/working-directory.js';
import type { ConfigProblem } from '../control/messages.js';
import { pathsOf } from '../control/paths.js';
import { BatondError } from '../errors.js';
import { type LastGood, readLastGood, writeLastGood } from '../inventory/last-good-file.js';
import { readLive } from '../inventory/live-file.js';
import type { Log } from '../log.js';
import { isUsable } from '../release/compare.js';
import { readTarget, type Target } from '../release/current.js';
import { type Release, resolveRelease } from '../release/release.js';
import { managedBy } from '../systemd/managed-by.js';

export interface Start {
  readonly config: Config;
  /** Null only for a rollback, which brings its own. */
  readonly release: Release | null;
  /** Where release.current led; null where none is watched, or something else is run. */
  readonly target: Target | null;
  /** When the configuration was read, milliseconds since the epoch. */
  readonly at: number;
  /** Why this is not what stands in the config now. */
  readonly problem: ConfigProblem | null;
}

/** Throws where the configuration is refused. `goesBack`: a rollback, which brings its own release. */
export function readStart(flags: ConfigFlags, configFile: string | undefined, goesBack: boolean): Start {
  const cwd = workingDirectory(process.env);
  const at = Date.now();
  const config = loadConfig({ cwd, configFile, flags, cores: availableParallelism() });
  // Before the release: should the symlink move in between, the watch finds another target than this.
  const target = config.release.current === null ? null : readTarget(config.release.current);
  return { config, release: goesBack ? releaseIfAny(config) : releaseOf(config), target, at, problem: null };
}

/**
 * The configuration as it stands now, of a service that was started with one: a file that has gone is no empty one. Throws
 * where it is refused.
 */
export function rereadConfig(flags: ConfigFlags, configFile: string | undefined, { file }: Config): Config {
  const cwd = workingDirectory(process.env);
  return loadConfig({ cwd, configFile: configFile ?? file ?? undefined, flags, cores: availableParallelism() });
}

/** What a supervisor ran with whose workers live. Null where nothing is on record. */
export function startOfLive(cause: BatondError): Start | null {
  const { live } = readLive(pathsOf('', process.env).liveFile);
  const incumbent = live?.state.generations.find(({ role }) => role === 'incumbent');
  // An older batond may have written it.
  if (live === null || incumbent === undefined || !isConfig(live.config)) return null;
  const { config } = live;
  const at = incumbent.release.resolvedAt;
  return { config, release: incumbent.release, target: null, at, problem: problemOf(cause, at) };
}

/**
 * The last one that was committed, with its release, which may be another than the one that is deployed now. Null where
 * there is none, nothing left to run it with, or no systemd, since then somebody is there who can mend the config at once.
 */
export function startOfLastGood(flags: ConfigFlags, cause: BatondError): Start | null {
  const lastGood = lastGoodOf(flags);
  if (lastGood === null) return null;
  const { config, at } = lastGood;
  try {
    const release = isUsable(lastGood.release) ? lastGood.release : releaseOf(config);
    return { config, release, target: null, at, problem: problemOf(cause, at) };
  } catch {
    return null;
  }
}

/** Whether there is a last good one, be it one that cannot be run just now. */
export const hasBeenGood = (flags: ConfigFlags): boolean => lastGoodOf(flags) !== null;

/** A service that lives keeps its name until it is stopped: its folders, its unit and its sockets go by it. */
export function underItsName(start: Start): Start {
  const { live } = readLive(pathsOf(start.config.name, process.env).liveFile);
  if (live === null || live.config.name === start.config.name) return start;
  const problem = `the service is named ${live.config.name} and the config now says ${start.config.name}`;
  return startOfLive(new BatondError('CONFIG_INVALID', { problem })) ?? start;
}

/** "Running with the configuration of 2026-11-21 15:33:07 UTC, since the one that stands there is refused: …". */
export function describeProblem({ message, configOf }: ConfigProblem): string {
  const [first = '', ...more] = message.split('\n');
  const rest = more.length === 0 ? '' : ` (and ${more.length} more)`;
  return `Running with the configuration of ${utc(configOf)}, since the one that stands there is refused: ${first}${rest}.`;
}

/** "2026-11-21 15:33:07 UTC" */
export function utc(epochMs: number): string {
  return `${new Date(epochMs).toISOString().replace('T', ' ').slice(0, 19)} UTC`;
}

/** What has been committed is what the next start may need; a disk that fails is said and stops nothing. */
export function keepLastGood(config: Config, release: Release, file: string, log: Log): void {
  try {
    writeLastGood(file, { config, release, at: Date.now() });
  } catch (error) {
    const { message } = error as Error;
    log.error(
      { event: 'state-unwritable', err: error },
      `the configuration could not be kept as the last good one: ${message}`,
    );
  }
}

/** Under systemd the folder has no need of a name, which only the configuration might know. */
function lastGoodOf(flags: ConfigFlags): LastGood | null {
  return managedBy(process.env) === null ? null : readLastGood(pathsOf(flags.name ?? '', process.env).lastGoodFile);
}

function releaseOf(config: Config): Release {
  return resolveRelease(config, { env: process.env, execPath: process.execPath, now: Date.now() });
}

/** A rollback must be possible whatever was deployed: what is not there is none. */
function releaseIfAny(config: Config): Release | null {
  try {
    return releaseOf(config);
  } catch (error) {
    if (error instanceof BatondError) return null;
    throw error;
  }
}

function problemOf({ code, message }: BatondError, configOf: number): ConfigProblem {
  return { code, message, configOf };
}
