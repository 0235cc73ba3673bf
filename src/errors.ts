/**
 * Every situation in which batond refuses or fails, with its exit status (sysexits.h) and what a user is told.
 *
 * A code names a situation, never a place. Callers branch on `code`; people read `message`. README.md lists each code
 * with cause and cure, and a test keeps that list complete.
 */

import { roughSize } from './config/size.js';

/** sysexits.h, as far as it is used. 1 is "refused or rolled back, the service is still up". */
export const EXIT = {
  ok: 0,
  refused: 1,
  usage: 64,
  unavailable: 69,
  software: 70,
  os: 71,
  cannotCreate: 73,
  busy: 75,
  noPermission: 77,
  config: 78,
  /** Not of sysexits.h: the service has done all it had to do. Only systemd and the host hear it, and start nothing again. */
  done: 79,
} as const;

/** What each of them says. The help and the manual print this table; those of the README are compared with it. */
export const EXIT_WORDS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done',
  refused: 'refused or rolled back, the service is still up',
  usage: 'usage',
  unavailable: 'not running',
  software: 'the service failed',
  os: 'the system refused',
  cannotCreate: 'cannot create',
  busy: 'busy, try again',
  noPermission: 'no permission',
  config: 'configuration, or a service that wants a person',
  done: 'the service has done all it had to do, or was ended by SIGQUIT, which only systemd sees',
};

type Facts = Readonly<Record<string, unknown>>;

interface Row {
  readonly exit: number;
  readonly message: (facts: Facts) => string;
}

const row = (exit: number, message: (facts: Facts) => string): Row => ({ exit, message });

const more = (count: number) => (count > 0 ? ` and ${count} more` : '');

