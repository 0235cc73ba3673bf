/**
 * What is wrong between keys that are each right. A key that was refused already takes no part.
 */
import { type FreezeWindow, hasDay } from '../admission/freeze.js';
import { formatAddress } from './address.js';
import { problemOfStep, type WrittenStep } from './canary-steps.js';
import type { ListenerConfig } from './config.js';
import { formatDuration } from './duration.js';
import type { WrittenRule } from './healing-rules.js';
import { parseStatuses } from './health.js';
import { KEY_PATHS, type KeyPath } from './keys.js';
import { formatPath, type Path, type Place, type Problem } from './problem.js';
import type { TomlDocument } from './read-toml.js';
import type { Settings } from './settings.js';

const NOT_COUNTED = 'on trial only its exits count, since it does not say how it serves';

/** Keys that only a Node program has, and what to do about them where there is a command. */
export const ONLY_OF_ENTRIES: ReadonlyMap<KeyPath, string> = new Map([
  ['args', 'write them into command'],
  ['runtime', 'write it into command'],
  ['runtime_args', 'write them into command'],
  ['upgrade.probe', 'only a Node program can be asked before it serves'],
  ['probe.startup.path', 'only a Node program can be asked; say notify = true'],
  ['probe.startup.check', 'only a Node program can be asked; say notify = true'],
  ['probe.readiness.path', 'only a Node program can be asked'],
  ['probe.readiness.check', 'only a Node program can be asked'],
  ['probe.liveness.path', 'only a Node program can be asked; say notify = true'],
  ['probe.liveness.check', 'only a Node program can be asked; say notify = true'],
  ['upgrade.canary', 'it accepts on the sockets that it was started with, and no share can be kept apart for another'],
  ['upgrade.on_failure', 'only a Node program can be examined'],
  ['evidence.max', 'only a Node program can be examined'],
  ['evidence.cpu_time', 'only a Node program can be examined'],
  ['upgrade.state_max', 'only a Node program can give its state to the next generation'],
  ['upgrade.min_trust', NOT_COUNTED],
  ['soak.error_ratio', NOT_COUNTED],
  ['soak.p99', NOT_COUNTED],
  ['soak.delay', NOT_COUNTED],
  ['soak.memory_growth', NOT_COUNTED],
]);

export function crossCheck(settings: Settings, document: TomlDocument | null, problems: Problem[]): void {
  const report = (key: KeyPath, text: string): void => {
    problems.push({ place: settings.get(key)?.place ?? NOWHERE, key, text });
  };
  checkProgram(settings, document, problems, report);
  checkListeners(settings, document, problems);
  checkRules(settings, document, problems);
  checkProbes(settings, report);
  checkFreeze(settings, document, problems);
  checkCanary(settings, document, problems);
  if (settings.get('release.verify')?.value === 'signature' && !settings.has('release.public_key')) {
    report('release.verify', '"signature" needs a release.public_key to check it with');
  }
  if (settings.get('release.revert')?.value === true && !settings.has('release.current')) {
    report('release.revert', 'there is no release.current that could be pointed back');
  }
  const delayMs = settings.get('restart.delay')?.value;
  const maxMs = settings.get('restart.delay_max')?.value;
  if (typeof delayMs === 'number' && typeof maxMs === 'number' && delayMs > maxMs) {
    const key = isSaid(settings, 'restart.delay') ? 'restart.delay' : 'restart.delay_max';
    report(
      key,
      `restart.delay (${formatDuration(delayMs)}) is longer than restart.delay_max (${formatDuration(maxMs)})`,
    );
  }
}

const NOWHERE: Place = { kind: 'default' };

function isSaid(settings: Settings, key: KeyPath): boolean {
  return (settings.get(key)?.place ?? NOWHERE).kind !== 'default';
}

function checkProgram(
  settings: Settings,
  document: TomlDocument | null,
  problems: Problem[],
  report: (key: KeyPath, text: string) => void,
): void {
  const [entry, command] = [settings.get('entry'), settings.get('command')];
  if (entry === undefined && command === undefined) {
    const place: Place = document === null ? NOWHERE : { kind: 'file', file: document.file, line: null, column: null };
    const text =
      document === null
        ? 'there is nothing to run: name an entry (batond run server.js), or write a batond.toml'
        : 'there is nothing to run: write entry = "server.js", or command = ["./server"]';
    problems.push({ place, key: null, text });
  }
  if (entry !== undefined && command !== undefined)
    report('command', 'entry is there too: a service is one or the other');
  if (entry !== undefined || command === undefined) return;
  for (const [key, advice] of ONLY_OF_ENTRIES) {
    if (isSaid(settings, key)) report(key, `a command has no ${key.split('.').at(-1)}: ${advice}`);
  }
  const ready = settings.get('ready')?.value;
  if (typeof ready === 'string' && ready !== 'notify') {
    report('ready', `"${ready}" cannot be seen from outside a command: it must say READY=1, which is "notify"`);
  }
}

