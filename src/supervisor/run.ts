/**
 * Brings a supervisor up, from nothing or from its predecessor, and waits for its end. Everything that can be refused
 * is refused before anything is touched: a successor with a bad config ends, and the incumbent never noticed.
 */

import { availableParallelism } from 'node:os';
import type { Config } from '../config/config.js';
import type { ConfigFlags } from '../config/keys.js';
import { loadConfig } from '../config/load.js';
import { workingDirectory } from '../config/working-directory.js';
import { Audit } from '../control/audit.js';
import { bindControlSocket, openTo } from '../control/bind.js';
import { pathsOf } from '../control/paths.js';
import { Rights } from '../control/rights.js';
import { makeRuntimeDirectory } from '../control/runtime-directory.js';
import { ControlServer } from '../control/server.js';
import { BatondError } from '../errors.js';
import { watchHost } from '../host/host-watch.js';
import { selfCommand } from '../host/self.js';
import { Descriptor } from '../inventory/descriptor.js';
import { readLive, removeLive } from '../inventory/live-file.js';
import { createLog, type Log } from '../log.js';
import { native } from '../native.js';
import { readTarget, type Target } from '../release/current.js';
import { type Release, resolveRelease } from '../release/release.js';
import { takeActivation } from '../systemd/activation.js';
import { isJournalStream, openJournalStream } from '../systemd/journal-stream.js';
import { managedBy } from '../systemd/managed-by.js';
import { Notifier } from '../systemd/notify.js';
import { startWatchdog } from '../systemd/watchdog.js';
import { ROLLBACK_ENVIRONMENT, TAKEOVER_ENVIRONMENT } from '../takeover/messages.js';
import { Departure } from './departure.js';
import { inherit, refuseTakeover } from './inherit.js';
import { restoreKept, splitPassed } from './kept.js';
import { predecessorOf } from './predecessor-end.js';
import { Supervisor } from './supervisor.js';

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
    if (successor && error instanceof BatondError) refuseTakeover(Number(takeoverFd), error.code, error.message);
    const last = passed.ours.size > 0 && error instanceof BatondError ? lastStart(error) : null;
    if (last === null) throw error;
    start = last;
  }
  const { config, release, target } = start;
  const log = createLog({ name: config.name, level: config.log.level, env: process.env });
  const notifier = Notifier.fromEnvironment(process.env);
  const paths = pathsOf(config.name, process.env);
  const rights = new Rights(config.control, process.getuid?.() ?? 0);
  const audit = new Audit(log);
  const supervisor = new Supervisor({
    config,
    audit,
    release,
    target,
    env: process.env,
    paths,
    log,
    notifier,
    streams: workerStreams(config.name),
    successorCommand: () => {
      const command = selfCommand();
      return { ...command, env: { ...(process.env as Record<string, string>), PWD: command.cwd } };
    },
  });

  let stopAsked = false;
  let acting = false;
  const departure = new Departure(supervisor, managedBy(process.env));
  const heed = (act: () => void) => () => {
    if (acting) act();
    else stopAsked = true;
  };
  process.on(
    'SIGTERM',
    heed(() => void departure.signalled()),
  );
  process.on(
    'SIGINT',
    heed(() => supervisor.stop()),
  );
  // A terminal that closes is the host's business; the default action would end the supervisor.
  process.on('SIGHUP', () => {});
  watchHost(process.env, () => {
    log.error({ event: 'host-gone' }, 'the host has died: stopping, since nobody would start anything here again');
    if (acting) supervisor.hostGone();
    else stopAsked = true;
  });

  const handlers = {
    status: () => supervisor.status(),
    reload: supervisor.reload.bind(supervisor),
    rollback: supervisor.rollback.bind(supervisor),
    history: () => supervisor.history(),
    reports: () => supervisor.reports(),
    report: (number: number | null) => supervisor.report(number),
    stop: () => supervisor.stop(),
  };
  const { controlSocket: path } = paths;
  const serve = (listener: number) => new ControlServer({ name: config.name, listener, path, rights, audit, handlers });
  if (successor) {
    const predecessor = predecessorOf(Number(takeoverFd));
    const inherited = await inherit(Number(takeoverFd), config.name, log);
    predecessor.leaves(log);
    startWatchdog(notifier, process.env, { successor, isAlive: () => supervisor.alive });
    const control = serve(takeControl(inherited.fds));
    supervisor.control = control;
    acting = true;
    supervisor.continue(inherited);
    reopen(path, rights, log);
    control.resume();
  } else {
    makeRuntimeDirectory(paths.runtimeDirectory);
    const kept = orForget(paths.liveFile, () =>
      restoreKept(passed, readLive(paths.liveFile), config, paths.runtimeDirectory),
    );
    const inherited = takeIfThere(kept?.fds, 'control');
    const control = serve(inherited ?? (await bindControlSocket(config.name, path, rights.access)));
    if (inherited !== null) reopen(path, rights, log);
    startWatchdog(notifier, process.env, { successor, isAlive: () => supervisor.alive });
    supervisor.control = control;
    acting = true;
    if (start.problem !== null) {
      log.error(
        { event: 'config-refused', code: start.problem.code },
        `${start.problem.message}: going on with the configuration that was in use`,
      );
    }
    if (kept === null) supervisor.start(passed.others);
    else orForget(paths.liveFile, () => supervisor.adopt(kept, passed.others));
    control.resume();
  }
  if (stopAsked) void departure.signalled();
  const status = await supervisor.ended;
  audit.close();
  return status;
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

