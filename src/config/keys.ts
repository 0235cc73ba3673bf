/**
 * Every key of batond.toml in one table: its type and limits, its default, its flag and what it is for. The checks, the
 * flags of `batond run`, the help and the reference are read off this table, so that no two of them can disagree.
 *
 * It is our own and not a schema of a library on purpose: a message must name the line, what was found and what is
 * allowed in words of this table, which no library's messages do, and its import would cost each reload 4 ms.
 */

import { WEEK_TIME } from '../admission/freeze.js';
import { EVIDENCE_KINDS } from '../channel/messages.js';
import { ACTIONS, CAUSES } from '../healing/rules.js';
import { SIGNAL_NAMES } from '../signals.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** What a value must be. `ms` limits are of the parsed duration, those in bytes of the parsed size. */
export type KeyType =
  | { readonly kind: 'text'; readonly pattern: RegExp; readonly allowed: string }
  | { readonly kind: 'path' }
  /** The name of a program to look up in PATH, or a path. */
  | { readonly kind: 'program' }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly word?: string }
  | { readonly kind: 'duration'; readonly minMs: number; readonly maxMs: number }
  | { readonly kind: 'size'; readonly minBytes: number; readonly maxBytes: number }
  /** A part of all, in whole thousandths; the value is their number. */
  | { readonly kind: 'share' }
  | { readonly kind: 'choice'; readonly of: readonly string[] }
  /** Some of these words, each once at most. */
  | { readonly kind: 'choices'; readonly of: readonly string[] }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'texts'; readonly minItems: number }
  | { readonly kind: 'environment' }
  /** Users and groups of this machine. */
  | { readonly kind: 'accounts' }
  | { readonly kind: 'address' }
  /** When a circuit fires: see src/circuit/when.ts. */
  | { readonly kind: 'condition' }
  | { readonly kind: 'tables'; readonly keys: Readonly<Record<string, Key>>; readonly maxItems?: number };

export interface Key {
  readonly type: KeyType;
  /** As one would write it; `null` where there is none or it is worked out, which `about` then says. */
  readonly default: string | number | boolean | readonly string[] | Readonly<Record<string, string>> | null;
  readonly required?: true;
  readonly flag?: { readonly property: keyof ConfigFlags; readonly option: string };
  readonly applies: Applies;
  readonly about: string;
}

/**
 * How a value that was changed in the file of a running service comes into force: at once; with the next reload, since it
 * is of the workers; or only when the service is stopped and started. Of tables each key says so for itself.
 */
export type Applies = 'live' | 'reload' | 'restart';

/** What `batond run` was given, as commander hands it over: text that nobody has looked at yet. */
export interface ConfigFlags {
  readonly entry?: string | undefined;
  /** What stands behind `--`. */
  readonly args?: readonly string[] | undefined;
  readonly name?: string | undefined;
  readonly directory?: string | undefined;
  readonly runtime?: string | undefined;
  readonly runtimeArg?: readonly string[] | undefined;
  readonly workers?: string | undefined;
  readonly ready?: string | undefined;
  /** KEY=VALUE, each added to the file's [env] or in place of it. */
  readonly env?: readonly string[] | undefined;
  readonly readyTimeout?: string | undefined;
  readonly drainTimeout?: string | undefined;
  readonly takeoverTimeout?: string | undefined;
  readonly probe?: string | undefined;
  readonly killTimeout?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly logWorkers?: string | undefined;
}

const duration = { kind: 'duration', minMs: 1, maxMs: DAY_MS } as const;
const durationOrNone = { kind: 'duration', minMs: 0, maxMs: DAY_MS } as const;
const texts = { kind: 'texts', minItems: 0 } as const;
const argv = { kind: 'texts', minItems: 1 } as const;

const NAME = {
  kind: 'text',
  pattern: /^[a-z0-9][a-z0-9_.-]{0,63}$/,
  allowed: 'a-z, 0-9, "_", "." and "-", the first a letter or a digit, at most 64',
} as const;