/** A probe asks in one way; what is said of one that asks in none was meant for something. */
function checkProbes(settings: Settings, report: (key: KeyPath, text: string) => void): void {
  for (const name of ['startup', 'readiness', 'liveness'] as const) {
    const ways = ([`probe.${name}.path`, `probe.${name}.check`, `probe.${name}.notify`] as const).filter(
      (key) => isSaid(settings, key) && settings.get(key)?.value !== false,
    );
    const said = KEY_PATHS.filter((key) => key.startsWith(`probe.${name}.`) && isSaid(settings, key));
    if (ways.length > 1) report(ways[1]!, `${ways[0]!.split('.').at(-1)} is there too: a probe asks in one way`);
    if (ways.length === 0 && said.length > 0) report(said[0]!, `the probe asks for nothing: say path, check or notify`);
    if (ways.some((way) => way.endsWith('.notify')) && settings.has('entry')) {
      report(`probe.${name}.notify`, 'only a command says WATCHDOG=1; a Node program is asked by path or check');
    }
    const statuses = settings.get(`probe.${name}.status`)?.value;
    if (typeof statuses !== 'string') continue;
    const { minStatus, maxStatus } = parseStatuses(statuses);
    if (minStatus > maxStatus)
      report(`probe.${name}.status`, `"${statuses}" is no range: the lower status comes first`);
  }
}

function checkCanary(settings: Settings, document: TomlDocument | null, problems: Problem[]): void {
  const steps = (settings.get('upgrade.canary')?.value ?? []) as readonly WrittenStep[];
  for (const [index, step] of steps.entries()) {
    const problem = problemOfStep(step);
    if (problem === null || document === null) continue;
    const path: Path = ['upgrade', 'canary', index, problem.key];
    problems.push({ place: document.placeOf(path), key: formatPath(path), text: problem.text });
  }
}

function checkListeners(settings: Settings, document: TomlDocument | null, problems: Problem[]): void {
  const listeners = (settings.get('listener')?.value ?? []) as readonly ListenerConfig[];
  const seen = new Map<string, number>();
  const claim = (index: number, key: 'name' | 'address', text: string): void => {
    const first = seen.get(`${key} ${text}`);
    if (first === undefined) seen.set(`${key} ${text}`, index);
    else if (document !== null) {
      const path: Path = ['listener', index, key];
      const other = formatPath(['listener', first]);
      problems.push({
        place: document.placeOf(path),
        key: formatPath(path),
        text: `"${text}" is that of ${other} already`,
      });
    }
  };
  for (const [index, { name, address }] of listeners.entries()) {
    claim(index, 'name', name);
    // Each listen on port 0 gets a port of its own.
    if (address.kind === 'unix' || address.port !== 0) claim(index, 'address', formatAddress(address));
  }
}

/** A rule is for one kind of end; what it says of a pause has to have a meaning. */
function checkRules(settings: Settings, document: TomlDocument | null, problems: Problem[]): void {
  if (document === null) return;
  const rules = (settings.get('healing.rule')?.value ?? []) as readonly WrittenRule[];
  const report = (path: Path, text: string) =>
    problems.push({ place: document.placeOf(path), key: formatPath(path), text });
  for (const [index, { status, signal, cause, action, delay }] of rules.entries()) {
    const path: Path = ['healing', 'rule', index];
    const said = [status, signal, cause].filter((one) => one !== null).length;
    if (said === 0) report(path, 'it is for no end: write a status, a signal or a cause');
    if (said > 1) report(path, 'it is for more than one end: write a rule each for a status, a signal and a cause');
    if (delay !== null && action !== 'retry' && action !== 'standby') {
      report([...path, 'delay'], `"${action}" has no delay of its own: that is for "retry" and "standby"`);
    }
  }
}

/** A window from 22:00 to Mon 06:00 has no meaning that two people would agree on, nor has one that ends as it begins. */
function checkFreeze(settings: Settings, document: TomlDocument | null, problems: Problem[]): void {
  const windows = (settings.get('upgrade.freeze')?.value ?? []) as readonly FreezeWindow[];
  for (const [index, { from, to }] of windows.entries()) {
    const path: Path = ['upgrade', 'freeze', index, 'to'];
    const report = (text: string) => problems.push({ place: document!.placeOf(path), key: formatPath(path), text });
    if (hasDay(from) !== hasDay(to)) report(`"${to}" does not go with "${from}": write a day in both, or in none`);
    else if (from === to) report(`"${to}" is when it begins too: a window must have an end`);
  }
}