interface Start {
  readonly config: Config;
  /** Null only for a rollback, which brings its own. */
  readonly release: Release | null;
  readonly target: Target | null;
  /** Why this is not what stands in the config now. */
  readonly problem: BatondError | null;
}

function readStart(flags: ConfigFlags, configFile: string | undefined, goesBack: boolean): Start {
  const cwd = workingDirectory(process.env);
  const config = loadConfig({ cwd, configFile, flags, cores: availableParallelism() });
  // Before the release: should the symlink move in between, the watch finds another target than this.
  const target = config.release.current === null ? null : readTarget(config.release.current);
  return { config, release: findRelease(config, goesBack), target, problem: null };
}

/**
 * A config that has an error, or a release that is half deployed, is no reason to lose a service that runs: what was in
 * use is on record. Null where nothing is.
 */
function lastStart(problem: BatondError): Start | null {
  const { live } = readLive(pathsOf('', process.env).liveFile);
  const incumbent = live?.state.generations.find(({ role }) => role === 'incumbent');
  if (live === null || incumbent === undefined) return null;
  return { config: live.config, release: incumbent.release, target: null, problem };
}

/** A service that lives keeps its name until it is stopped: its folders, its unit and its sockets go by it. */
function underItsName(start: Start): Start {
  const { live } = readLive(pathsOf(start.config.name, process.env).liveFile);
  if (live === null || live.config.name === start.config.name) return start;
  const problem = `the service is named ${live.config.name} and the config now says ${start.config.name}`;
  return lastStart(new BatondError('CONFIG_INVALID', { problem })) ?? start;
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

/** A rollback must be possible whatever was deployed: what is not there is none. */
function findRelease(config: Config, goesBack: boolean): Release | null {
  try {
    return resolveRelease(config, { env: process.env, execPath: process.execPath, now: Date.now() });
  } catch (error) {
    if (goesBack && error instanceof BatondError) return null;
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

/** Each worker's output is a journal stream of its own, so that the journal knows its pid; elsewhere it shares ours. */
function workerStreams(name: string): () => { stdout: Descriptor; stderr: Descriptor } {
  const underJournal = isJournalStream(process.env);
  const open = (fd: 1 | 2) =>
    underJournal ? openJournalStream({ identifier: name, priority: fd === 1 ? 6 : 4 }) : native().dup(fd);
  return () => {
    const stdout = new Descriptor(open(1));
    try {
      return { stdout, stderr: new Descriptor(open(2)) };
    } catch (error) {
      stdout.close();
      throw error;
    }
  };
}