export const ERRORS = {
  CONFIG_INVALID: row(EXIT.config, (f) => `${f.problem}`),
  CONFIG_UNREADABLE: row(EXIT.config, (f) => `cannot read ${f.file}: ${f.reason}`),
  ENTRY_NOT_FOUND: row(EXIT.config, (f) => `there is no entry ${f.entry}`),
  DIRECTORY_NOT_FOUND: row(EXIT.config, (f) => `there is no directory ${f.directory}`),
  RUNTIME_NOT_FOUND: row(EXIT.config, (f) => `there is no runtime ${f.runtime}: looked in ${f.looked}`),
  NOT_RUNNING: row(EXIT.unavailable, (f) => `${f.name} is not running: nothing answers on ${f.socket}`),
  NO_PERMISSION: row(
    EXIT.noPermission,
    (f) =>
      `you are ${f.user}, who may not connect to ${f.socket}: ask as root or as the service's user, or have yourself named in control.read or control.act of its batond.toml`,
  ),
  NOT_PERMITTED: row(
    EXIT.noPermission,
    (f) =>
      `you are ${f.user}, who may not ${f.what} ${f.name}: ask as root or as the service's user, or have "user:${f.uid}" or a group of yours added to control.${f.right} of its batond.toml`,
  ),
  DIRECTORY_UNSAFE: row(
    EXIT.cannotCreate,
    (f) => `${f.path} cannot be trusted: ${f.reason}; remove it, or set XDG_RUNTIME_DIR to a folder of your own`,
  ),
  ALREADY_RUNNING: row(EXIT.refused, (f) => `${f.name} is already running with pid ${f.pid}`),
  HOST_ENDED: row(EXIT.software, (f) => `${f.name} did not start: its host ended without a word; ${f.advice}`),
  NOT_WRITABLE: row(EXIT.cannotCreate, (f) => `cannot write ${f.path}: ${f.reason}`),
  SERVICE_NOT_NAMED: row(EXIT.usage, (f) => `which service? ${f.reason}: say --name`),
  BUSY: row(EXIT.busy, (f) => `a reload is already under way (generation ${f.generation}): try again when it is over`),
  NO_ROOM: row(EXIT.busy, (f) => `there is no room for a second generation: ${f.lacking}; --force tries all the same`),
  UNHEALTHY: row(
    EXIT.busy,
    () =>
      'the service is UNHEALTHY as it is: a reload would add to that; batond rollback goes back, and --force tries all the same',
  ),
  FROZEN: row(
    EXIT.busy,
    (f) => `upgrade.freeze allows no reload from ${f.from} to ${f.to}: try again at ${f.until}, or with --force`,
  ),
  TOO_SOON: row(
    EXIT.busy,
    (f) =>
      `the last generation was committed ${f.since} ago and upgrade.min_interval is ${f.min}: try again in ${f.retryAfterSeconds} s, or with --force`,
  ),
  TOO_MANY: row(
    EXIT.busy,
    (f) => `${f.listeners} already listen to the events of ${f.name}: try again when one of them has left`,
  ),
  NO_JOURNAL: row(EXIT.unavailable, (f) => `there is no journal of ${f.name}: ${f.reason}`),
  NO_REPORT: row(EXIT.refused, (f) =>
    f.number === null ? 'no reload has been reported yet' : `there is no report ${f.number}: the last 100 are kept`,
  ),
  NO_CRASH: row(EXIT.refused, (f) => `there is no crash ${f.id}: batond crashes lists those that are kept`),
  NO_CHECK: row(
    EXIT.refused,
    (f) =>
      `no worker has a check ${f.check}: ${f.known === '' ? 'the app has registered none' : `there is ${f.known}`}`,
  ),
  PROFILE_BUSY: row(EXIT.busy, (f) => `${f.worker} is being profiled already: try again when that is over`),
  PROFILE_REFUSED: row(EXIT.refused, (f) => `there is nothing to profile: ${f.reason}`),
  PROFILE_FAILED: row(EXIT.refused, (f) => `there is no ${f.what} profile of ${f.worker}: ${f.reason}`),
  NO_PROFILE: row(EXIT.refused, (f) => `there is no profile ${f.name}: only the last ones are kept`),
  REQUEST_INVALID: row(EXIT.usage, (f) => `${f.problem}`),
  STOPPING: row(EXIT.unavailable, (f) => `${f.name} is stopping`),
  CLIENT_GONE: row(EXIT.refused, () => 'the client that asked for the reload went away'),
  SUPERVISOR_DIED: row(EXIT.refused, () => 'the supervisor died during the reload'),
  SUCCESSOR_NOT_STARTED: row(EXIT.refused, (f) => `the next supervisor could not be started: ${f.reason}`),
  SUCCESSOR_EXITED: row(EXIT.refused, (f) => `the next supervisor ${f.how} before it took over`),
  SUCCESSOR_REFUSED: row(EXIT.refused, (f) => `the next supervisor refused to take over: ${f.reason}`),
  SUCCESSOR_TIMED_OUT: row(EXIT.refused, (f) => `the next supervisor did not take over within ${f.seconds} s`),
  SUCCESSOR_SPEAKS_OTHERWISE: row(
    EXIT.refused,
    (f) => `the next supervisor speaks takeover protocol ${f.theirs}, this one ${f.ours}`,
  ),
  INVENTORY_NOT_SENT: row(EXIT.refused, (f) => `sockets and workers could not be handed over: ${f.reason}`),
  CANDIDATE_NOT_STARTED: row(
    EXIT.refused,
    (f) => `a worker of generation ${f.generation} could not be started: ${f.reason}`,
  ),
  CANDIDATE_EXITED: row(
    EXIT.refused,
    (f) =>
      `a worker of generation ${f.generation} ${f.how} ${f.onTrial === true ? 'on trial' : 'before it was trusted'}${f.reason ? `: ${f.reason}` : ''}`,
  ),
  CANDIDATE_NOT_READY: row(
    EXIT.refused,
    (f) => `generation ${f.generation} was not ready within ${f.seconds} s: ${f.missing}`,
  ),
  CANDIDATE_NOT_ANSWERING: row(
    EXIT.refused,
    (f) => `a worker of generation ${f.generation} did not answer its probe: ${f.reason}`,
  ),
  CANARY_NOT_POSSIBLE: row(
    EXIT.refused,
    (f) => `no share of new connections can go to generation ${f.generation} first: ${f.reason}`,
  ),
  STATE_NOT_SAVED: row(EXIT.refused, (f) => `worker ${f.worker} did not save its state: ${f.reason}`),
  STATE_TOO_LARGE: row(
    EXIT.refused,
    (f) =>
      `the state of worker ${f.worker} is too large: ${roughSize(Number(f.bytes))} or more, upgrade.state_max is ${roughSize(Number(f.limitBytes))}`,
  ),
  STATE_NOT_RESTORED: row(
    EXIT.refused,
    (f) => `worker ${f.worker} did not restore the state of ${f.from}: ${f.reason}`,
  ),
  SOAK_FAILED: row(EXIT.refused, (f) => `generation ${f.generation} was worse on trial: ${f.reason}`),
  CANDIDATE_NOT_OPENED: row(
    EXIT.refused,
    (f) => `generation ${f.generation} did not begin to accept within ${f.seconds} s`,
  ),
  RELEASE_NOT_SEALED: row(EXIT.refused, (f) => `release ${f.release} is not sealed: ${f.reason}`),
  RELEASE_CHANGED: row(
    EXIT.refused,
    (f) => `release ${f.release} is not as it was sealed: ${f.named}${more(Number(f.count) - 3)}`,
  ),
  SIGNATURE_WRONG: row(
    EXIT.refused,
    (f) => `the seal of release ${f.release} was not signed with the key of ${f.publicKey}`,
  ),
  RELEASE_NOT_SEALABLE: row(EXIT.refused, (f) => `${f.directory} cannot be sealed: ${f.reason}`),
  KEY_UNUSABLE: row(EXIT.config, (f) => `the key ${f.file} cannot be used: ${f.reason}`),
  HOOK_FAILED: row(EXIT.refused, (f) => `the hook ${f.hook} ${f.how}${f.output ? `: ${f.output}` : ''}`),
  NO_ROLLBACK_TARGET: row(EXIT.refused, (f) => `there is nothing to roll back to: ${f.reason}`),
  GENERATION_LOST: row(EXIT.software, (f) => `generation ${f.generation} cannot be kept: ${f.reason}`),
  GENERATION_KEPT: row(
    EXIT.config,
    (f) => `no worker of generation ${f.generation} is left, and none is started again: ${f.reason}`,
  ),
  LISTENER_NOT_BOUND: row(EXIT.refused, (f) => `the listener ${f.name} cannot be had: ${f.reason}`),
  WORKER_NOT_READING: row(
    EXIT.refused,
    (f) => `worker ${f.worker} does not read what it is told: it cannot be handed over`,
  ),
  UNIT_INVALID: row(EXIT.config, (f) => `systemd-analyze verify does not accept the unit: ${f.reason}`),
  UNIT_EXISTS: row(EXIT.cannotCreate, (f) => `${f.path} is there already and was not made by batond`),
  UNIT_EDITED: row(
    EXIT.cannotCreate,
    (f) =>
      `${f.path} was changed since batond wrote it: move the changes to a drop-in (systemctl edit ${f.name}), or give them up with --force`,
  ),
  UNIT_NOT_WRITABLE: row(
    EXIT.noPermission,
    (f) => `no permission to write ${f.path}: ask as root, or install for yourself with --user-unit`,
  ),
  SERVICE_NOT_STARTED: row(EXIT.unavailable, (f) => `${f.name} is installed but did not start: ${f.reason}`),
  UNIT_NOT_INSTALLED: row(EXIT.unavailable, (f) => `no unit of batond named ${f.name} is installed`),
  SYSTEMCTL_FAILED: row(EXIT.os, (f) => `systemctl ${f.command} failed: ${f.reason}`),
  CONTROL_FAILED: row(EXIT.software, (f) => `the control socket gave no usable answer: ${f.reason}`),
  SETTINGS_UNREADABLE: row(EXIT.config, (f) => `cannot read ${f.file}: ${f.reason}`),
  SETTINGS_INVALID: row(EXIT.config, (f) => `${f.problem}`),
  PLATFORM_UNSUPPORTED: row(EXIT.unavailable, (f) => `batond runs on Linux only; this is ${f.platform}`),
  ADDON_MISSING: row(EXIT.os, (f) => `the addon cannot be loaded: ${f.reason}`),
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof ERRORS;

/** The one error of batond: a code from the table, the facts it speaks of, and what caused it. */
export class BatondError extends Error {
  readonly code: ErrorCode;
  readonly facts: Facts;

  constructor(code: ErrorCode, facts: Facts = {}, cause?: unknown) {
    super(ERRORS[code].message(facts), cause === undefined ? undefined : { cause });
    this.name = 'BatondError';
    this.code = code;
    this.facts = facts;
  }

  get exitStatus(): number {
    return ERRORS[this.code].exit;
  }
}
