import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/config/address.js';
import { formatDuration, parseDuration } from '../../src/config/duration.js';
import { allowed, type ConfigFlags, KEY_PATHS, keyOf } from '../../src/config/keys.js';
import { loadConfig, readConfig } from '../../src/config/load.js';
import { configFacts, renderConfig } from '../../src/config/render.js';
import { BatondError } from '../../src/errors.js';
import { complaint } from '../support/config/schema.js';

let cwd: string;

beforeEach(() => {
  // Below a directory of its own name, so that no package.json of the machine is found first.
  const root = mkdtempSync(join(tmpdir(), 'batond-config-'));
  cwd = join(root, 'shop');
  mkdirSync(cwd);
  writeFileSync(join(root, 'package.json'), '{"name": "around"}');
});

afterEach(() => rmSync(join(cwd, '..'), { recursive: true }));

const write = (text: string, file = 'batond.toml') => writeFileSync(join(cwd, file), text);

const load = (flags: ConfigFlags = {}, configFile?: string) => loadConfig({ cwd, configFile, flags, cores: 4 });

function errorOf(attempt: () => unknown): BatondError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof BatondError) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
}

const DURATION = 'a duration from 1ms to 24h in h, m, s and ms, such as "1m30s"';
const DURATION_OR_NONE = DURATION.replace('1ms', '0s');
const NAMES = 'a-z, 0-9, "_", "." and "-", the first a letter or a digit, at most 64';
const WORKERS = 'an integer from 1 to 256, or "auto"';
const ACCOUNTS = 'a list such as ["user:alice", "group:ops"]';
const ADDRESSES = '"8080", "0.0.0.0:8080", "[::1]:8080", "/run/shop.sock" or "@shop"';
const VARIABLES = 'a variable is named by letters, digits and "_", the first not a digit';