const HTTP_PATH = {
  kind: 'text',
  pattern: /^\/[\x21-\x7e]*$/,
  allowed: 'a path of an HTTP request that begins with "/"',
} as const;

const STATUS = {
  kind: 'text',
  pattern: /^[1-5]\d\d(-[1-5]\d\d)?$/,
  allowed: 'a status or a range of them, such as "200" or "200-399"',
} as const;

/** As apps name what they register. */
const CHECK = {
  kind: 'text',
  pattern: /^[a-zA-Z][\w.:-]{0,63}$/,
  allowed: 'the name of a check: a letter, then letters, digits, "_", ".", ":" and "-", at most 64',
} as const;

const count = { kind: 'integer', min: 1, max: 1000 } as const;

export const LISTENER_KEYS = {
  name: {
    // The inventory calls the listeners that an app asked for listener-1, listener-2 and so on.
    type: {
      ...NAME,
      pattern: /^(?!listener-\d+$)[a-z0-9][a-z0-9_.-]{0,63}$/,
      allowed: `${NAME.allowed}, not listener-N`,
    },
    default: null,
    required: true,
    applies: 'reload',
    about: 'What the program finds it by, in LISTEN_FDNAMES.',
  },
  address: {
    type: { kind: 'address' },
    default: null,
    required: true,
    applies: 'reload',
    about: 'A port, a host and a port, the path of a Unix socket, or "@" and the name of an abstract one.',
  },
  backlog: {
    type: { kind: 'integer', min: 1, max: 65535 },
    default: 511,
    applies: 'reload',
    about: 'How many connections may wait to be accepted; the kernel cuts it to net.core.somaxconn.',
  },
} as const satisfies Record<string, Key>;

export const RULE_KEYS = {
  name: {
    type: NAME,
    default: null,
    applies: 'live',
    about: 'What the journal and the status call the rule by; by default the end that it is for.',
  },
  status: {
    type: { kind: 'integer', min: 0, max: 255 },
    default: null,
    applies: 'live',
    about: 'The exit status that it is for. A rule has one of status, signal and cause.',
  },
  signal: {
    type: {
      kind: 'text',
      pattern: new RegExp(`^(${[...SIGNAL_NAMES.values()].join('|')})$`),
      allowed: 'the name of a signal, such as "SIGTERM"',
    },
    default: null,
    applies: 'live',
    about: 'The signal that it is for.',
  },
  cause: {
    type: { kind: 'choice', of: CAUSES },
    default: null,
    applies: 'live',
    about: 'What it is for where batond knows why a worker ended: the kernel was out of memory, or batond killed it.',
  },
  action: {
    type: { kind: 'choice', of: ACTIONS },
    default: null,
    required: true,
    applies: 'live',
    about: 'What is done: see "When a worker ends" in the README.',
  },
  delay: {
    type: durationOrNone,
    default: null,
    applies: 'live',
    about: 'The pause before it is started again, of "retry" (by default 2s) and "standby" (by default none).',
  },
} as const satisfies Record<string, Key>;

