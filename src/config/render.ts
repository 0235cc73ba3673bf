/**
 * What a config comes to, for `batond check`: what would be run and until when it is waited for, and beside each value
 * where it comes from, because that is the question when a service does not do what was meant.
 */
import { type Account, formatAccount } from './account.js';
import { formatAddress } from './address.js';
import { admissionOf } from './admission.js';
import { formatStep } from './canary-steps.js';
import type { CanaryStep, Config, ProbeConfig } from './config.js';
import { formatDuration } from './duration.js';
import { describeRule } from './healing-rules.js';
import { healthOf, type ProbeName, probesOf } from './health.js';
import type { LoadedConfig } from './load.js';
import { describeProcess } from './processes.js';
import { formatShare } from './share.js';
import { formatSize } from './size.js';

/** Lines of `key  value  origin`, in columns. */
export function renderConfig({ config, origins }: LoadedConfig): string {
  const rows = rowsOf(config).map(([key, value]): Row => [key, value, origins[key] ?? '']);
  const width = (column: 0 | 1) =>
    Math.max(...rows.map((row) => row[column].length).filter((length) => length <= MAX_WIDTH));
  const [keyWidth, valueWidth] = [width(0), width(1)];
  return rows
    .map(([key, value, origin]) => `${key.padEnd(keyWidth)}  ${value.padEnd(valueWidth)}  ${origin}`.trimEnd())
    .join('\n');
}

/** The same facts for programs: the config as it is, durations in milliseconds, and the origin of each key. */
export function configFacts({ config, origins }: LoadedConfig): { config: Config; origins: Record<string, string> } {
  return { config, origins: { ...origins } };
}

type Row = readonly [key: string, value: string, origin: string];

/** A longer value pushes its own origin to the right, not everybody's. */
const MAX_WIDTH = 60;

function rowsOf(config: Config): [string, string][] {
  const { program, upgrade, restart } = config;
  const listeners = config.listeners.map(({ name, address }) => `${name} ${formatAddress(address)}`);
  return [
    ['name', config.name],
    ...programRows(program),
    ['directory', config.directory],
    ['workers', `${config.workers}`],
    ['ready', config.ready],
    // The values stay out: this output ends up in tickets, and passwords are in the environment.
    ...Object.keys(config.env).map((name): [string, string] => [`env.${name}`, '(set)']),
    ['listener', listeners.length === 0 ? 'none declared' : listeners.join(', ')],
    ...(config.processes ?? []).map((one): [string, string] => ['service.process', describeProcess(one, quote)]),
    ...Object.keys(config.onDependencyFailure).map((name): [string, string] => [
      `on_dependency_failure.${name}`,
      '(set)',
    ]),
    ...(config.healing.rules.length === 0
      ? []
      : ([['healing.rule', config.healing.rules.map(describeRule).join(', ')]] as [string, string][])),
    ['upgrade.ready_timeout', formatDuration(upgrade.readyTimeoutMs)],
    ['upgrade.drain_timeout', formatDuration(upgrade.drainTimeoutMs)],
    ['upgrade.takeover_timeout', formatDuration(upgrade.takeoverTimeoutMs)],
    ...(program.kind === 'node' ? [['upgrade.probe', upgrade.probe ?? 'none'] as [string, string]] : []),
    ...(program.kind === 'node' ? [['upgrade.canary', canary(upgrade.canary ?? [])] as [string, string]] : []),
    ['upgrade.soak', upgrade.soakMs === 0 ? 'none' : formatDuration(upgrade.soakMs ?? 0)],
    ['upgrade.regret', formatDuration(upgrade.regretMs)],
    ...(program.kind === 'node' ? [['upgrade.state_max', formatSize(upgrade.stateMaxBytes)] as [string, string]] : []),
    ...admissionRows(config),
    ...soakRows(config),
    ...evidenceRows(config),
    ...releaseRows(config),
    ...(config.degrade ?? []).map(({ when, weight }): [string, string] => ['degrade', `${when}: weight ${weight}`]),
    ['stop.kill_timeout', formatDuration(config.stop.killTimeoutMs)],
    ['restart.delay', formatDuration(restart.delayMs)],
    ['restart.delay_max', formatDuration(restart.delayMaxMs)],
    ['restart.limit', `${restart.limit}`],
    ['restart.stable', formatDuration(restart.stableMs)],
    ['restart.budget', `${restart.budget}`],
    ['restart.window', formatDuration(restart.windowMs)],
    ...probeRows(config),
    ...healthRows(config),
    ['control.read', accounts(config.control.read)],
    ['control.act', accounts(config.control.act)],
    ['log.level', config.log.level],
    ['log.workers', config.log.workers ?? 'text'],
  ];
}