/** Each under `entry = "a.js"` in line 1. */
const BAD_VALUES: readonly (readonly [toml: string, message: string])[] = [
  // Unknown keys.
  ['[upgrade]\nready_timout = "1s"', '3: upgrade.ready_timout: unknown key; did you mean ready_timeout?'],
  ['wrokers = 2', '2: wrokers: unknown key; did you mean workers?'],
  ['Workers = 2', '2: Workers: unknown key; did you mean workers?'],
  ['runtime-args = []', '2: runtime-args: unknown key; did you mean runtime_args?'],
  ['ready_timeout = "1s"', '2: ready_timeout: unknown key; it belongs to [upgrade]'],
  ['[stop]\nworkers = 2', '3: stop.workers: unknown key; it belongs to the top of the file, before the first table'],
  ['[upgrades]\nprobe = "/"', '2: upgrades: unknown key; did you mean upgrade?'],
  ['[stop]\nbanana = 1', '3: stop.banana: unknown key; known here are kill_timeout'],
  [
    'banana = 1',
    '2: banana: unknown key; known at the top are name, entry, args, command, runtime, runtime_args, directory, workers, ready, env, listener, on_dependency_failure, service, healing, upgrade, soak, evidence, release, hooks, degrade, stop, restart, probe, health, admin, control, log',
  ],
  [
    '"a b" = 1\nworkers = 1',
    `2: "a b": unknown key; known at the top are ${'name, entry, args, command, runtime, runtime_args, directory, workers, ready, env, listener, on_dependency_failure, service, healing, upgrade, soak, evidence, release, hooks, degrade, stop, restart, probe, health, admin, control, log'}`,
  ],
  ['upgrade.probee = "/"', '2: upgrade.probee: unknown key; did you mean probe?'],
  ['upgrade = { probee = "/" }', '2: upgrade.probee: unknown key; did you mean probe?'],
  // Wrong shapes.
  ['upgrade = 3', '2: upgrade: 3 is not a table: write [upgrade]'],
  ['env = "A=B"', '2: env: "A=B" is not allowed: a table of strings'],
  ['args = "x"', '2: args: "x" is not allowed: a list of strings'],
  ['args = [\n  "x",\n  3,\n]', '4: args[1]: 3 is not a string: write "3"'],
  ['args = [["x"]]', '2: args[0]: a list is not a string'],
  ['args = ["a\\u0000b"]', '2: args[0]: a NUL character is not allowed: the kernel ends the string there'],
  ['listener = "8080"', '2: listener: "8080" is not a list of tables: write [[listener]]'],
  ['[listener]\nname = "x"', '2: listener: a table is not a list of tables: write [[listener]]'],
  // Probes.
  [
    '[probe.readiness]\npath = "/a"\ncheck = "b"',
    '4: probe.readiness.check: path is there too: a probe asks in one way',
  ],
  [
    '[probe.liveness]\ntimeout = "2s"',
    '3: probe.liveness.timeout: the probe asks for nothing: say path, check or notify',
  ],
  [
    '[probe.startup]\npath = "/"\nstatus = "399-200"',
    '4: probe.startup.status: "399-200" is no range: the lower status comes first',
  ],
  ['[probe.startup]\nfailures = 3', '3: probe.startup.failures: unknown key; it belongs to [probe.readiness]'],
  // Workers.
  ['workers = 0', `2: workers: 0 is out of range: ${WORKERS}`],
  ['workers = 257', `2: workers: 257 is out of range: ${WORKERS}`],
  ['workers = -1', `2: workers: -1 is out of range: ${WORKERS}`],
  ['workers = 9223372036854775807', `2: workers: 9223372036854775807 is out of range: ${WORKERS}`],
  ['workers = 1.5', `2: workers: 1.5 is not allowed: ${WORKERS}`],
  ['workers = "2"', `2: workers: "2" is not allowed: ${WORKERS}`],
  ['workers = "all"', `2: workers: "all" is not allowed: ${WORKERS}`],
  ['workers = true', `2: workers: true is not allowed: ${WORKERS}`],
  ['workers = nan', `2: workers: NaN is not allowed: ${WORKERS}`],
  // Texts and choices.
  ['name = "My Shop"', `2: name: "My Shop" is not allowed: ${NAMES}`],
  [`name = "${'a'.repeat(65)}"`, `2: name: "${'a'.repeat(39)}…" is not allowed: ${NAMES}`],
  ['name = 7', `2: name: 7 is not allowed: ${NAMES}`],
  ['runtime = ""', '2: runtime: "" is not allowed: a path, or a name to look up in PATH'],
  ['directory = 1979-05-27', '2: directory: a date is not allowed: a path'],
  ['directory = "a\\u0000b"', '2: directory: "a\\u0000b" is not allowed: a path'],
  ['ready = "started"', '2: ready: "started" is not allowed: "listen", "notify" or "load"'],
  [
    'log.level = "verbose"',
    '2: log.level: "verbose" is not allowed: "trace", "debug", "info", "warn", "error" or "fatal"',
  ],
  [
    'upgrade.state_max = "256MB"',
    '2: upgrade.state_max: "256MB" is not allowed: a size from 1KiB to 16GiB in KiB, MiB or GiB, such as "256MiB"',
  ],
  [
    'upgrade.state_max = "17GiB"',
    '2: upgrade.state_max: "17GiB" is out of range: a size from 1KiB to 16GiB in KiB, MiB or GiB, such as "256MiB"',
  ],
  [
    'upgrade.state_max = 1000',
    '2: upgrade.state_max: 1000 is not allowed: a size from 1KiB to 16GiB in KiB, MiB or GiB, such as "256MiB"',
  ],
  [
    'upgrade.probe = "health"',
    '2: upgrade.probe: "health" is not allowed: a path of an HTTP request that begins with "/"',
  ],
  // Canaries.
  ...['0', '0.0005', '1.5', '"1 %"', '0.0015'].map((weight): [string, string] => [
    `upgrade.canary = [{ weight = ${weight}, for = "1m" }]`,
    `2: upgrade.canary[0].weight: ${weight} is not allowed: a share from 0.001 to 1 in steps of 0.001`,
  ]),
  ['upgrade.canary = [{ for = "1m" }]', '2: upgrade.canary[0].weight: it is missing: which share of new connections?'],
  [
    'upgrade.canary = [{ cookie = "sid", for = "1m" }]',
    '2: upgrade.canary[0].weight: it is missing: which share of the values of cookie sid?',
  ],
  [
    'upgrade.canary = [{ header = "x-canary: v2", weight = 0.5, for = "1m" }]',
    '2: upgrade.canary[0].weight: header x-canary: v2 is one value, which has no shares: leave out the weight or the value',
  ],
  [
    'upgrade.canary = [{ header = "a: b", cookie = "c=d", for = "1m" }]',
    '2: upgrade.canary[0].cookie: header is there too: a step has one',
  ],
  [
    'upgrade.canary = [{ header = "x canary", for = "1m" }]',
    '2: upgrade.canary[0].header: "x canary" is not allowed: a header and its value, "x-canary: v2", or its name alone beside a weight',
  ],
  ['upgrade.canary = [{ weight = 0.1 }]', '2: upgrade.canary[0].for: it is missing'],
  ['upgrade.canary = 0.1', '2: upgrade.canary: 0.1 is not a list of tables: write [[upgrade.canary]]'],
  [
    `upgrade.canary = [${Array(17).fill('{ weight = 0.1, for = "1s" }').join(', ')}]`,
    '2: upgrade.canary: 17 tables are too many: at most 16',
  ],
  // Shares.
  ...['0', '0.0005', '1.5', '"1 %"', '0.0015'].map((ratio): [string, string] => [
    `soak.error_ratio = ${ratio}`,
    `2: soak.error_ratio: ${ratio} is not allowed: a share from 0.001 to 1 in steps of 0.001`,
  ]),
  // Durations.
  [
    '[upgrade]\ndrain_timeout = 30',
    '3: upgrade.drain_timeout: 30 has no unit: write "30s" for seconds or "30ms" for milliseconds',
  ],
  [
    '[upgrade]\ndrain_timeout = "30"',
    '3: upgrade.drain_timeout: "30" has no unit: write "30s" for seconds or "30ms" for milliseconds',
  ],
  ['[upgrade]\ndrain_timeout = "soon"', `3: upgrade.drain_timeout: "soon" is not allowed: ${DURATION_OR_NONE}`],
  ['[upgrade]\ndrain_timeout = "-1s"', `3: upgrade.drain_timeout: "-1s" is not allowed: ${DURATION_OR_NONE}`],
  ['[upgrade]\nready_timeout = 1.5', `3: upgrade.ready_timeout: 1.5 is not allowed: ${DURATION}`],
  ['[upgrade]\nready_timeout = "0s"', `3: upgrade.ready_timeout: "0s" is out of range: ${DURATION}`],
  ['[upgrade]\nready_timeout = "25h"', `3: upgrade.ready_timeout: "25h" is out of range: ${DURATION}`],
  ['[stop]\nkill_timeout = []', `3: stop.kill_timeout: a list is not allowed: ${DURATION}`],
  ['[restart]\nlimit = 0', '3: restart.limit: 0 is out of range: an integer from 1 to 1000'],
  ['[restart]\ndelay = "20s"', '3: restart.delay: restart.delay (20s) is longer than restart.delay_max (10s)'],
  [
    '[restart]\ndelay_max = "50ms"',
    '3: restart.delay_max: restart.delay (100ms) is longer than restart.delay_max (50ms)',
  ],
  // The environment.
  ['[env]\nPORT = 3000', '3: env.PORT: 3000 is not a string: write "3000"'],
  ['[env]\nDEBUG = true', '3: env.DEBUG: true is not a string: write "true"'],
  ['[env]\nA = { b = 1 }', '3: env.A: a table is not a string'],
  ['[env]\n"A B" = ""', `3: env."A B": ${VARIABLES}`],
  ['[env]\n1A = ""', `3: env.1A: ${VARIABLES}`],
  [
    '[env]\nNOTIFY_SOCKET = "x"',
    '3: env.NOTIFY_SOCKET: this variable is set by batond or systemd and cannot be chosen',
  ],
  ['[env]\nBATOND_X = "x"', '3: env.BATOND_X: this variable is set by batond or systemd and cannot be chosen'],
  // Accounts.
  ['[control]\nread = "root"', `3: control.read: "root" is not allowed: ${ACCOUNTS}`],
  [
    '[control]\nread = ["root"]',
    '3: control.read[0]: "root" is not allowed: write "user:" or "group:" and a name or a number, such as "group:ops"',
  ],
  [
    '[control]\nact = ["user:root", "group:no-such-group-here"]',
    '3: control.act[1]: "group:no-such-group-here" is not allowed: there is no group no-such-group-here on this machine',
  ],
  [
    '[control]\nact = ["user:no-such-user-here"]',
    '3: control.act[0]: "user:no-such-user-here" is not allowed: there is no user no-such-user-here on this machine',
  ],
  [
    '[control]\nact = ["user:65534"]',
    '3: control.act[0]: "user:65534" is not allowed: the kernel gives 65534 to every user that it cannot name here, so it stands for nobody in particular',
  ],
  [
    '[control]\nact = ["user:4294967295"]',
    '3: control.act[0]: "user:4294967295" is not allowed: the number of a user is at most 4294967294',
  ],
  ['[control]\nact = [1]', '3: control.act[0]: 1 is not a string: write "1"'],
  // Listeners.
  // Rules of healing.
  ['[[healing.rule]]\nstatus = 1', '2: healing.rule[0].action: it is missing'],
  [
    '[[healing.rule]]\nstatus = 1\naction = "ignore"',
    '4: healing.rule[0].action: "ignore" is not allowed: "restart", "backoff", "retry", "standby", "keep" or "done"',
  ],
  [
    '[[healing.rule]]\nstatus = 256\naction = "keep"',
    '3: healing.rule[0].status: 256 is out of range: an integer from 0 to 255',
  ],
  [
    '[[healing.rule]]\nsignal = "TERM"\naction = "keep"',
    '3: healing.rule[0].signal: "TERM" is not allowed: the name of a signal, such as "SIGTERM"',
  ],
  [
    '[[healing.rule]]\ncause = "rain"\naction = "keep"',
    '3: healing.rule[0].cause: "rain" is not allowed: "oom", "liveness", "watchdog", "boot", "channel" or "start"',
  ],
  ['[[healing.rule]]\naction = "keep"', '2: healing.rule[0]: it is for no end: write a status, a signal or a cause'],
  [
    '[[healing.rule]]\nstatus = 1\nsignal = "SIGTERM"\naction = "keep"',
    '2: healing.rule[0]: it is for more than one end: write a rule each for a status, a signal and a cause',
  ],
  [
    '[[healing.rule]]\nstatus = 1\naction = "keep"\ndelay = "1s"',
    '5: healing.rule[0].delay: "keep" has no delay of its own: that is for "retry" and "standby"',
  ],
  ['[[healing.rule]]\naction = "keep"\nstatsu = 1', '4: healing.rule[0].statsu: unknown key; did you mean status?'],
  // Processes beside the main program.
  ['[[service.process]]\nentry = "q.js"', '2: service.process[0].name: it is missing'],
  [
    '[[service.process]]\nname = "main"\nentry = "q.js"',
    `3: service.process[0].name: "main" is not allowed: ${NAMES}, not main`,
  ],
  [
    '[[service.process]]\nname = "Queue"\nentry = "q.js"',
    `3: service.process[0].name: "Queue" is not allowed: ${NAMES}, not main`,
  ],
  [
    '[[service.process]]\nname = "q"',
    '2: service.process[0]: there is nothing to run: write entry = "queue.js", or command = ["./queue"]',
  ],
  [
    '[[service.process]]\nname = "q"\nentry = "q.js"\ncommand = ["q"]',
    '5: service.process[0].command: entry is there too: a process is one or the other',
  ],
  [
    '[[service.process]]\nname = "q"\ncommand = ["q"]\nargs = ["x"]',
    '5: service.process[0].args: a command has no args: write them into command',
  ],
  [
    '[[service.process]]\nname = "q"\ncommand = ["q"]\nready = "load"',
    '5: service.process[0].ready: "load" cannot be seen from outside a command: it must say READY=1, which is "notify"',
  ],
  [
    '[[service.process]]\nname = "q"\nentry = "q.js"\ntier = "extra"',
    '5: service.process[0].tier: "extra" is not allowed: "core" or "auxiliary"',
  ],
  [
    '[[service.process]]\nname = "q"\nentry = "q.js"\nenv = { NOTIFY_SOCKET = "x" }',
    '5: service.process[0].env.NOTIFY_SOCKET: this variable is set by batond or systemd and cannot be chosen',
  ],
  [
    '[[service.process]]\nname = "q"\nentry = "q.js"\n[[service.process]]\nname = "q"\nentry = "r.js"',
    '6: service.process[1].name: "q" is that of service.process[0] already',
  ],
  [
    '[[service.process]]\nname = "q"\nentry = "q.js"\nworkers = 256',
    '5: service.process[0].workers: with it the service has 257 workers, which is more than 256',
  ],
  ['[on_dependency_failure]\nA = 1', '3: on_dependency_failure.A: 1 is not a string: write "1"'],
  ['[[listener]]\naddress = "80"', '2: listener[0].name: it is missing'],
  ['[[listener]]\nname = "a"', '2: listener[0].address: it is missing'],
  [
    '[[listener]]\nname = "a"\nadress = "80"\naddress = "80"',
    '4: listener[0].adress: unknown key; did you mean address?',
  ],
  [
    '[[listener]]\nname = "listener-3"\naddress = "80"',
    `3: listener[0].name: "listener-3" is not allowed: ${NAMES}, not listener-N`,
  ],
  ['[[listener]]\nname = "a"\naddress = 80', `4: listener[0].address: 80 is not allowed: ${ADDRESSES}`],
  ['[[listener]]\nname = "a"\naddress = "http"', `4: listener[0].address: "http" is not allowed: ${ADDRESSES}`],
  [
    '[[listener]]\nname = "a"\naddress = "70000"',
    '4: listener[0].address: "70000" is not allowed: port 70000 is out of range: 0 to 65535',
  ],
  [
    '[[listener]]\nname = "a"\naddress = "::1:80"',
    '4: listener[0].address: "::1:80" is not allowed: an IPv6 address needs brackets: "[::1]:80"',
  ],
  [
    '[[listener]]\nname = "a"\naddress = "[1.2.3.4]:80"',
    '4: listener[0].address: "[1.2.3.4]:80" is not allowed: [1.2.3.4] is not an IPv6 address',
  ],
  [
    '[[listener]]\nname = "a"\naddress = "1.2.3.400:80"',
    '4: listener[0].address: "1.2.3.400:80" is not allowed: 1.2.3.400 is neither an IP address nor a host name',
  ],
  [
    '[[listener]]\nname = "a"\naddress = "run/x.sock"',
    '4: listener[0].address: "run/x.sock" is not allowed: the path of a Unix socket must be absolute',
  ],
  [
    '[[listener]]\nname = "a"\naddress = "/run/"',
    '4: listener[0].address: "/run/" is not allowed: "/run/" does not name a socket',
  ],
  [
    `[[listener]]\nname = "a"\naddress = "/${'x'.repeat(107)}"`,
    `4: listener[0].address: "/${'x'.repeat(38)}…" is not allowed: the path has 108 bytes, the kernel takes 107`,
  ],
  [
    '[[listener]]\nname = "a"\naddress = "80"\nbacklog = 0',
    '5: listener[0].backlog: 0 is out of range: an integer from 1 to 65535',
  ],
  [
    '[[listener]]\nname = "a"\naddress = "80"\n[[listener]]\nname = "a"\naddress = "81"',
    '6: listener[1].name: "a" is that of listener[0] already',
  ],
  [
    '[[listener]]\nname = "a"\naddress = "@x"\n[[listener]]\nname = "b"\naddress = "@x"',
    '7: listener[1].address: "@x" is that of listener[0] already',
  ],
  // Circuits.
  ['[[degrade]]\nwhen = "p99"', '3: degrade[0].when: "p99" has no limit: write "p99>1200ms"'],
  [
    '[[degrade]]\nwhen = 5',
    '3: degrade[0].when: 5 is not allowed: conditions such as "cpu_throttled|memory_pressure|p99>1200ms for 30s"',
  ],
  ['[[degrade]]\nweight = 20', '2: degrade[0].when: it is missing'],
  ['[[degrade]]\nwhen = "p99>1s"\nweight = 101', '4: degrade[0].weight: 101 is out of range: an integer from 0 to 100'],
  [
    '[[degrade]]\nwhen = "p99>1s"\nrun = []',
    '4: degrade[0].run: an empty list is not allowed: a list of strings, at least one',
  ],
  // What is kept of a failure.
  [
    '[upgrade]\non_failure = "heap"',
    '3: upgrade.on_failure: "heap" is not allowed: a list of "heap", "report", "cpu", each once at most',
  ],
  [
    '[upgrade]\non_failure = ["heap", "core"]',
    '3: upgrade.on_failure[1]: "core" is not allowed: a list of "heap", "report", "cpu", each once at most',
  ],
  [
    '[upgrade]\non_failure = ["cpu", "cpu"]',
    '3: upgrade.on_failure: a word is there twice: a list of "heap", "report", "cpu", each once at most',
  ],
  // Freeze windows.
  [
    '[upgrade]\nfreeze = [{ from = "Friday", to = "Mon 06:00" }]',
    '3: upgrade.freeze[0].from: "Friday" is not allowed: a time of the week such as "Fri 18:00", or of every day such as "22:00"',
  ],
  ['[upgrade]\nfreeze = [{ from = "22:00" }]', '3: upgrade.freeze[0].to: it is missing'],
  [
    '[upgrade]\nfreeze = [{ from = "22:00", til = "1", to = "Mon 06:00" }]',
    '3: upgrade.freeze[0].til: unknown key; known here are from, to',
  ],
  [
    '[[upgrade.freeze]]\nfrom = "22:00"\nto = "Mon 06:00"',
    '4: upgrade.freeze[0].to: "Mon 06:00" does not go with "22:00": write a day in both, or in none',
  ],
  [
    '[[upgrade.freeze]]\nfrom = "22:00"\nto = "22:00"',
    '4: upgrade.freeze[0].to: "22:00" is when it begins too: a window must have an end',
  ],
  ['[upgrade]\nfreeze = "Fri"', '3: upgrade.freeze: "Fri" is not a list of tables: write [[upgrade.freeze]]'],
  ['command = ["x"]', '2: command: entry is there too: a service is one or the other'],
];