export const PROCESS_KEYS = {
  name: {
    // The program that the service is named for is "main" wherever a worker's process is named.
    type: { ...NAME, pattern: /^(?!main$)[a-z0-9][a-z0-9_.-]{0,63}$/, allowed: `${NAME.allowed}, not main` },
    default: null,
    required: true,
    applies: 'reload',
    about: 'What it is called in the status and in the journal.',
  },
  entry: {
    type: { kind: 'path' },
    default: null,
    applies: 'reload',
    about: 'The Node program, relative to directory; it has the runtime of the service. Or a command.',
  },
  command: {
    type: argv,
    default: null,
    applies: 'reload',
    about: 'In place of entry: any program that says READY=1, and its arguments.',
  },
  args: { type: texts, default: [], applies: 'reload', about: 'Arguments of the entry.' },
  workers: { type: { kind: 'integer', min: 1, max: 256 }, default: 1, applies: 'live', about: 'How many of it run.' },
  env: { type: { kind: 'environment' }, default: {}, applies: 'reload', about: 'Variables on top of env.' },
  ready: {
    type: { kind: 'choice', of: ['listen', 'notify', 'load'] },
    default: null,
    applies: 'reload',
    about: 'When it is ready. "load"; for a command always "notify".',
  },
  tier: {
    type: { kind: 'choice', of: ['core', 'auxiliary'] },
    default: 'core',
    applies: 'reload',
    about:
      'A core process is started and switched with the main program, and the reload fails with it. Of an auxiliary one ' +
      'two generations never run at once, and no reload waits for it or fails with it.',
  },
} as const satisfies Record<string, Key>;

const WEEK_TIME_TYPE = {
  kind: 'text',
  pattern: WEEK_TIME,
  allowed: 'a time of the week such as "Fri 18:00", or of every day such as "22:00"',
} as const;

export const FREEZE_KEYS = {
  from: {
    type: WEEK_TIME_TYPE,
    default: null,
    required: true,
    applies: 'live',
    about: 'When it begins, in local time: "Fri 18:00", or "22:00" for every day.',
  },
  to: {
    type: WEEK_TIME_TYPE,
    default: null,
    required: true,
    applies: 'live',
    about: 'When it ends, written in the same way.',
  },
} as const satisfies Record<string, Key>;

export const DEGRADE_KEYS = {
  when: {
    type: { kind: 'condition' },
    default: null,
    required: true,
    applies: 'live',
    about: 'Conditions, and for how long one of them must hold: "cpu_throttled|memory_pressure|p99>1200ms for 30s".',
  },
  weight: {
    type: { kind: 'integer', min: 0, max: 100 },
    default: 100,
    applies: 'live',
    about: 'How many hundredths of its traffic the service should then get; of several that fire the lowest.',
  },
  run: {
    type: argv,
    default: null,
    applies: 'live',
    about: 'A program and its arguments, run when it fires; hooks.timeout is its too.',
  },
  run_over: { type: argv, default: null, applies: 'live', about: 'The same, run when it is over.' },
} as const satisfies Record<string, Key>;

