/**
 * What is in force while a service runs whose file was changed: the configuration that it had, with the new values of
 * those keys that apply live. The others stay what they were for the generation that serves, and are named.
 *
 * Pure, and data: which key applies how is in the table of keys, where its value is in a `Config` is below.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Config, ProbeConfig, ProcessConfig } from './config.js';
import { deepFreeze } from './deep-freeze.js';
import { type Applies, KEY_PATHS, type KeyPath, keyOf } from './keys.js';

export interface InForce {
  readonly config: Config;
  /** What has changed by this, as keys of batond.toml. */
  readonly changed: readonly string[];
  /** What is to change by more than this, and by what. */
  readonly pending: readonly Pending[];
}

export interface Pending {
  readonly key: string;
  readonly needs: Exclude<Applies, 'live'>;
}

/** Keys that make one value together share its place. */
export const PLACES: Readonly<Record<KeyPath, string>> = {
  name: 'name',
  entry: 'program.entry',
  args: 'program.args',
  command: 'program.command',
  runtime: 'program.runtime',
  runtime_args: 'program.runtimeArgs',
  directory: 'directory',
  workers: 'workers',
  ready: 'ready',
  env: 'env',
  listener: 'listeners',
  on_dependency_failure: 'onDependencyFailure',
  'service.process': 'processes',
  'healing.rule': 'healing.rules',
  'upgrade.ready_timeout': 'upgrade.readyTimeoutMs',
  'upgrade.drain_timeout': 'upgrade.drainTimeoutMs',
  'upgrade.takeover_timeout': 'upgrade.takeoverTimeoutMs',
  'upgrade.probe': 'upgrade.probe',
  'upgrade.canary': 'upgrade.canary',
  'upgrade.soak': 'upgrade.soakMs',
  'upgrade.regret': 'upgrade.regretMs',
  'upgrade.state_max': 'upgrade.stateMaxBytes',
  'upgrade.admission': 'admission.state',
  'upgrade.min_interval': 'admission.minIntervalMs',
  'upgrade.freeze': 'admission.freeze',
  'upgrade.min_trust': 'upgrade.minTrust',
  'soak.error_ratio': 'soak.errorRatio',
  'soak.p99': 'soak.p99Ms',
  'soak.delay': 'soak.delayMs',
  'soak.memory_growth': 'soak.memoryGrowth',
  'upgrade.on_failure': 'evidence.onFailure',
  'evidence.max': 'evidence.maxBytes',
  'evidence.cpu_time': 'evidence.cpuMs',
  'release.current': 'release.current',
  'release.debounce': 'release.debounceMs',
  'release.recheck': 'release.recheckMs',
  'release.verify': 'release.verify',
  'release.public_key': 'release.publicKey',
  'release.revert': 'release.revert',
  'hooks.pre_reload': 'hooks.preReload',
  'hooks.post_reload': 'hooks.postReload',
  'hooks.on_error': 'hooks.onError',
  'hooks.timeout': 'hooks.timeoutMs',
  degrade: 'degrade',
  'stop.kill_timeout': 'stop.killTimeoutMs',
  'restart.delay': 'restart.delayMs',
  'restart.delay_max': 'restart.delayMaxMs',
  'restart.limit': 'restart.limit',
  'restart.stable': 'restart.stableMs',
  'restart.budget': 'restart.budget',
  'restart.window': 'restart.windowMs',
  'probe.startup.path': 'probes.startup',
  'probe.startup.check': 'probes.startup',
  'probe.startup.notify': 'probes.startup',
  'probe.startup.status': 'probes.startup',
  'probe.startup.timeout': 'probes.startup',
  'probe.startup.interval': 'probes.startup',
  'probe.startup.successes': 'probes.startup',
  'probe.readiness.path': 'probes.readiness',
  'probe.readiness.check': 'probes.readiness',
  'probe.readiness.notify': 'probes.readiness',
  'probe.readiness.status': 'probes.readiness',
  'probe.readiness.timeout': 'probes.readiness',
  'probe.readiness.interval': 'probes.readiness',
  'probe.readiness.failures': 'probes.readiness',
  'probe.readiness.successes': 'probes.readiness',
  'probe.liveness.path': 'probes.liveness',
  'probe.liveness.check': 'probes.liveness',
  'probe.liveness.notify': 'probes.liveness',
  'probe.liveness.status': 'probes.liveness',
  'probe.liveness.timeout': 'probes.liveness',
  'probe.liveness.interval': 'probes.liveness',
  'probe.liveness.failures': 'probes.liveness',
  'health.degraded_failures': 'health.levels.degradedFailures',
  'health.degraded_within': 'health.levels.degradedWithinMs',
  'health.unhealthy_failures': 'health.levels.unhealthyFailures',
  'health.unhealthy_within': 'health.levels.unhealthyWithinMs',
  'health.recover_samples': 'health.levels.recoverSamples',
  'health.check_timeout': 'health.checkTimeoutMs',
  'health.regret_after': 'health.regretAfterMs',
  'admin.agent': 'admin.agent',
  'admin.dashboard': 'admin.dashboard',
  'admin.listen': 'admin.listen',
  'control.read': 'control.read',
  'control.act': 'control.act',
  'log.level': 'log.level',
  'log.workers': 'log.workers',
};