const KINDS = [...KEY_PATHS.map((path) => keyOf(path).type), ...KEY_PATHS.flatMap((path) => typesBelow(path))];
/** A date is a string to a schema, and what is no multiple of 0.001 depends on how a validator divides. */
const IN_WORDS_ALONE = / a date |: 0\.0015 /;
const IN_THE_WORDS_OF_A_KIND = KINDS.map((type) => `is not allowed: ${allowed(type)}`);

function typesBelow(path: (typeof KEY_PATHS)[number]) {
  const { type } = keyOf(path);
  return type.kind === 'tables' ? Object.values(type.keys).map((key) => key.type) : [];
}

/** What one value is alone: what is worked out, looked up or compared with others no schema can say. A date it takes. */
const isOfOneValue = (message: string) =>
  /unknown key|it is missing$|is not a (string|table|list)|out of range: an integer|has no unit|a variable is|is set by/.test(
    message,
  ) ||
  (IN_THE_WORDS_OF_A_KIND.some((words) => message.endsWith(words)) && !IN_WORDS_ALONE.test(message));

describe('a mistake in the file is one line that names the line, the key and what is allowed', () => {
  test.each(BAD_VALUES)('%j', (toml, message) => {
    write(`entry = "a.js"\n${toml}\n`);
    const error = errorOf(() => load());
    expect(error.message).toBe(`batond.toml:${message}`);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitStatus: 78 });
  });

  test.each(BAD_VALUES.filter(([, message]) => isOfOneValue(message)))('the schema refuses %j too', (toml) => {
    expect(complaint(`entry = "a.js"\n${toml}\n`)).not.toBeNull();
  });

  test.each([
    ['command = []', '1: command: an empty list is not allowed: a list of strings, at least one'],
    ['command = "nginx"', '1: command: "nginx" is not allowed: a list of strings, at least one'],
    ['command = ["x"]\nargs = ["y"]', '2: args: a command has no args: write them into command'],
    ['command = ["x"]\nruntime = "y"', '2: runtime: a command has no runtime: write it into command'],
    [
      'command = ["x"]\nruntime_args = ["y"]',
      '2: runtime_args: a command has no runtime_args: write them into command',
    ],
    [
      'command = ["x"]\nupgrade.probe = "/"',
      '2: upgrade.probe: a command has no probe: only a Node program can be asked before it serves',
    ],
    [
      'command = ["x"]\nready = "listen"',
      '2: ready: "listen" cannot be seen from outside a command: it must say READY=1, which is "notify"',
    ],
    ['workers = 2', ' there is nothing to run: write entry = "server.js", or command = ["./server"]'],
    ['', ' there is nothing to run: write entry = "server.js", or command = ["./server"]'],
    ['entry = 3', '1: entry: 3 is not allowed: a path'],
    ['entry = ""', '1: entry: "" is not allowed: a path'],
  ])('%j', (toml, message) => {
    write(toml);
    expect(errorOf(() => load()).message).toBe(`batond.toml:${message}`);
  });

  test.each([
    ['entry = \n', '1:9: invalid value\n1:  entry = \n            ^'],
    [
      'entry = "a"\nentry = "b"\n',
      '2:1: trying to redefine an already defined table or value\n1:  entry = "a"\n2:  entry = "b"\n    ^',
    ],
    ['[upgrade\n', '1:9: illegal character in key\n1:  [upgrade\n            ^'],
    [`entry = "${'x'.repeat(100)}" y`, '1:112: each key-value declaration must be followed by an end-of-line'],
  ])('the syntax of %j', (toml, message) => {
    write(toml);
    const error = errorOf(() => load());
    expect(error.message).toBe(`batond.toml:${message}`);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', facts: { file: 'batond.toml' } });
  });

  test('all of them are reported at once, in the order of the lines, those of the flags last', () => {
    write('[upgrade]\nprobe = 1\nregret = 5\n[log]\nlevel = "x"\n');
    const error = errorOf(() => load({ workers: '0' }));
    expect(error.message.split('\n')).toEqual([
      'batond.toml: there is nothing to run: write entry = "server.js", or command = ["./server"]',
      'batond.toml:2: upgrade.probe: 1 is not allowed: a path of an HTTP request that begins with "/"',
      'batond.toml:3: upgrade.regret: 5 has no unit: write "5s" for seconds or "5ms" for milliseconds',
      'batond.toml:5: log.level: "x" is not allowed: "trace", "debug", "info", "warn", "error" or "fatal"',
      `--workers: 0 is out of range: ${WORKERS}`,
    ]);
    expect(error.facts.problems).toHaveLength(5);
    expect((error.facts.problems as unknown[])[1]).toEqual({
      kind: 'file',
      file: 'batond.toml',
      line: 2,
      column: 1,
      key: 'upgrade.probe',
      text: '1 is not allowed: a path of an HTTP request that begins with "/"',
    });
  });
});

