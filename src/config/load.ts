/**
 * The way from what a user wrote to a frozen `Config`: the file, the flags over it, the defaults under both, all of it
 * checked, every path made absolute. Symlinks stay as they were written, because a release resolves them anew at each
 * reload: that is how a deploy by symlink takes effect.
 */
import { dirname, resolve } from 'node:path';
import { BatondError } from '../errors.js';
import { buildAdmission } from './admission.js';
import { stepOf, type WrittenStep } from './canary-steps.js';
import { settingsOfDocument } from './check-document.js';
import { checkReleasePaths } from './check-release-paths.js';
import type { Config, DegradeConfig, ListenerConfig, Program } from './config.js';
import { crossCheck, ONLY_OF_ENTRIES } from './cross-checks.js';
import { deepFreeze } from './deep-freeze.js';
import { healingRules } from './healing-rules.js';
import { buildAdmin, buildHealth, buildProbes } from './health.js';
import { type ConfigFlags, KEY_PATHS, type KeyPath } from './keys.js';
import { formatPlace, type Problem, refuse } from './problem.js';
import { checkProcesses, processConfigs } from './processes.js';
import { readToml } from './read-toml.js';
import { nameOfCommand, nameOfEntry } from './service-name.js';
import {
  mergeSettings,
  type Setting,
  type Settings,
  settingsOfDefaults,
  settingsOfFlags,
  valuesOf,
} from './settings.js';

export interface ConfigInput {
  /** Absolute. A shell's and systemd's working directory is without symlinks; pass the written one where it is known. */
  readonly cwd: string;
  /** Relative to cwd; without it batond.toml, if there is one. */
  readonly configFile?: string | undefined;
  readonly flags: ConfigFlags;
  /** os.availableParallelism(), for workers = "auto". */
  readonly cores: number;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Where each value comes from, by its key: "batond.toml:7", "--workers", "default". */
  readonly origins: Readonly<Record<string, string>>;
}

/** Reads the config file and, where no name is given, package.json; nothing else. */
export function loadConfig(input: ConfigInput): Config {
  return readConfig(input).config;
}

/** The same, and where each value comes from. */
export function readConfig({ cwd, configFile, flags, cores }: ConfigInput): LoadedConfig {
  const file = configFile ?? 'batond.toml';
  const document = readToml(resolve(cwd, file), file);
  if (document === null && configFile !== undefined) {
    throw new BatondError('CONFIG_UNREADABLE', { file, reason: 'no such file' });
  }

  const problems: Problem[] = [];
  const fromFile = document === null ? new Map<KeyPath, Setting>() : settingsOfDocument(document, problems);
  const fromFlags = settingsOfFlags(flags, problems);
  // An entry on the command line stands in for whatever the file would run.
  if (fromFlags.has('entry')) fromFile.delete('command');
  const settings = mergeSettings(settingsOfDefaults(), fromFile, fromFlags);
  const current = settings.get('release.current');
  // Whoever names the symlink of the release has said where its files are.
  if (current !== undefined && !settings.has('directory')) settings.set('directory', current);
  crossCheck(settings, document, problems);
  if (document !== null) {
    const mainWorkers = workersOf(settings.get('workers')?.value, cores);
    checkProcesses(settings.get('service.process')?.value, mainWorkers, document, problems);
  }
  refuse(problems);

  const paths = resolvePaths(settings, cwd, document === null ? null : resolve(cwd, file));
  checkReleasePaths(settings, paths, problems);
  refuse(problems);
  const program = programOf(settings, paths);
  const name = nameOf(settings, program);
  return {
    config: deepFreeze(build(settings, paths, program, name.name, cores)),
    origins: originsOf(settings, program, name.origin),
  };
}

interface Paths {
  readonly file: string | null;
  readonly directory: string;
  /** What paths are relative to that are not those of a release. */
  readonly home: string;
  /** What a relative path of a key is relative to. */
  readonly baseOf: (key: KeyPath) => string;
}

/** Paths on the command line are relative to where they were typed, those in the file to its `directory`. */
function resolvePaths(settings: Settings, cwd: string, file: string | null): Paths {
  const written = settings.get('directory');
  const isTyped = (key: KeyPath) => settings.get(key)?.place.kind === 'flag';
  const home = file === null ? cwd : dirname(file);
  const directory = resolve(isTyped('directory') ? cwd : home, (written?.value as string | undefined) ?? '.');
  const typedBase = isTyped('directory') ? directory : cwd;
  return { file, directory, home, baseOf: (key) => (isTyped(key) ? typedBase : directory) };
}

/** Null where it was refused. */
function workersOf(said: unknown, cores: number): number | null {
  if (said === 'auto') return Math.min(Math.max(Math.trunc(cores), 1), 256);
  return typeof said === 'number' ? said : null;
}

function programOf(settings: Settings, paths: Paths): Program {
  const { entry, args, command } = valuesOf(settings);
  // The command stays as written: a release resolves it in the directory that is real by then.
  if (entry === null) return { kind: 'command', command: command ?? [] };
  return nodeProgram(settings, paths, resolve(paths.baseOf('entry'), entry), args);
}

