/** `batond run` where no systemd manages the service: the config is checked first, then the host runs a supervisor. */
import { closeSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { isatty } from 'node:tty';
import type { Config } from '../config/config.js';
import type { ConfigFlags } from '../config/keys.js';
import { loadConfig } from '../config/load.js';
import { type Paths, pathsOf } from '../control/paths.js';
import { makeRuntimeDirectory } from '../control/runtime-directory.js';
import { refuseSecondStart } from '../control/second-start.js';
import { BatondError, EXIT } from '../errors.js';
import { createLog } from '../log.js';
import { resolveRelease } from '../release/release.js';
import { FD_STORE_MAX } from './fd-store.js';
import { runHost } from './host.js';
import { lockService } from './lock.js';
import { PidFile } from './pid-file.js';
import { type HostReport, REPORT_ENVIRONMENT } from './report.js';
import { type SelfCommand, selfCommand } from './self.js';
import { watchdogMs } from './watchdog.js';

export interface UnderHostOptions {
  readonly config?: string;
  readonly pidFile?: string;
}

type Report = (report: HostReport) => void;

export async function runUnderHost(flags: ConfigFlags, options: UnderHostOptions): Promise<number> {
  // Where we were started, before a detached host leaves it.
  const command = selfCommand();
  const report = takeReporter();
  if (report === null) return run(command, flags, options, () => {});
  try {
    return await run(command, flags, options, report);
  } catch (error) {
    // Whoever waits says it; the log is for what happens to a service that runs.
    const known = error instanceof BatondError;
    const { message } = error as Error;
    report({ ready: false, reason: message, exitStatus: known ? error.exitStatus : EXIT.software });
    if (known) return error.exitStatus;
    throw error;
  }
}

async function run(
  command: SelfCommand,
  flags: ConfigFlags,
  options: UnderHostOptions,
  report: Report,
): Promise<number> {
  const config = loadConfig({ cwd: command.cwd, configFile: options.config, flags, cores: availableParallelism() });
  resolveRelease(config, { env: process.env, execPath: process.execPath, now: Date.now() });
  const paths = pathsOf(config.name, process.env);
  makeRuntimeDirectory(paths.runtimeDirectory);
  // The lock first: it knows the host's pid, which is the one that a person has seen. A supervisor under systemd has none.
  lockService(config.name, paths.runtimeDirectory);
  await refuseSecondStart(config.name, paths.controlSocket);
  const pidFile = new PidFile(
    resolve(command.cwd, options.pidFile ?? join(paths.runtimeDirectory, 'batond.pid')),
    config.name,
  );
  try {
    return await runHost({ ...hostOptions(config, command, paths), report });
  } finally {
    pidFile.remove();
  }
}

function hostOptions(config: Config, command: SelfCommand, paths: Paths) {
  return {
    ...command,
    ...paths,
    name: config.name,
    env: { ...(process.env as Record<string, string>), PWD: command.cwd },
    // As in a unit: what drains, then what is killed, and a little for everything else.
    stopTimeoutMs: config.upgrade.drainTimeoutMs + config.stop.killTimeoutMs + 10_000,
    fdStoreMax: FD_STORE_MAX,
    watchdogMs: watchdogMs(process.env),
    terminal: isatty(0),
    log: createLog({ name: config.name, level: config.log.level, env: process.env }),
  };
}

/** Where somebody waits for a detached host to say how it went: told once, then left alone, as is their directory. */
function takeReporter(): Report | null {
  const fd = process.env[REPORT_ENVIRONMENT];
  delete process.env[REPORT_ENVIRONMENT];
  if (fd === undefined) return null;
  process.chdir('/');
  let told = false;
  return (report) => {
    if (told) return;
    told = true;
    try {
      writeSync(Number(fd), `${JSON.stringify(report)}\n`);
    } catch {
      // Whoever started us did not wait: the service runs all the same.
    }
    closeSync(Number(fd));
  };
}