describe('a mistake on the command line names the flag', () => {
  test.each<readonly [ConfigFlags, string]>([
    [{ workers: '0' }, `--workers: 0 is out of range: ${WORKERS}`],
    [{ workers: 'two' }, `--workers: "two" is not allowed: ${WORKERS}`],
    [{ workers: '' }, `--workers: "" is not allowed: ${WORKERS}`],
    [{ name: 'Shop' }, `--name: "Shop" is not allowed: ${NAMES}`],
    [{ ready: 'now' }, '--ready: "now" is not allowed: "listen", "notify" or "load"'],
    [{ readyTimeout: '30' }, '--ready-timeout: "30" has no unit: write "30s" for seconds or "30ms" for milliseconds'],
    [{ drainTimeout: '1d' }, `--drain-timeout: "1d" is not allowed: ${DURATION_OR_NONE}`],
    [{ takeoverTimeout: '0s' }, `--takeover-timeout: "0s" is out of range: ${DURATION}`],
    [{ killTimeout: '48h' }, `--kill-timeout: "48h" is out of range: ${DURATION}`],
    [{ probe: 'health' }, '--probe: "health" is not allowed: a path of an HTTP request that begins with "/"'],
    [{ logLevel: 'loud' }, '--log-level: "loud" is not allowed: "trace", "debug", "info", "warn", "error" or "fatal"'],
    [{ runtime: '' }, '--runtime: "" is not allowed: a path, or a name to look up in PATH'],
    [{ directory: '' }, '--directory: "" is not allowed: a path'],
    [{ entry: '' }, '[entry]: "" is not allowed: a path'],
    [{ env: ['PORT'] }, '--env: "PORT" is not allowed: KEY=VALUE'],
    [{ env: ['=x'] }, '--env: "=x" is not allowed: KEY=VALUE'],
    [{ env: ['A-B=x'] }, `--env A-B: ${VARIABLES}`],
    [{ env: ['LISTEN_FDS=3'] }, '--env LISTEN_FDS: this variable is set by batond or systemd and cannot be chosen'],
  ])('%j', (flags, message) => {
    expect(errorOf(() => load({ entry: 'a.js', ...flags }))).toMatchObject({ code: 'CONFIG_INVALID', message });
  });

  test('nothing to run at all says what to do', () => {
    expect(errorOf(() => load()).message).toBe(
      'there is nothing to run: name an entry (batond run server.js), or write a batond.toml',
    );
  });

  test('arguments for a command name where they were given', () => {
    write('command = ["x"]');
    expect(errorOf(() => load({ args: ['y'] })).message).toBe('--: a command has no args: write them into command');
  });
});

