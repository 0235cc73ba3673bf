/**
 * Brings a supervisor up, from nothing or from its predecessor, and waits for its end. Everything that can be refused
 * is refused before anything is touched: a successor with a bad config ends, and the incumbent never noticed.
 */

import type { ConfigFlags } from '../config/keys.js';
import { Audit } from '../control/audit.js';
import { bindControlSocket, openTo } from '../control/bind.js';
import { pathsOf } from '../control/paths.js';
import { Rights } from '../control/rights.js';
import { makeRuntimeDirectory } from '../control/runtime-directory.js';
import { ControlServer } from '../control/server.js';
import { takeSignals } from '../early-signals.js';
import { BatondError, EXIT } from '../errors.js';
import { EventFeed } from '../events/feed.js';
import { watchHost } from '../host/host-watch.js';
import { selfCommand } from '../host/self.js';
import { readLive, removeLive } from '../inventory/live-file.js';
import { createLog, type Log } from '../log.js';
import { native } from '../native.js';
import { keepStart, OWN_MAIN, STABLE_MS, STANDS_IN_FOR } from '../start-guard.js';
import { takeActivation } from '../systemd/activation.js';
import { managedBy } from '../systemd/managed-by.js';
import { Notifier } from '../systemd/notify.js';
import { startWatchdog } from '../systemd/watchdog.js';
import { ROLLBACK_ENVIRONMENT, TAKEOVER_ENVIRONMENT } from '../takeover/messages.js';
import { VERSION } from '../version.js';
import { Departure } from './departure.js';
import { inherit, refuseTakeover } from './inherit.js';
import { restoreKept, splitPassed } from './kept.js';
import { predecessorOf } from './predecessor-end.js';
import type { ProfileDesk } from './profile-desk.js';
import { SignalDesk } from './signal-desk.js';
import {
  hasBeenGood,
  keepLastGood,
  readStart,
  rereadConfig,
  type Start,
  startOfLastGood,
  startOfLive,
  underItsName,
  utc,
} from './start-config.js';
import { Supervisor } from './supervisor.js';
import { WorkerLines } from './worker-lines.js';

/** How long systemd may take to receive our last words. */
const LAST_WORDS_MS = 5_000;