function nodeProgram(settings: Settings, { baseOf }: Paths, entry: string, args: readonly string[]): Program {
  const { runtime, runtime_args } = valuesOf(settings);
  return {
    kind: 'node',
    entry,
    args,
    runtime: runtime.includes('/') ? resolve(baseOf('runtime'), runtime) : runtime,
    runtimeArgs: runtime_args,
  };
}

function nameOf(settings: Settings, program: Program): { readonly name: string; readonly origin: string } {
  const said = settings.get('name');
  if (said !== undefined) return { name: said.value as string, origin: formatPlace(said.place) };
  const found = program.kind === 'node' ? nameOfEntry(program.entry) : nameOfCommand(program.command);
  if (found.name === null) {
    const text = `the ${found.from} gives the service no name: choose one with --name, or name = "shop" in batond.toml`;
    refuse([{ place: { kind: 'default' }, key: 'name', text }]);
  }
  return { name: found.name ?? '', origin: found.from };
}

function build(settings: Settings, paths: Paths, program: Program, name: string, cores: number): Config {
  const { file, directory, home } = paths;
  const values = valuesOf(settings);
  const processes = processConfigs(values['service.process'], (entry, args) =>
    nodeProgram(settings, paths, resolve(directory, entry), args),
  );
  return {
    name,
    file,
    program,
    directory,
    workers: workersOf(values.workers, cores) ?? 1,
    ready: values.ready ?? (program.kind === 'node' ? 'listen' : 'notify'),
    env: values.env,
    listeners: (values.listener ?? []) as readonly ListenerConfig[],
    ...(processes.length === 0 ? {} : { processes }),
    onDependencyFailure: values.on_dependency_failure,
    healing: { rules: healingRules(values['healing.rule']) },
    upgrade: {
      readyTimeoutMs: values['upgrade.ready_timeout'],
      drainTimeoutMs: values['upgrade.drain_timeout'],
      takeoverTimeoutMs: values['upgrade.takeover_timeout'],
      probe: values['upgrade.probe'],
      canary: ((values['upgrade.canary'] ?? []) as readonly WrittenStep[]).map(stepOf),
      soakMs: values['upgrade.soak'],
      minTrust: values['upgrade.min_trust'] / 1_000,
      regretMs: values['upgrade.regret'],
      stateMaxBytes: values['upgrade.state_max'],
    },
    admission: buildAdmission(values),
    soak: {
      errorRatio: values['soak.error_ratio'] / 1_000,
      p99Ms: values['soak.p99'],
      delayMs: values['soak.delay'],
      memoryGrowth: values['soak.memory_growth'],
    },
    evidence: {
      onFailure: values['upgrade.on_failure'],
      maxBytes: values['evidence.max'],
      cpuMs: values['evidence.cpu_time'],
    },
    release: {
      current: values['release.current'] === null ? null : resolve(home, values['release.current']),
      debounceMs: values['release.debounce'],
      recheckMs: values['release.recheck'],
      verify: values['release.verify'],
      publicKey: values['release.public_key'] === null ? null : resolve(home, values['release.public_key']),
      revert: values['release.revert'],
    },
    hooks: {
      preReload: values['hooks.pre_reload'],
      postReload: values['hooks.post_reload'],
      onError: values['hooks.on_error'],
      timeoutMs: values['hooks.timeout'],
    },
    degrade: degradesOf(values.degrade),
    stop: { killTimeoutMs: values['stop.kill_timeout'] },
    restart: {
      delayMs: values['restart.delay'],
      delayMaxMs: values['restart.delay_max'],
      limit: values['restart.limit'],
      stableMs: values['restart.stable'],
      budget: values['restart.budget'],
      windowMs: values['restart.window'],
    },
    probes: buildProbes(values),
    health: buildHealth(values),
    admin: buildAdmin(values),
    control: { read: values['control.read'], act: values['control.act'] },
    log: { level: values['log.level'], workers: values['log.workers'] },
  };
}

function degradesOf(tables: unknown): DegradeConfig[] {
  const written = (tables ?? []) as readonly (Omit<DegradeConfig, 'runOver'> & {
    run_over: DegradeConfig['runOver'];
  })[];
  return written.map(({ run_over: runOver, ...rest }) => ({ ...rest, runOver }));
}

function originsOf(settings: Settings, program: Program, nameOrigin: string): Readonly<Record<string, string>> {
  const origins: [string, string][] = [['name', nameOrigin]];
  for (const key of KEY_PATHS) {
    const { place, parts } = settings.get(key) ?? { place: { kind: 'default' } as const };
    if (key === 'name' || isOfOtherProgram(key, program)) continue;
    origins.push([key, formatPlace(place)]);
    for (const [part, partPlace] of Object.entries(parts ?? {}))
      origins.push([`${key}.${part}`, formatPlace(partPlace)]);
  }
  return deepFreeze(Object.fromEntries(origins));
}

function isOfOtherProgram(key: KeyPath, program: Program): boolean {
  if (program.kind === 'node') return key === 'command';
  return key === 'entry' || ONLY_OF_ENTRIES.has(key);
}