describe('a file that cannot be read', () => {
  test('is an error where it was asked for', () => {
    expect(errorOf(() => load({ entry: 'a.js' }, 'other.toml'))).toMatchObject({
      code: 'CONFIG_UNREADABLE',
      message: 'cannot read other.toml: no such file',
    });
  });

  test('is an error where it is a directory', () => {
    mkdirSync(join(cwd, 'batond.toml'));
    expect(errorOf(() => load({ entry: 'a.js' })).message).toBe('cannot read batond.toml: it is a directory');
  });

  test('is an error where a part of its path is a file', () => {
    write('', 'x');
    expect(errorOf(() => load({}, 'x/y.toml')).message).toBe(
      'cannot read x/y.toml: a part of its path is not a directory',
    );
  });

  test('is an error where its links lead in a circle', () => {
    symlinkSync('batond.toml', join(cwd, 'batond.toml'));
    expect(errorOf(() => load()).message).toBe('cannot read batond.toml: its symbolic links lead in a circle');
  });

  test('is an error where it is too large', () => {
    write(`#${'x'.repeat(256 * 1024)}`);
    expect(errorOf(() => load()).message).toBe('cannot read batond.toml: it is larger than 256 KiB');
  });

  test('is an error where it is not UTF-8', () => {
    writeFileSync(join(cwd, 'batond.toml'), Buffer.from([0x61, 0xff]));
    expect(errorOf(() => load()).message).toBe('cannot read batond.toml: it is not UTF-8');
  });

  test.skipIf(process.getuid?.() === 0)('is an error where it is not ours to read', () => {
    write('entry = "a.js"');
    chmodSync(join(cwd, 'batond.toml'), 0);
    expect(errorOf(() => load()).message).toBe('cannot read batond.toml: permission denied');
  });

  test('that begins with a byte order mark is read', () => {
    write('\ufeffentry = "a.js"');
    expect(load().program).toMatchObject({ entry: join(cwd, 'a.js') });
  });
});

