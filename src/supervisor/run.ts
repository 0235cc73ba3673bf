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
import { createLog, type Log } from '../log.js';
import { native } from '../native.js';
import { type Release, resolveRelease } from '../release/release.js';
import { takeActivation } from '../systemd/activation.js';
import { isJournalStream, openJournalStream } from '../systemd/journal-stream.js';
import { Notifier } from '../systemd/notify.js';
import { startWatchdog } from '../systemd/watchdog.js';
import { TAKEOVER_ENVIRONMENT } from '../takeover/messages.js';
import { inherit, refuseTakeover } from './inherit.js';
import { Supervisor } from './supervisor.js';

/** Resolves with the exit status of this process. */
export async function runSupervisor(flags: ConfigFlags, configFile: string | undefined): Promise<number> {
  const takeoverFd = takeVariable(TAKEOVER_ENVIRONMENT);
  const successor = takeoverFd !== undefined;
  native().setProcessName('batond');
  let config: Config;
  let release: Release;
  try {
    const cwd = workingDirectory(process.env);
    config = loadConfig({ cwd, configFile, flags, cores: availableParallelism() });
    release = resolveRelease(config, { env: process.env, execPath: process.execPath, now: Date.now() });
  } catch (error) {
    if (successor && error instanceof BatondError) refuseTakeover(Number(takeoverFd), error.code, error.message);
    throw error;
  }
  const log = createLog({ name: config.name, level: config.log.level, env: process.env });
  const notifier = Notifier.fromEnvironment(process.env);
  const paths = pathsOf(config.name, process.env);
  const rights = new Rights(config.control, process.getuid?.() ?? 0);
  const audit = new Audit(log);
  const supervisor = new Supervisor({
    config,
    audit,
    release,
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
  watchHost(process.env, () => {
    log.error({ event: 'host-gone' }, 'the host has died: stopping, since nobody would start anything here again');
    if (acting) supervisor.hostGone();
    else stopAsked = true;
  });

  const handlers = {
    status: () => supervisor.status(),
    reload: supervisor.reload.bind(supervisor),
    reports: () => supervisor.reports(),
    report: (number: number | null) => supervisor.report(number),
    stop: () => supervisor.stop(),
  };
  const { controlSocket: path } = paths;
  const serve = (listener: number) => new ControlServer({ name: config.name, listener, path, rights, audit, handlers });
  if (successor) {
    const inherited = await inherit(Number(takeoverFd), config.name, log);
    startWatchdog(notifier, process.env, { successor });
    const control = serve(takeControl(inherited.fds));
    supervisor.control = control;
    acting = true;
    supervisor.continue(inherited);
    reopen(path, rights, log);
    control.resume();
  } else {
    makeRuntimeDirectory(paths.runtimeDirectory);
    const activated = takeActivation(process.env);
    const control = serve(await bindControlSocket(config.name, path, rights.access));
    startWatchdog(notifier, process.env, { successor });
    supervisor.control = control;
    acting = true;
    supervisor.start(activated);
    control.resume();
  }
  if (stopAsked) supervisor.stop();
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
