/**
 * A release: what a generation runs, every path resolved once. A worker of this generation that is started again next
 * week must run the same files, whatever `current` points to by then, so symlinks are followed here and never later.
 *
 * It is plain data: it travels to the next supervisor and into the state file, whose readers may learn what `env` holds.
 */
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { ReadyBy } from '../channel/messages.js';
import type { Config, Program, Tier } from '../config/config.js';
import { nearestPackageField, packageField } from '../config/package-json.js';
import { BatondError } from '../errors.js';
import { resolveEntry } from './entry.js';
import { findProgram } from './runtime.js';
import { workerEnvironment } from './worker-environment.js';

interface Common {
  /** "release-7@1.4.0": the real directory's last part, and the version where a package.json says one. */
  readonly label: string;
  /** Real: no part of it is a symlink. */
  readonly directory: string;
  /** Real: what `release.current` led to, of which the directory is a part; absent where the config names none. */
  readonly root?: string;
  /** On top of `env` for a worker whose dependency has refused; absent where the config has none. */
  readonly onDependencyFailure?: Readonly<Record<string, string>>;
  /** What runs beside the main program, in the order of its slots; absent where there is nothing. */
  readonly processes?: readonly ReleaseProcess[];
  /** Milliseconds since the epoch. */
  readonly resolvedAt: number;
}

interface Executed {
  /** Absolute: the file to execute. Its last part may be a symlink, since programs look at the name they go by. */
  readonly program: string;
  readonly args: readonly string[];
  /** What the config adds to the environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** What one process needs to be started, in the directory of the release. */
export type Runnable =
  | (Executed & {
      readonly kind: 'node';
      /** Real. The arguments are those of `program runtimeArgs... entry args...`. */
      readonly entry: string;
      readonly runtimeArgs: readonly string[];
    })
  | (Executed & { readonly kind: 'command' });

/** The main program is what the release itself says. */
export type Release = Common & Runnable;

export type ReleaseProcess = Runnable & {
  readonly name: string;
  readonly tier: Tier;
  readonly ready: ReadyBy;
  readonly workers: number;
};

export interface ResolveEnvironment {
  /** The supervisor's own; a PATH of the config's env goes before its PATH. */
  readonly env: NodeJS.ProcessEnv;
  /** The Node that runs batond: the last resort where the runtime is "node" and PATH has none, as in a systemd unit. */
  readonly execPath: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Throws DIRECTORY_NOT_FOUND, ENTRY_NOT_FOUND or RUNTIME_NOT_FOUND. */
export function resolveRelease(config: Config, { env, execPath, now }: ResolveEnvironment): Release {
  const { current } = config.release;
  const root = current === null ? null : realDirectory(current);
  const directory = realDirectory(root === null ? config.directory : below(current!, config.directory, root));
  const { onDependencyFailure } = config;
  const runnable = (program: Program, added: Readonly<Record<string, string>>): Runnable => {
    const { PATH } = workerEnvironment(added, env);
    if (program.kind === 'command') {
      const [name = '', ...args] = program.command;
      const file = pin(findProgram(name, { directory, path: PATH }), name);
      return { kind: 'command', program: file, args, env: added };
    }
    const { entry: written, args, runtime, runtimeArgs } = program;
    const entry = resolveEntry(below(config.directory, written, directory), written);
    const fallback = runtime === 'node' ? execPath : undefined;
    const file = findProgram(runtime, { directory, path: PATH, fallback });
    return { kind: 'node', program: file, entry, args, runtimeArgs, env: added };
  };
  const main = runnable(config.program, config.env);
  const processes = (config.processes ?? []).map(
    ({ name, tier, ready, workers, program, env: added }): ReleaseProcess => ({
      ...runnable(program, { ...config.env, ...added }),
      name,
      tier,
      ready,
      workers,
    }),
  );
  const version =
    main.kind === 'command' ? packageField(directory, 'version') : nearestPackageField(dirname(main.entry), 'version');
  return {
    ...main,
    label: labelOf(directory, version),
    directory,
    ...(root === null ? {} : { root }),
    ...(Object.keys(onDependencyFailure).length === 0 ? {} : { onDependencyFailure }),
    ...(processes.length === 0 ? {} : { processes }),
    resolvedAt: now,
  };
}

/** The folder that is deployed as one, and sealed as one. */
export function rootOf({ root, directory }: Release): string {
  return root ?? directory;
}

/** The arguments of execve(2), the zeroth included; `preload` are those that load it, before the entry. */
export function argvOf(run: Runnable, preload: readonly string[] = []): string[] {
  if (run.kind === 'command') return [run.program, ...run.args];
  return [run.program, ...run.runtimeArgs, ...preload, run.entry, ...run.args];
}

/** All that is run of it, the main program first. */
export function runnablesOf(release: Release): readonly Runnable[] {
  return [release, ...(release.processes ?? [])];
}

function realDirectory(directory: string): string {
  try {
    const real = realpathSync.native(directory);
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    throw new BatondError('DIRECTORY_NOT_FOUND', { directory }, error);
  }
  throw new BatondError('DIRECTORY_NOT_FOUND', { directory });
}

/** An entry inside the directory is looked up in the one just resolved: if the symlink moves in between, nothing mixes. */
function below(written: string, entry: string, real: string): string {
  const path = relative(written, entry);
  return /^\.\.(\/|$)/.test(path) || isAbsolute(path) ? entry : resolve(real, path);
}

/**
 * A command that was given by a path is part of the release: the symlinks on the way to it are followed, or a restart
 * would run the next release's file. The last part stays: busybox, a venv's python and their like go by their name.
 */
function pin(program: string, written: string): string {
  return written.includes('/') ? join(realpathSync(dirname(program)), basename(program)) : program;
}

function labelOf(directory: string, version: string | null): string {
  const name = basename(directory) || '/';
  return version === null ? name : `${name}@${version}`;
}