describe('what comes out', () => {
  test('an entry alone takes every default', () => {
    expect(load({ entry: 'server.js' })).toEqual({
      name: 'around',
      file: null,
      program: { kind: 'node', entry: join(cwd, 'server.js'), args: [], runtime: 'node', runtimeArgs: [] },
      directory: cwd,
      workers: 1,
      ready: 'listen',
      env: {},
      listeners: [],
      onDependencyFailure: {},
      healing: { rules: [] },
      upgrade: {
        readyTimeoutMs: 30_000,
        drainTimeoutMs: 30_000,
        takeoverTimeoutMs: 10_000,
        probe: null,
        canary: [],
        soakMs: 0,
        minTrust: 0.995,
        regretMs: 300_000,
        stateMaxBytes: 256 * 2 ** 20,
      },
      admission: { state: true, minIntervalMs: 0, freeze: [] },
      degrade: [],
      soak: { errorRatio: 0.005, p99Ms: 50, delayMs: 200, memoryGrowth: 5 * 2 ** 20 },
      evidence: { onFailure: [], maxBytes: 512 * 2 ** 20, cpuMs: 5_000 },
      release: { current: null, debounceMs: 200, recheckMs: 30_000, verify: 'off', publicKey: null, revert: false },
      hooks: { preReload: null, postReload: null, onError: null, timeoutMs: 60_000 },
      stop: { killTimeoutMs: 5000 },
      restart: { delayMs: 100, delayMaxMs: 10_000, limit: 10, stableMs: 10_000, budget: 30, windowMs: 600_000 },
      probes: { startup: null, readiness: null, liveness: null },
      health: {
        levels: {
          degradedFailures: 2,
          degradedWithinMs: 60_000,
          unhealthyFailures: 4,
          unhealthyWithinMs: 120_000,
          recoverSamples: 2,
        },
        checkTimeoutMs: 1_000,
        regretAfterMs: 30_000,
      },
      admin: { listen: null, agent: null, dashboard: true },
      control: { read: [], act: [] },
      log: { level: 'info', workers: 'text' },
    });
  });

  test('a probe takes what is not said of it by default', () => {
    write(`name = "a"
command = ["a"]
[probe.liveness]
notify = true
failures = 1
`);
    expect(load().probes?.liveness).toEqual({
      by: { kind: 'notify' },
      timeoutMs: 1_000,
      intervalMs: 10_000,
      failures: 1,
      successes: 1,
    });
    write(`entry = "a.js"
[probe.startup]
path = "/up"
status = "204"
[probe.readiness]
check = "queue"
interval = "2s"
`);
    expect(load().probes).toEqual({
      startup: {
        by: { kind: 'path', path: '/up', minStatus: 204, maxStatus: 204 },
        timeoutMs: 1_000,
        intervalMs: 1_000,
        failures: Number.MAX_SAFE_INTEGER,
        successes: 1,
      },
      readiness: {
        by: { kind: 'check', check: 'queue' },
        timeoutMs: 1_000,
        intervalMs: 2_000,
        failures: 3,
        successes: 1,
      },
      liveness: null,
    });
  });

  test.each([
    ['9100', '127.0.0.1'],
    ['0.0.0.0:9100', '0.0.0.0'],
  ])('the admin listener %s is that of %s', (listen, host) => {
    write(`entry = "a.js"\nadmin.listen = "${listen}"\n`);
    expect(load().admin).toEqual({ listen: { kind: 'tcp', host, port: 9100 }, agent: null, dashboard: true });
  });

  test('every key of the file arrives', () => {
    write(`
name = "shop-2"
entry = "dist/server.js"
args = ["--fast"]
runtime = "./bin/bun"
runtime_args = ["--smol"]
directory = "current"
workers = "auto"
ready = "notify"
env = { PORT = "3000", __proto__ = "odd" }
[[listener]]
name = "http"
address = "[::]:8080"
backlog = 64
[[listener]]
name = "admin"
address = "@admin"
[upgrade]
ready_timeout = "1m30s"
drain_timeout = "0s"
takeover_timeout = "250ms"
probe = "/health?deep=1"
canary = [{ weight = 0.001, for = "5m" }, { weight = 0.57, for = "1h" }, { weight = 1, for = "1s" }, { header = "X-Canary:v2", for = "1m" }, { cookie = "sid", weight = 0.01, for = "1m" }]
soak = "10m"
min_trust = 0.9
regret = "1h"
state_max = "2GiB"
[soak]
error_ratio = 0.02
p99 = "1s"
delay = "1ms"
memory_growth = "1KiB"
[stop]
kill_timeout = "2s"
[restart]
delay = "0ms"
delay_max = "1s"
limit = 3
stable = "5s"
budget = 5
window = "1m"
[on_dependency_failure]
DATABASE = "the standby"
[[healing.rule]]
status = 7
action = "retry"
[[healing.rule]]
name = "held"
signal = "SIGUSR1"
action = "keep"
[[healing.rule]]
cause = "oom"
action = "standby"
delay = "1s"
[control]
read = ["user:root", "group:4294967294"]
act = ["group:root"]
[log]
level = "debug"
`);
    const config = load();
    expect(config).toMatchObject({
      name: 'shop-2',
      file: join(cwd, 'batond.toml'),
      program: {
        entry: join(cwd, 'current/dist/server.js'),
        args: ['--fast'],
        runtime: join(cwd, 'current/bin/bun'),
        runtimeArgs: ['--smol'],
      },
      directory: join(cwd, 'current'),
      workers: 4,
      ready: 'notify',
      listeners: [
        { name: 'http', address: { kind: 'tcp', host: '::', port: 8080 }, backlog: 64 },
        { name: 'admin', address: { kind: 'unix', path: '\0admin' }, backlog: 511 },
      ],
      upgrade: {
        readyTimeoutMs: 90_000,
        drainTimeoutMs: 0,
        takeoverTimeoutMs: 250,
        probe: '/health?deep=1',
        canary: [
          { share: 1, match: null, forMs: 300_000 },
          { share: 570, match: null, forMs: 3_600_000 },
          { share: 1_000, match: null, forMs: 1_000 },
          { share: 1_000, match: { by: 'header', name: 'X-Canary', value: 'v2' }, forMs: 60_000 },
          { share: 10, match: { by: 'cookie', name: 'sid', value: null }, forMs: 60_000 },
        ],
        soakMs: 600_000,
        minTrust: 0.9,
        regretMs: 3_600_000,
        stateMaxBytes: 2 * 2 ** 30,
      },
      soak: { errorRatio: 0.02, p99Ms: 1_000, delayMs: 1, memoryGrowth: 1_024 },
      stop: { killTimeoutMs: 2000 },
      restart: { delayMs: 0, delayMaxMs: 1000, limit: 3, stableMs: 5000, budget: 5, windowMs: 60_000 },
      onDependencyFailure: { DATABASE: 'the standby' },
      healing: {
        rules: [
          { name: 'status-7', word: null, match: { kind: 'status', status: 7 }, action: 'retry', delayMs: 2_000 },
          { name: 'held', word: 'held', match: { kind: 'signal', signal: 'SIGUSR1' }, action: 'keep', delayMs: 0 },
          { name: 'oom', match: { kind: 'cause', cause: 'oom' }, action: 'standby', delayMs: 1_000 },
        ],
      },
      control: {
        read: [
          { kind: 'user', name: 'root', id: 0 },
          { kind: 'group', name: '4294967294', id: 4_294_967_294 },
        ],
        act: [{ kind: 'group', name: 'root', id: 0 }],
      },
      log: { level: 'debug' },
    });
    expect(Object.entries(config.env)).toEqual([
      ['PORT', '3000'],
      ['__proto__', 'odd'],
    ]);
  });

  test('a command is ready when it says so, and is named after itself', () => {
    write('command = ["/usr/sbin/Nginx", "-g", "daemon off;"]');
    expect(load()).toMatchObject({
      name: 'nginx',
      ready: 'notify',
      program: { kind: 'command', command: ['/usr/sbin/Nginx', '-g', 'daemon off;'] },
    });
  });

  test('flags win over the file, variables one by one', () => {
    write('entry = "a.js"\nworkers = 2\n[env]\nA = "1"\nB = "1"\n[upgrade]\nready_timeout = "1s"\n');
    expect(
      load({ workers: '3', env: ['B=2', 'C=x=y', 'D='], readyTimeout: '2s', runtimeArg: ['-r'], args: ['z'] }),
    ).toMatchObject({
      workers: 3,
      env: { A: '1', B: '2', C: 'x=y', D: '' },
      upgrade: { readyTimeoutMs: 2000 },
      program: { runtimeArgs: ['-r'], args: ['z'] },
    });
  });

  test('an entry on the command line stands in for the command of the file', () => {
    write('command = ["x"]');
    expect(load({ entry: 'a.js' }).program).toMatchObject({ kind: 'node' });
  });

  test('a typed path is relative to where it was typed, a written one to the file', () => {
    mkdirSync(join(cwd, 'etc'));
    write('entry = "b.js"', 'etc/shop.toml');
    expect(load({}, 'etc/shop.toml')).toMatchObject({
      directory: join(cwd, 'etc'),
      program: { entry: join(cwd, 'etc/b.js') },
    });
    expect(load({ entry: 'a.js', runtime: './node' }, 'etc/shop.toml')).toMatchObject({
      directory: join(cwd, 'etc'),
      program: { entry: join(cwd, 'a.js'), runtime: join(cwd, 'node') },
    });
    expect(load({ directory: 'srv' }, 'etc/shop.toml')).toMatchObject({
      directory: join(cwd, 'srv'),
      program: { entry: join(cwd, 'srv/b.js') },
    });
    expect(load({ directory: 'srv', entry: 'a.js' })).toMatchObject({ program: { entry: join(cwd, 'srv/a.js') } });
  });

  test('symlinks stay as they were written', () => {
    mkdirSync(join(cwd, 'release-1'));
    symlinkSync('release-1', join(cwd, 'current'));
    expect(load({ entry: 'current/server.js' }).program).toMatchObject({ entry: join(cwd, 'current/server.js') });
  });

  test('"auto" is the number of cores, within the limit', () => {
    const workers = (cores: number) => loadConfig({ cwd, flags: { entry: 'a.js', workers: 'auto' }, cores }).workers;
    expect([workers(8), workers(0), workers(1000)]).toEqual([8, 1, 256]);
  });

  test('nothing of it can be changed', () => {
    write('entry = "a.js"\n[env]\nA = "1"\n[[listener]]\nname = "a"\naddress = "80"\n');
    const thaws = (value: unknown): boolean =>
      typeof value === 'object' && value !== null && (!Object.isFrozen(value) || Object.values(value).some(thaws));
    expect(thaws(load())).toBe(false);
  });
});