/** Resolves with the exit status of this process. */
export async function runSupervisor(flags: ConfigFlags, configFile: string | undefined): Promise<number> {
  const takeoverFd = takeVariable(TAKEOVER_ENVIRONMENT);
  const successor = takeoverFd !== undefined;
  const goesBack = takeVariable(ROLLBACK_ENVIRONMENT) !== undefined;
  native().setProcessName('batond');
  const passed = splitPassed(successor ? [] : takeActivation(process.env));
  let start: Start;
  try {
    start = readStart(flags, configFile, goesBack);
    if (passed.ours.size > 0) start = underItsName(start);
  } catch (error) {
    if (!(error instanceof BatondError)) throw error;
    if (successor) {
      refuseTakeover(Number(takeoverFd), error.code, error.message);
      throw error;
    }
    const live = passed.ours.size > 0 ? startOfLive(error) : null;
    const known = live ?? startOfLastGood(flags, error);
    if (known === null) return refuseStart(error, passed.ours.size > 0 || hasBeenGood(flags));
    start = known;
  }
  const { config, release, target } = start;
  const paths = pathsOf(config.name, process.env);
  const events = new EventFeed(paths.eventsFile);
  const log = createLog({ name: config.name, level: config.log.level, env: process.env, hear: events.hear });
  const replaced = takeVariable(STANDS_IN_FOR);
  const notifier = Notifier.fromEnvironment(process.env);
  const rights = new Rights(config.control, process.getuid?.() ?? 0);
  const audit = new Audit(log);
  const lines = new WorkerLines({ name: config.name, env: process.env, json: config.log.workers === 'json' });
  const supervisor = new Supervisor({
    config,
    audit,
    release,
    target,
    configAt: start.at,
    configProblem: start.problem,
    remarks: replaced === undefined ? [] : [`batond ${VERSION} stands in for ${replaced}, which failed at its start.`],
    readConfig: () => rereadConfig(flags, configFile, config),
    settled: () => signals.review(),
    committed: (good, used) => {
      // One that is gone on with because the file is refused is the last good one already.
      if (start.problem === null || used !== config) keepLastGood(used, good, paths.lastGoodFile, log);
      keepWhenStable();
    },
    reconfigured: (serving, used) => {
      rights.use(used.control);
      reopen(path, rights, log);
      if (serving !== null) keepLastGood(used, serving, paths.lastGoodFile, log);
    },
    env: process.env,
    paths,
    log,
    notifier,
    events,
    lines,
    successorCommand: () => {
      const command = selfCommand();
      return { ...command, env: { ...(process.env as Record<string, string>), PWD: command.cwd } };
    },
  });

  let hostGone = false;
  let acting = false;
  const departure = new Departure(supervisor, managedBy(process.env));
  const signals = new SignalDesk({
    log,
    doing: () => (acting ? supervisor.doing : 'beginning'),
    acts: {
      SIGTERM: () => void departure.signalled(),
      SIGINT: () => supervisor.stop(),
      SIGQUIT: () => void supervisor.quit(),
      SIGHUP: () => void supervisor.config.reread(),
      SIGUSR1: () => supervisor.verbosity.toggle(),
      SIGUSR2: () => supervisor.reloadBySignal(),
    },
    passOn: (signal) => supervisor.passOn(signal),
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) process.on(signal, () => signals.hear(signal));
  takeSignals((signal) => signals.hear(signal));
  watchHost(process.env, () => {
    log.error({ event: 'host-gone' }, 'the host has died: stopping, since nobody would start anything here again');
    if (acting) supervisor.hostGone();
    else hostGone = true;
  });

  const handlers = {
    status: () => supervisor.status(),
    reload: supervisor.reload.bind(supervisor),
    rollback: supervisor.rollback.bind(supervisor),
    history: () => supervisor.history(),
    reports: () => supervisor.reports(),
    crashes: () => supervisor.crashes(),
    crash: (id: string) => supervisor.crash(id),
    report: (number: number | null) => supervisor.report(number),
    profile: (...asked: Parameters<ProfileDesk['begin']>) => supervisor.profiles.begin(...asked),
    profilePath: (name: string) => supervisor.profiles.path(name),
    stop: () => supervisor.stop(),
    health: supervisor.health,
    events,
  };
  const { controlSocket: path } = paths;
  const serve = (listener: number) => new ControlServer({ name: config.name, listener, path, rights, audit, handlers });
  if (successor) {
    const predecessor = predecessorOf(Number(takeoverFd));
    await lines.load([]);
    const inherited = await inherit(Number(takeoverFd), config.name, log);
    await lines.load(inherited.fds.keys());
    predecessor.leaves(log);
    startWatchdog(notifier, process.env, { successor, isAlive: () => supervisor.alive });
    const control = serve(takeControl(inherited.fds));
    supervisor.control = control;
    acting = true;
    events.begin();
    supervisor.continue(inherited);
    keepWhenStable();
    reopen(path, rights, log);
    control.resume();
  } else {
    makeRuntimeDirectory(paths.runtimeDirectory);
    await lines.load(passed.ours.keys());
    const kept = orForget(paths.liveFile, () =>
      restoreKept(passed, readLive(paths.liveFile), config, paths.runtimeDirectory),
    );
    const inherited = takeIfThere(kept?.fds, 'control');
    const control = serve(inherited ?? (await bindControlSocket(config.name, path, rights.access)));
    if (inherited !== null) reopen(path, rights, log);
    startWatchdog(notifier, process.env, { successor, isAlive: () => supervisor.alive });
    supervisor.control = control;
    acting = true;
    events.begin();
    if (replaced !== undefined) {
      log.error({ event: 'stands-in', replaced }, `${replaced} failed at its start: ${OWN_MAIN} runs in its place`);
    }
    if (start.problem !== null) {
      const { code, message, configOf } = start.problem;
      log.error(
        { event: 'config-refused', code },
        `${message}: going on with the last good configuration, of ${utc(configOf)}`,
      );
    }
    if (kept === null) supervisor.start(passed.others);
    else orForget(paths.liveFile, () => supervisor.adopt(kept, passed.others));
    if (kept !== null) keepWhenStable();
    control.resume();
  }
  if (hostGone) supervisor.hostGone();
  signals.review();
  const status = await supervisor.ended;
  audit.close();
  return status;
}

/** From here on this batond has served; it is one to go back to when it has done so for a while. */
function keepWhenStable(): void {
  setTimeout(() => keepStart(OWN_MAIN, process.env), STABLE_MS).unref();
}

/** The rights of the new config hold from here on; a file that somebody has removed gives nobody any. */
function reopen(path: string, rights: Rights, log: Log): void {
  try {
    openTo(path, rights.access);
  } catch (error) {
    const { message } = error as Error;
    log.error({ event: 'control-socket', err: error }, `the mode of ${path} cannot be set: ${message}`);
  }
}

/**
 * The unit is not started again after EXIT.config, which would end workers that live, and leave down what only waits for
 * its disk to be mounted. What is said then is another status, and the next start tries again.
 */
async function refuseStart(cause: BatondError, again: boolean): Promise<number> {
  process.stderr.write(`batond: ${cause.message}\n`);
  const notifier = Notifier.fromEnvironment(process.env);
  notifier.status(`Could not start: ${cause.message.split('\n')[0]}.`);
  await notifier.sent(LAST_WORDS_MS);
  return again ? EXIT.software : cause.exitStatus;
}

/** A record that a supervisor fails on would make each that follows fail: the next one goes by the descriptors alone. */
function orForget<T>(liveFile: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    removeLive(liveFile);
    throw error;
  }
}

function takeControl(fds: Map<string, number>): number {
  const fd = takeIfThere(fds, 'control');
  if (fd === undefined) throw new Error('the inventory lacks the control socket');
  return fd;
}

function takeIfThere(fds: Map<string, number> | undefined, name: string): number | undefined {
  const fd = fds?.get(name);
  fds?.delete(name);
  return fd;
}

function takeVariable(name: string): string | undefined {
  const value = process.env[name];
  delete process.env[name];
  return value;
}