function probeRows(config: Config): [string, string][] {
  return Object.entries(probesOf(config) as Readonly<Record<ProbeName, ProbeConfig | null>>).flatMap(
    ([name, probe]) => {
      if (probe === null) return [];
      const key = `probe.${name}`;
      const { by, timeoutMs, intervalMs, failures, successes } = probe;
      const rows: [string, string][] = [
        [`${key}.${by.kind}`, by.kind === 'path' ? by.path : by.kind === 'check' ? by.check : 'true'],
      ];
      if (by.kind === 'path') rows.push([`${key}.status`, `${by.minStatus}-${by.maxStatus}`]);
      if (by.kind !== 'notify') rows.push([`${key}.timeout`, formatDuration(timeoutMs)]);
      rows.push([`${key}.interval`, formatDuration(intervalMs)]);
      if (name !== 'startup') rows.push([`${key}.failures`, `${failures}`]);
      if (name !== 'liveness') rows.push([`${key}.successes`, `${successes}`]);
      return rows;
    },
  );
}

function healthRows(config: Config): [string, string][] {
  const { levels, checkTimeoutMs, regretAfterMs } = healthOf(config);
  const listen = config.admin?.listen ?? null;
  return [
    ['health.degraded_failures', `${levels.degradedFailures}`],
    ['health.degraded_within', formatDuration(levels.degradedWithinMs)],
    ['health.unhealthy_failures', `${levels.unhealthyFailures}`],
    ['health.unhealthy_within', formatDuration(levels.unhealthyWithinMs)],
    ['health.recover_samples', `${levels.recoverSamples}`],
    ['health.check_timeout', formatDuration(checkTimeoutMs)],
    ['health.regret_after', formatDuration(regretAfterMs)],
    ...(config.admin?.agent == null ? [] : [['admin.agent', formatAddress(config.admin.agent)] as [string, string]]),
    ...(listen === null ? [] : [['admin.dashboard', `${config.admin?.dashboard ?? true}`] as [string, string]]),
    ['admin.listen', listen === null ? 'nowhere' : formatAddress(listen)],
  ];
}

function admissionRows(config: Config): [string, string][] {
  const { state, minIntervalMs, freeze } = admissionOf(config);
  return [
    ['upgrade.admission', state ? 'on' : 'off'],
    ['upgrade.min_interval', formatDuration(minIntervalMs)],
    ['upgrade.freeze', freeze.map(({ from, to }) => `${from} to ${to}`).join(', ') || 'never'],
  ];
}

function canary(steps: readonly CanaryStep[]): string {
  return steps.length === 0 ? 'none: all at once' : steps.map(formatStep).join(', ');
}

function soakRows({ program, upgrade, soak }: Config): [string, string][] {
  if (program.kind !== 'node' || soak === undefined || (upgrade.soakMs ?? 0) === 0) return [];
  return [
    ['upgrade.min_trust', `${upgrade.minTrust ?? 0}`],
    ['soak.error_ratio', formatShare(soak.errorRatio * 1_000)],
    ['soak.p99', formatDuration(soak.p99Ms)],
    ['soak.delay', formatDuration(soak.delayMs)],
    ['soak.memory_growth', formatSize(soak.memoryGrowth)],
  ];
}

function evidenceRows({ program, evidence }: Config): [string, string][] {
  if (program.kind !== 'node' || evidence === undefined) return [];
  const { onFailure, maxBytes, cpuMs } = evidence;
  if (onFailure.length === 0) return [['upgrade.on_failure', 'nothing is kept']];
  return [
    ['upgrade.on_failure', onFailure.join(', ')],
    ['evidence.max', formatSize(maxBytes)],
    ...(onFailure.includes('cpu') ? [['evidence.cpu_time', formatDuration(cpuMs)] as [string, string]] : []),
  ];
}

function releaseRows({ release, hooks }: Config): [string, string][] {
  const { current, verify, publicKey } = release;
  const hookRows = [
    ['hooks.pre_reload', hooks.preReload],
    ['hooks.post_reload', hooks.postReload],
    ['hooks.on_error', hooks.onError],
  ] as const;
  const said = hookRows.flatMap(([key, argv]): [string, string][] => (argv === null ? [] : [[key, quote(argv)]]));
  return [
    ['release.current', current ?? 'none watched'],
    ...(current === null
      ? []
      : ([
          ['release.debounce', formatDuration(release.debounceMs)],
          ['release.recheck', formatDuration(release.recheckMs)],
          ['release.revert', `${release.revert}`],
        ] as [string, string][])),
    ['release.verify', verify],
    ...(publicKey === null ? [] : [['release.public_key', publicKey] as [string, string]]),
    ...said,
    ...(said.length === 0 ? [] : [['hooks.timeout', formatDuration(hooks.timeoutMs)] as [string, string]]),
  ];
}

function accounts(list: readonly Account[]): string {
  return list.length === 0 ? 'nobody else' : list.map(formatAccount).join(', ');
}

function programRows(program: Config['program']): [string, string][] {
  if (program.kind === 'command') return [['command', quote(program.command)]];
  return [
    ['entry', program.entry],
    ...(program.args.length > 0 ? [['args', quote(program.args)] as [string, string]] : []),
    ['runtime', program.runtime],
    ...(program.runtimeArgs.length > 0 ? [['runtime_args', quote(program.runtimeArgs)] as [string, string]] : []),
  ];
}

/** For reading, with quotes only where a word would fall apart. */
function quote(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
}