describe('a service that nobody named', () => {
  test('has the name of its package, without the scope', () => {
    write('{"name": "@acme/Web Shop"}', 'package.json');
    expect(load({ entry: 'server.js' }).name).toBe('web-shop');
  });

  test('looks past a package.json that has no name', () => {
    mkdirSync(join(cwd, 'dist'));
    write('{"type": "module"}', 'dist/package.json');
    write('{"name": "shop"}', 'package.json');
    expect(load({ entry: 'dist/server.js' }).name).toBe('shop');
  });

  test('has the name of its directory where no package.json tells', () => {
    rmSync(join(cwd, '../package.json'));
    write('not JSON', 'package.json');
    expect(load({ entry: 'server.js' }).name).toBe('shop');
    mkdirSync(join(cwd, 'site'));
    expect(load({ entry: 'site' }).name).toBe('site');
  });

  test('must be named where nothing tells', () => {
    write('{"name": "@acme/---"}', 'package.json');
    expect(errorOf(() => load({ entry: 'server.js' })).message).toBe(
      'the package.json gives the service no name: choose one with --name, or name = "shop" in batond.toml',
    );
  });
});

describe('the summary', () => {
  test('says what would be run and where each value comes from', () => {
    write('name = "shop"\nentry = "server.js"\nenv.SECRET = "hush"\n[[listener]]\nname = "http"\naddress = "8080"\n');
    const loaded = readConfig({ cwd, flags: { workers: '2', args: ['a b', '-v'], env: ['PORT=1'] }, cores: 4 });
    const text = renderConfig(loaded).replaceAll(cwd, '/srv');
    expect(text.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['name', 'shop', 'batond.toml:1'],
      ['entry', '/srv/server.js', 'batond.toml:2'],
      ['args', '"a b" -v', '--'],
      ['runtime', 'node', 'default'],
      ['directory', '/srv', 'default'],
      ['workers', '2', '--workers'],
      ['ready', 'listen', 'default'],
      ['env.SECRET', '(set)', 'batond.toml:3'],
      ['env.PORT', '(set)', '--env'],
      ['listener', 'http 8080', 'batond.toml:4'],
      ['upgrade.ready_timeout', '30s', 'default'],
      ['upgrade.drain_timeout', '30s', 'default'],
      ['upgrade.takeover_timeout', '10s', 'default'],
      ['upgrade.probe', 'none', 'default'],
      ['upgrade.canary', 'none: all at once', 'default'],
      ['upgrade.soak', 'none', 'default'],
      ['upgrade.regret', '5m', 'default'],
      ['upgrade.state_max', '256MiB', 'default'],
      ['upgrade.admission', 'on', 'default'],
      ['upgrade.min_interval', '0s', 'default'],
      ['upgrade.freeze', 'never', 'default'],
      ['upgrade.on_failure', 'nothing is kept', 'default'],
      ['release.current', 'none watched', 'default'],
      ['release.verify', 'off', 'default'],
      ['stop.kill_timeout', '5s', 'default'],
      ['restart.delay', '100ms', 'default'],
      ['restart.delay_max', '10s', 'default'],
      ['restart.limit', '10', 'default'],
      ['restart.stable', '10s', 'default'],
      ['restart.budget', '30', 'default'],
      ['restart.window', '10m', 'default'],
      ['health.degraded_failures', '2', 'default'],
      ['health.degraded_within', '1m', 'default'],
      ['health.unhealthy_failures', '4', 'default'],
      ['health.unhealthy_within', '2m', 'default'],
      ['health.recover_samples', '2', 'default'],
      ['health.check_timeout', '1s', 'default'],
      ['health.regret_after', '30s', 'default'],
      ['admin.listen', 'nowhere', 'default'],
      ['control.read', 'nobody else', 'default'],
      ['control.act', 'nobody else', 'default'],
      ['log.level', 'info', 'default'],
      ['log.workers', 'text', 'default'],
    ]);
  });

  test('of a command has no keys of an entry', () => {
    write('name = "web"\ncommand = ["nginx", "-g", "daemon off;"]');
    const lines = renderConfig(readConfig({ cwd, flags: {}, cores: 4 })).split('\n');
    expect(lines[1]?.split(/ {2,}/)).toEqual(['command', 'nginx -g "daemon off;"', 'batond.toml:2']);
    expect(lines.map((line) => line.split(' ')[0])).not.toContain('runtime');
  });

  test('has the limits of a trial where there is one', () => {
    write('entry = "a.js"\nupgrade.soak = "60s"\nsoak.error_ratio = 0.02');
    const lines = renderConfig(readConfig({ cwd, flags: {}, cores: 4 })).split('\n');
    expect(lines.filter((line) => line.includes('soak')).map((line) => line.split(/ {2,}/))).toEqual([
      ['upgrade.soak', '1m', 'batond.toml:2'],
      ['soak.error_ratio', '2 %', 'batond.toml:3'],
      ['soak.p99', '50ms', 'default'],
      ['soak.delay', '200ms', 'default'],
      ['soak.memory_growth', '5MiB', 'default'],
    ]);
  });

  test('is plain data for programs', () => {
    const loaded = readConfig({ cwd, flags: { entry: 'a.js' }, cores: 4 });
    const facts = JSON.parse(JSON.stringify(configFacts(loaded)));
    expect(facts).toMatchObject({
      config: loaded.config,
      origins: { name: 'package.json', entry: '[entry]', workers: 'default' },
    });
  });
});