export const CANARY_KEYS = {
  weight: {
    type: { kind: 'share' },
    default: null,
    applies: 'live',
    about: 'The share of new connections, or of the values of a header or cookie, that goes to the next generation.',
  },
  header: {
    type: {
      kind: 'text',
      pattern: /^(?=.{1,256}$)[!#$%&'*+.^_`|~0-9A-Za-z-]+(:[ \t]*[!-~]([ -~]*[!-~])?)?$/,
      allowed: 'a header and its value, "x-canary: v2", or its name alone beside a weight',
    },
    default: null,
    applies: 'live',
    about: 'Only connections whose first request has it: that value, or a share of all its values.',
  },
  cookie: {
    type: {
      kind: 'text',
      pattern: /^(?=.{1,256}$)[!#$%&'*+.^_`|~0-9A-Za-z-]+(=[!#-+\--:<-[\]-~]+)?$/,
      allowed: 'a cookie and its value, "beta=yes", or its name alone beside a weight',
    },
    default: null,
    applies: 'live',
    about: 'The same of a cookie.',
  },
  for: { type: duration, default: null, required: true, applies: 'live', about: 'How long the step lasts.' },
} as const satisfies Record<string, Key>;

export const KEYS = {
  name: {
    type: NAME,
    default: null,
    flag: { property: 'name', option: '--name <name>' },
    applies: 'restart',
    about: 'The name of the service; by default that of its package.json, else of its directory or its command.',
  },
  entry: {
    type: { kind: 'path' },
    default: null,
    flag: { property: 'entry', option: '[entry]' },
    applies: 'reload',
    about: 'The Node program, relative to directory; on the command line relative to --directory or where you are.',
  },
  args: {
    type: texts,
    default: [],
    flag: { property: 'args', option: '-- [args...]' },
    applies: 'reload',
    about: 'Arguments of the entry.',
  },
  command: {
    type: { kind: 'texts', minItems: 1 },
    default: null,
    applies: 'reload',
    about: 'In place of entry: any program that takes LISTEN_FDS and says READY=1, and its arguments.',
  },
  runtime: {
    type: { kind: 'program' },
    default: 'node',
    flag: { property: 'runtime', option: '--runtime <program>' },
    applies: 'reload',
    about: 'What runs the entry: a path, or a name to look up in PATH.',
  },
  runtime_args: {
    type: texts,
    default: [],
    flag: { property: 'runtimeArg', option: '--runtime-arg <arg>' },
    applies: 'reload',
    about: 'Arguments of the runtime, before the entry.',
  },
  directory: {
    type: { kind: 'path' },
    default: null,
    flag: { property: 'directory', option: '--directory <path>' },
    applies: 'reload',
    about: 'The working directory; by default that of the config file, without a file the one you are in.',
  },
  workers: {
    type: { kind: 'integer', min: 1, max: 256, word: 'auto' },
    default: 1,
    flag: { property: 'workers', option: '--workers <number>' },
    applies: 'live',
    about: 'How many processes serve; "auto" is one for each core.',
  },
  ready: {
    type: { kind: 'choice', of: ['listen', 'notify', 'load'] },
    default: null,
    flag: { property: 'ready', option: '--ready <by>' },
    applies: 'reload',
    about: 'When a worker is ready: it listens, it says so, or it is loaded. "listen"; for a command always "notify".',
  },
  env: {
    type: { kind: 'environment' },
    default: {},
    flag: { property: 'env', option: '--env <KEY=VALUE>' },
    applies: 'reload',
    about: 'Variables for the workers, on top of the environment of batond.',
  },
  listener: {
    type: { kind: 'tables', keys: LISTENER_KEYS },
    default: null,
    applies: 'reload',
    about: 'Sockets that are bound before the first worker starts; a Node program needs none of them.',
  },
  on_dependency_failure: {
    type: { kind: 'environment' },
    default: {},
    applies: 'reload',
    about: 'Variables on top of env for a worker that is started again because a dependency refused: a standby of it.',
  },
  'service.process': {
    type: { kind: 'tables', keys: PROCESS_KEYS },
    default: null,
    applies: 'reload',
    about: 'Processes of the same release that run beside the main program: a consumer of a queue, a loop of jobs.',
  },
  'healing.rule': {
    type: { kind: 'tables', keys: RULE_KEYS },
    default: null,
    applies: 'live',
    about: 'What is done when a worker has ended, before the rules that are built in; the first that fits is followed.',
  },
  'upgrade.ready_timeout': {
    type: duration,
    default: '30s',
    flag: { property: 'readyTimeout', option: '--ready-timeout <duration>' },
    applies: 'live',
    about:
      'From the start of a candidate until all its workers are ready; and until a worker has saved or restored its ' +
      'state. Then the reload has failed.',
  },
  'upgrade.drain_timeout': {
    type: durationOrNone,
    default: '30s',
    flag: { property: 'drainTimeout', option: '--drain-timeout <duration>' },
    applies: 'live',
    about: 'How long an old worker may go on with what it has in hand before it gets SIGTERM.',
  },
  'upgrade.takeover_timeout': {
    type: duration,
    default: '10s',
    flag: { property: 'takeoverTimeout', option: '--takeover-timeout <duration>' },
    applies: 'live',
    about: 'From the start of the next supervisor until it has taken over; then it is killed.',
  },
  'upgrade.probe': {
    type: HTTP_PATH,
    default: null,
    flag: { property: 'probe', option: '--probe <path>' },
    applies: 'live',
    about: 'An HTTP path that each candidate worker must answer with 200 to 399 before it serves.',
  },
  'upgrade.canary': {
    type: { kind: 'tables', keys: CANARY_KEYS, maxItems: 16 },
    default: null,
    applies: 'live',
    about:
      'Steps before the switch, each { weight = 0.001, for = "5m" }: shares of the new TCP connections that the next ' +
      'generation gets first.',
  },
  'upgrade.soak': {
    type: durationOrNone,
    default: '0s',
    applies: 'live',
    about:
      'For so long the next generation serves on trial, beside the one before it: where it is worse (see soak) it is ' +
      'taken back.',
  },
  'upgrade.regret': {
    type: durationOrNone,
    default: '5m',
    applies: 'live',
    about: 'For so long after a reload a generation that keeps crashing is given up for the last good one.',
  },
  'upgrade.state_max': {
    type: { kind: 'size', minBytes: 1_024, maxBytes: 16 * 2 ** 30 },
    default: '256MiB',
    applies: 'live',
    about: 'The most that one worker may give to the next generation with state.save; more is refused.',
  },
  'upgrade.admission': {
    type: { kind: 'choice', of: ['on', 'off'] },
    default: 'on',
    applies: 'live',
    about: 'Whether a reload is refused where there is no room for two generations, or the service is UNHEALTHY.',
  },
  'upgrade.min_interval': {
    type: durationOrNone,
    default: '0s',
    applies: 'live',
    about: 'A reload is refused until the generation that serves has done so for so long.',
  },
  'upgrade.freeze': {
    type: { kind: 'tables', keys: FREEZE_KEYS },
    default: null,
    applies: 'live',
    about: 'Windows of the week in which no reload begins, such as [{ from = "Fri 18:00", to = "Mon 06:00" }].',
  },
  'upgrade.min_trust': {
    type: { kind: 'share' },
    default: 0.995,
    applies: 'live',
    about: 'On trial: the part of its time in which the next generation must have been healthy by its own checks.',
  },
  'soak.error_ratio': {
    type: { kind: 'share' },
    default: 0.005,
    applies: 'live',
    about: 'On trial: the share of requests that may fail (5xx, broken off), on top of what failed before.',
  },
  'soak.p99': {
    type: durationOrNone,
    default: '50ms',
    applies: 'live',
    about: 'On trial: how slow the 99th percentile may be, on top of twice what it was before.',
  },
  'soak.delay': {
    type: duration,
    default: '200ms',
    applies: 'live',
    about: 'On trial: how long the event loop of a worker may be blocked, on top of twice what was usual before.',
  },
  'soak.memory_growth': {
    type: { kind: 'size', minBytes: 1_024, maxBytes: 16 * 2 ** 30 },
    default: '5MiB',
    applies: 'live',
    about: 'On trial: how much a worker may grow each second, when it has become larger than those before it.',
  },
  'upgrade.on_failure': {
    type: { kind: 'choices', of: EVIDENCE_KINDS },
    default: [],
    applies: 'live',
    about: 'What is kept of a candidate that failed, in the state directory: see "Evidence" in the README.',
  },
  'evidence.max': {
    type: { kind: 'size', minBytes: 1_024, maxBytes: 16 * 2 ** 30 },
    default: '512MiB',
    applies: 'live',
    about: 'The most that all of it together may take; the oldest is removed first.',
  },
  'evidence.cpu_time': {
    type: { kind: 'duration', minMs: 1, maxMs: 60_000 },
    default: '5s',
    applies: 'live',
    about: 'How long the profile of "cpu" lasts.',
  },
  'release.current': {
    type: { kind: 'path' },
    default: null,
    applies: 'reload',
    about: 'The symlink to the release: when it is pointed elsewhere, the service is reloaded by itself.',
  },
  'release.debounce': {
    type: durationOrNone,
    default: '200ms',
    applies: 'live',
    about: 'For so long release.current must have been left alone before it is looked at.',
  },
  'release.recheck': {
    type: duration,
    default: '30s',
    applies: 'live',
    about: 'How often release.current is looked at without being told that it changed.',
  },
  'release.verify': {
    type: { kind: 'choice', of: ['off', 'manifest', 'signature'] },
    default: 'off',
    applies: 'live',
    about: 'What a release must have before it is run: nothing, an unbroken seal, or one that is signed too.',
  },
  'release.public_key': {
    type: { kind: 'path' },
    default: null,
    applies: 'live',
    about: 'The ed25519 key (PEM) that signatures are checked with; relative to the config file.',
  },
  'release.revert': {
    type: { kind: 'boolean' },
    default: false,
    applies: 'live',
    about: 'Whether release.current is pointed back to what serves when its release was refused.',
  },
  'hooks.pre_reload': {
    type: argv,
    default: null,
    applies: 'live',
    about: 'A program and its arguments, run before a reload starts workers; when it fails the reload is refused.',
  },
  'hooks.post_reload': {
    type: argv,
    default: null,
    applies: 'live',
    about: 'The same, run when the next generation serves; when it fails that is a warning.',
  },
  'hooks.on_error': {
    type: argv,
    default: null,
    applies: 'live',
    about: 'The same, run when a release was refused or given up.',
  },
  'hooks.timeout': {
    type: duration,
    default: '60s',
    applies: 'live',
    about: 'How long a hook may take before it and all that it started are killed.',
  },
  degrade: {
    type: { kind: 'tables', keys: DEGRADE_KEYS },
    default: null,
    applies: 'live',
    about: 'What is to happen while the service cannot keep up: a lower weight for load balancers, a program.',
  },
  'stop.kill_timeout': {
    type: duration,
    default: '5s',
    flag: { property: 'killTimeout', option: '--kill-timeout <duration>' },
    applies: 'live',
    about: 'From SIGTERM to a worker until SIGKILL to it and all that it started.',
  },
  'restart.delay': {
    type: durationOrNone,
    default: '100ms',
    applies: 'live',
    about: 'The pause before a crashed worker is started again; it doubles with each crash in a row.',
  },
  'restart.delay_max': { type: durationOrNone, default: '10s', applies: 'live', about: 'The longest such pause.' },
  'restart.limit': {
    type: { kind: 'integer', min: 1, max: 1000 },
    default: 10,
    applies: 'live',
    about: 'After so many crashes in a row in one slot the generation is given up.',
  },
  'restart.stable': {
    type: duration,
    default: '10s',
    applies: 'live',
    about: 'A worker that lived so long ends a row of crashes.',
  },
  'restart.budget': {
    type: { kind: 'integer', min: 1, max: 1000 },
    default: 30,
    applies: 'live',
    about:
      'After more crashes than that within restart.window, of all slots together, the generation is given up where ' +
      'nothing of it serves; where something does, and for ends that are no crash, each pause is the longest.',
  },
  'restart.window': { type: duration, default: '10m', applies: 'live', about: 'The time that restart.budget is for.' },
  'probe.startup.path': {
    type: HTTP_PATH,
    default: null,
    applies: 'live',
    about:
      'An HTTP path: asked of each worker that is ready, before it accepts, until it succeeds or upgrade.ready_timeout is over.',
  },
  'probe.startup.check': {
    type: CHECK,
    default: null,
    applies: 'live',
    about: 'In place of a path: a check that the app has registered.',
  },
  'probe.startup.notify': {
    type: { kind: 'boolean' },
    default: false,
    applies: 'reload',
    about: 'In place of a path: the command says WATCHDOG=1 on its notify socket at least every interval.',
  },
  'probe.startup.status': { type: STATUS, default: '200-399', applies: 'live', about: 'What the path has to answer.' },
  'probe.startup.timeout': { type: duration, default: '1s', applies: 'live', about: 'How long one answer may take.' },
  'probe.startup.interval': {
    type: duration,
    default: '1s',
    applies: 'live',
    about: 'From one question to the next; with notify the longest silence.',
  },
  'probe.startup.successes': {
    type: count,
    default: 1,
    applies: 'live',
    about: 'So many in a row, and it has succeeded.',
  },
  'probe.readiness.path': {
    type: HTTP_PATH,
    default: null,
    applies: 'live',
    about: 'An HTTP path: while it fails the worker accepts no more, unless it is the last one that does.',
  },
  'probe.readiness.check': {
    type: CHECK,
    default: null,
    applies: 'live',
    about: 'In place of a path: a check that the app has registered.',
  },
  'probe.readiness.notify': {
    type: { kind: 'boolean' },
    default: false,
    applies: 'reload',
    about: 'In place of a path: the command says WATCHDOG=1 on its notify socket at least every interval.',
  },
  'probe.readiness.status': {
    type: STATUS,
    default: '200-399',
    applies: 'live',
    about: 'What the path has to answer.',
  },
  'probe.readiness.timeout': { type: duration, default: '1s', applies: 'live', about: 'How long one answer may take.' },
  'probe.readiness.interval': {
    type: duration,
    default: '10s',
    applies: 'live',
    about: 'From one question to the next; with notify the longest silence.',
  },
  'probe.readiness.failures': {
    type: count,
    default: 3,
    applies: 'live',
    about: 'So many in a row, and it has failed.',
  },
  'probe.readiness.successes': {
    type: count,
    default: 1,
    applies: 'live',
    about: 'So many in a row, and it has succeeded.',
  },
  'probe.liveness.path': {
    type: HTTP_PATH,
    default: null,
    applies: 'live',
    about: 'An HTTP path: when it fails the worker is ended and its slot started again.',
  },
  'probe.liveness.check': {
    type: CHECK,
    default: null,
    applies: 'live',
    about: 'In place of a path: a check that the app has registered.',
  },
  'probe.liveness.notify': {
    type: { kind: 'boolean' },
    default: false,
    applies: 'reload',
    about: 'In place of a path: the command says WATCHDOG=1 on its notify socket at least every interval.',
  },
  'probe.liveness.status': { type: STATUS, default: '200-399', applies: 'live', about: 'What the path has to answer.' },
  'probe.liveness.timeout': { type: duration, default: '1s', applies: 'live', about: 'How long one answer may take.' },
  'probe.liveness.interval': {
    type: duration,
    default: '10s',
    applies: 'live',
    about: 'From one question to the next; with notify the longest silence.',
  },
  'probe.liveness.failures': {
    type: count,
    default: 3,
    applies: 'live',
    about: 'So many in a row, and it has failed.',
  },
  'health.degraded_failures': {
    type: count,
    default: 2,
    applies: 'live',
    about: 'So many failures of a worker (crashes, probes, checks) within health.degraded_within make it DEGRADED.',
  },
  'health.degraded_within': {
    type: duration,
    default: '60s',
    applies: 'live',
    about: 'The window of health.degraded_failures.',
  },
  'health.unhealthy_failures': {
    type: count,
    default: 4,
    applies: 'live',
    about: 'So many failures of a worker within health.unhealthy_within make it UNHEALTHY.',
  },
  'health.unhealthy_within': {
    type: duration,
    default: '2m',
    applies: 'live',
    about: 'The window of health.unhealthy_failures.',
  },
  'health.recover_samples': {
    type: count,
    default: 2,
    applies: 'live',
    about: 'So many good samples in a row before a level gets better, one step at a time.',
  },
  'health.check_timeout': {
    type: { kind: 'duration', minMs: 1, maxMs: 60_000 },
    default: '1s',
    applies: 'live',
    about: 'How long a worker may take to answer when its health is asked for.',
  },
  'health.regret_after': {
    type: duration,
    default: '30s',
    applies: 'live',
    about: 'UNHEALTHY for so long within upgrade.regret: the generation is given up for the last good one.',
  },
  'admin.agent': {
    type: { kind: 'address' },
    default: null,
    applies: 'live',
    about: 'Where HAProxy asks by agent-check what weight the service should have: a port, or a host and a port.',
  },
  'admin.dashboard': {
    type: { kind: 'boolean' },
    default: true,
    applies: 'reload',
    about:
      'Whether admin.listen also has a page that shows how the service is, at /, and one of each of the last reloads.',
  },
  'admin.listen': {
    type: { kind: 'address' },
    default: null,
    applies: 'live',
    about:
      'Where /healthz, /readyz and /livez are served to load balancers, and /metrics to Prometheus; a port alone is that of 127.0.0.1.',
  },
  'control.read': {
    type: { kind: 'accounts' },
    default: [],
    applies: 'live',
    about: 'Who may ask for status and reports, beside root, the user of the service and those of control.act.',
  },
  'control.act': {
    type: { kind: 'accounts' },
    default: [],
    applies: 'live',
    about: 'Who may also reload and stop the service, beside root and its user.',
  },
  'log.level': {
    type: { kind: 'choice', of: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] },
    default: 'info',
    flag: { property: 'logLevel', option: '--log-level <level>' },
    applies: 'live',
    about: 'The least important entry of the supervisor that is logged.',
  },
  'log.workers': {
    type: { kind: 'choice', of: ['text', 'json'] },
    default: 'text',
    flag: { property: 'logWorkers', option: '--log-workers <format>' },
    applies: 'reload',
    about: 'What workers print: lines that pass as they are, or JSON of pino and its like, whose keys become fields.',
  },
} as const satisfies Record<string, Key>;

export type KeyPath = keyof typeof KEYS;

export const KEY_PATHS = Object.keys(KEYS) as KeyPath[];

/** The row of a key, without its literal types. */
export const keyOf = (path: KeyPath): Key => KEYS[path];

/** "--workers" of "--workers <number>": what a message about a flag begins with. */
export const flagName = (key: Key): string => key.flag?.option.split(' ')[0] ?? '';

/** What is allowed, for the end of a message. */
export function allowed(type: KeyType): string {
  switch (type.kind) {
    case 'text':
      return type.allowed;
    case 'path':
      return 'a path';
    case 'program':
      return 'a path, or a name to look up in PATH';
    case 'integer': {
      const range = `an integer from ${type.min} to ${type.max}`;
      return type.word === undefined ? range : `${range}, or "${type.word}"`;
    }
    case 'duration':
      return `a duration from ${type.minMs === 0 ? '0s' : '1ms'} to 24h in h, m, s and ms, such as "1m30s"`;
    case 'size':
      return 'a size from 1KiB to 16GiB in KiB, MiB or GiB, such as "256MiB"';
    case 'share':
      return 'a share from 0.001 to 1 in steps of 0.001';
    case 'choice': {
      const quoted = type.of.map((word) => `"${word}"`);
      return `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
    }
    case 'choices':
      return `a list of ${type.of.map((word) => `"${word}"`).join(', ')}, each once at most`;
    case 'boolean':
      return 'true or false';
    case 'texts':
      return type.minItems === 0 ? 'a list of strings' : 'a list of strings, at least one';
    case 'environment':
      return 'a table of strings';
    case 'accounts':
      return 'a list such as ["user:alice", "group:ops"]';
    case 'address':
      return '"8080", "0.0.0.0:8080", "[::1]:8080", "/run/shop.sock" or "@shop"';
    case 'condition':
      return 'conditions such as "cpu_throttled|memory_pressure|p99>1200ms for 30s"';
    case 'tables':
      return 'tables';
  }
}
