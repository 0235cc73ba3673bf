/**
 * Brings a supervisor up, from nothing or from its predecessor, and waits for its end. Everything that can be refused
 * is refused before anything is touched: a successor with a bad config ends, and the incumbent never noticed.
 */

import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Config } from '../config/config.js';
import type { ConfigFlags } from '../config/keys.js';
import { loadConfig } from '../config/load.js';
import { workingDirectory } from '../config/working-directory.js';
import { bindControlSocket } from '../control/bind.js';
import { pathsOf } from '../control/paths.js';
import { ControlServer } from '../control/server.js';
import { BatondError } from '../errors.js';
import { selfCommand } from '../host/self.js';
import { Descriptor } from '../inventory/descriptor.js';
import { createLog } from '../log.js';
import { native } from '../native.js';
import { readTarget, type Target } from '../release/current.js';
import { type Release, resolveRelease } from '../release/release.js';
import { takeActivation } from '../systemd/activation.js';
import { isJournalStream, openJournalStream } from '../systemd/journal-stream.js';
import { Notifier } from '../systemd/notify.js';
import { startWatchdog } from '../systemd/watchdog.js';
import { ROLLBACK_ENVIRONMENT, TAKEOVER_ENVIRONMENT } from '../takeover/messages.js';
import { inherit, refuseTakeover } from './inherit.js';
import { Supervisor } from './supervisor.js';

/** Resolves with the exit status of this process. */
export async function runSupervisor(flags: ConfigFlags, configFile: string | undefined): Promise<number> {
  const takeoverFd = takeVariable(TAKEOVER_ENVIRONMENT);
  const successor = takeoverFd !== undefined;
  const goesBack = takeVariable(ROLLBACK_ENVIRONMENT) !== undefined;
  native().setProcessName('batond');
  let config: Config;
  let release: Release | null;
  let target: Target | null;
  try {
    const cwd = workingDirectory(process.env);
    config = loadConfig({ cwd, configFile, flags, cores: availableParallelism() });
    // Before the release: should the symlink move in between, the watch finds another target than this.
    target = config.release.current === null ? null : readTarget(config.release.current);
    release = findRelease(config, goesBack);
  } catch (error) {
    if (successor && error instanceof BatondError) refuseTakeover(Number(takeoverFd), error.code, error.message);
    throw error;
  }
  const log = createLog({ name: config.name, level: config.log.level, env: process.env });
  const notifier = Notifier.fromEnvironment(process.env);
  const paths = pathsOf(config.name, process.env);
  const supervisor = new Supervisor({
    config,
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
  const stop = () => {
    if (acting) supervisor.stop();
    else stopAsked = true;
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // A terminal that closes is the host's business; the default action would end the supervisor.
  process.on('SIGHUP', () => {});

  const handlers = {
    status: () => supervisor.status(),
    reload: supervisor.reload.bind(supervisor),
    rollback: supervisor.rollback.bind(supervisor),
    history: () => supervisor.history(),
    reports: () => supervisor.reports(),
    report: (number: number | null) => supervisor.report(number),
    stop: () => supervisor.stop(),
  };
  if (successor) {
    const inherited = await inherit(Number(takeoverFd), config.name, log);
    startWatchdog(notifier, process.env, { successor });
    const control = new ControlServer(takeControl(inherited.fds), paths.controlSocket, handlers);
    supervisor.control = control;
    acting = true;
    supervisor.continue(inherited);
    control.resume();
  } else {
    mkdirSync(paths.runtimeDirectory, { recursive: true, mode: 0o755 });
    const activated = takeActivation(process.env);
    const control = new ControlServer(
      await bindControlSocket(config.name, paths.controlSocket),
      paths.controlSocket,
      handlers,
    );
    startWatchdog(notifier, process.env, { successor });
    supervisor.control = control;
    acting = true;
    supervisor.start(activated);
    control.resume();
  }
  if (stopAsked) supervisor.stop();
  return supervisor.ended;
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
  const fd = fds.get('control');
  if (fd === undefined) throw new Error('the inventory lacks the control socket');
  fds.delete('control');
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