/** `before` is in force, `next` is what the file says now. */
export function inForce(before: Config, next: Config): InForce {
  const config = structuredClone(before);
  const changed = new Set<string>();
  const pending = new Map<string, Pending>();
  put(config, 'file', next.file);
  const seen = new Set<string>();
  for (const key of KEY_PATHS) {
    const place = PLACES[key];
    if (seen.has(place)) continue;
    seen.add(place);
    const [had, wanted] = [at(before, place), at(next, place)];
    if (isDeepStrictEqual(had, wanted) || isOfOtherProgram(key, before, next)) continue;
    const { applies } = keyOf(key);
    if (key === 'service.process') {
      const [mine, theirs] = [before.processes ?? [], next.processes ?? []];
      const merged = withWorkersOf(mine, theirs);
      if (!isDeepStrictEqual(merged, mine)) {
        changed.add('service.process.workers');
        put(config, place, merged);
      }
      if (!isDeepStrictEqual(merged, theirs)) pending.set(key, { key, needs: 'reload' });
    } else if (applies === 'live' && !isToldAtStart(had) && !isToldAtStart(wanted)) {
      put(config, place, wanted);
      changed.add(nameOf(key));
    } else {
      const named = nameOf(key);
      pending.set(named, { key: named, needs: applies === 'live' ? 'reload' : applies });
    }
  }
  return { config: deepFreeze(config), changed: [...changed], pending: [...pending.values()] };
}

/** A program finds in its environment how often it has to say WATCHDOG=1. */
function isToldAtStart(value: unknown): boolean {
  return (value as ProbeConfig | null | undefined)?.by?.kind === 'notify';
}

/** An entry that becomes a command, or the other way round, is one change and not five. */
function isOfOtherProgram(key: KeyPath, before: Config, next: Config): boolean {
  if (before.program.kind === next.program.kind || !PLACES[key].startsWith('program.')) return false;
  return key !== (next.program.kind === 'node' ? 'entry' : 'command');
}

/** Of processes that are the same but for it, the number of workers is that of the new ones. */
function withWorkersOf(before: readonly ProcessConfig[], next: readonly ProcessConfig[]): ProcessConfig[] {
  return before.map((one) => {
    const workers = next.find(({ name }) => name === one.name)?.workers;
    return workers === undefined ? one : { ...one, workers };
  });
}

/** The key, or what it has in common with those that make one value with it: "probe.readiness". */
function nameOf(key: KeyPath): string {
  const isShared = KEY_PATHS.some((other) => other !== key && PLACES[other] === PLACES[key]);
  return isShared ? key.slice(0, key.lastIndexOf('.')) : key;
}

/** What an older batond has written may lack a part. */
function at(config: Config, place: string): unknown {
  return place
    .split('.')
    .reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], config);
}

function put(config: Config, place: string, value: unknown): void {
  const parts = place.split('.');
  const last = parts.pop()!;
  let target = config as unknown as Record<string, unknown>;
  for (const part of parts) {
    target[part] ??= {};
    target = target[part] as Record<string, unknown>;
  }
  if (value === undefined) delete target[last];
  else target[last] = structuredClone(value);
}