describe('the release', () => {
  const toml = (text: string) => `entry = "a.js"\n${text}`;

  test('is where release.current leads, where no directory is named', () => {
    write(toml('[release]\ncurrent = "srv/current"\nverify = "signature"\npublic_key = "shop.pub"\nrevert = true'));
    const { config, origins } = readConfig({ cwd, flags: {}, cores: 4 });
    expect(config).toMatchObject({
      directory: join(cwd, 'srv/current'),
      program: { entry: join(cwd, 'srv/current/a.js') },
      release: {
        current: join(cwd, 'srv/current'),
        verify: 'signature',
        publicKey: join(cwd, 'shop.pub'),
        revert: true,
      },
    });
    expect(origins.directory).toBe('batond.toml:3');
  });

  test.each([
    [
      'directory = "elsewhere"\n[release]\ncurrent = "srv/current"',
      /^batond.toml:2: directory: .*elsewhere is not in release.current \(.*srv\/current\): it would not follow the symlink$/,
    ],
    ['[release]\nverify = "signature"', /3: release.verify: "signature" needs a release.public_key to check it with$/],
    ['[release]\nrevert = true', /3: release.revert: there is no release.current that could be pointed back$/],
    ['[release]\nrevert = "yes"', /3: release.revert: "yes" is not allowed: true or false$/],
    ['[hooks]\npre_reload = "make"', /3: hooks.pre_reload: "make" is not allowed: a list of strings, at least one$/],
    [
      '[release]\ncurrent = "srv/current"\nverify = "signature"\npublic_key = "srv/current/key.pub"',
      /5: release.public_key: it is part of the release that it is to verify$/,
    ],
    [
      '[release]\nverify = "signature"\npublic_key = "/etc/shop.pub"',
      /3: release.verify: .*batond.toml is part of the release that it wants verified: keep it elsewhere$/,
    ],
  ])('%j is refused', (text, message) => {
    write(toml(text));
    expect(errorOf(() => load()).message).toMatch(message);
  });
});

describe('the table of keys', () => {
  test('gives every key a sentence and an allowed range', () => {
    for (const path of KEY_PATHS) {
      expect(keyOf(path).about, path).toMatch(/\.$/);
      expect(allowed(keyOf(path).type), path).not.toBe('');
    }
  });

  test('has a flag for each property of the flags, no two the same', () => {
    const flags = KEY_PATHS.flatMap((path) => keyOf(path).flag?.property ?? []);
    expect(new Set(flags).size).toBe(flags.length);
  });
});

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1m30s', 90_000],
    ['1h2m3s4ms', 3_723_004],
    ['0s', 0],
  ])('%s is %i ms and back', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
    expect(formatDuration(ms)).toBe(text);
  });

  test.each(['', '30', 's', '1.5s', ' 1s', '1 s', '1s1m', '1s1s', '-1s', '1S', '1d'])('%j is none', (text) => {
    expect(parseDuration(text)).toBeNull();
  });
});

describe('addresses', () => {
  test.each([
    ['8080', { kind: 'tcp', host: null, port: 8080 }],
    ['0.0.0.0:80', { kind: 'tcp', host: '0.0.0.0', port: 80 }],
    ['[::1]:0', { kind: 'tcp', host: '::1', port: 0 }],
    ['localhost:65535', { kind: 'tcp', host: 'localhost', port: 65535 }],
    ['my-host.example:1', { kind: 'tcp', host: 'my-host.example', port: 1 }],
    ['/run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
    ['@abstract', { kind: 'unix', path: '\0abstract' }],
  ])('%s is one', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });
});
