/**
 * `batond run --detach`: the classic daemon for machines without systemd. The same command line runs again as a host
 * with a double fork, a session of its own, a fixed umask, no terminal and / as its directory; this process waits until
 * the service serves, so that its exit status is the truth. Only the host can refuse a second start without a race, so
 * what it refuses comes back the same way.
 */
import { openSync } from 'node:fs';
import { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { ConfigFlags } from '../config/keys.js';
import { loadConfig } from '../config/load.js';
import { BatondError, EXIT } from '../errors.js';
import { Descriptor } from '../inventory/descriptor.js';
import { native } from '../native.js';
import { resolveRelease } from '../release/release.js';
import { type HostReport, REPORT_ENVIRONMENT } from './report.js';
import { selfCommand } from './self.js';

const UMASK = 0o022;

export interface DetachOptions {
  readonly config?: string;
  readonly logFile?: string;
}

/** Resolves with the exit status. Throws what makes a start impossible before anything is started. */
export async function detach(flags: ConfigFlags, options: DetachOptions): Promise<number> {
  const { file, argv, cwd } = selfCommand();
  const config = loadConfig({ cwd, configFile: options.config, flags, cores: availableParallelism() });
  resolveRelease(config, { env: process.env, execPath: process.execPath, now: Date.now() });

  using nothing = new Descriptor(openSync('/dev/null', 'r+'));
  using log = new Descriptor(openLog(resolve(cwd, options.logFile ?? '/dev/null')));
  const [ours, theirs] = native().socketpair('stream');
  using end = new Descriptor(theirs);
  const env = { ...(process.env as Record<string, string>), PWD: cwd, [REPORT_ENVIRONMENT]: '3' };
  const { pidfd } = native().spawn({
    file,
    argv: withoutDetach(argv),
    env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
    cwd,
    fds: [nothing.fd, log.fd, log.fd, end.fd],
    parent: 'orphan',
    newSession: true,
    umask: UMASK,
  });
  native().close(pidfd);
  end.close();

  const line = await firstLine(new Socket({ fd: ours, readable: true, writable: false }));
  if (line === null) {
    const advice = options.logFile === undefined ? 'with --log-file it can say why' : `see ${options.logFile}`;
    throw new BatondError('HOST_ENDED', { name: config.name, advice });
  }
  const report = JSON.parse(line) as HostReport;
  if (report.ready) process.stdout.write(`${config.name} runs with pid ${report.pid}\n`);
  else process.stderr.write(`batond: ${report.reason}\n`);
  return report.ready ? EXIT.ok : report.exitStatus;
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o640);
  } catch (error) {
    throw new BatondError('NOT_WRITABLE', { path, reason: (error as Error).message }, error);
  }
}

/** What stands behind `--` is the app's, whatever it is called. */
function withoutDetach(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  return argv.filter((arg, i) => arg !== '--detach' || (end !== -1 && i > end));
}

async function firstLine(socket: Socket): Promise<string | null> {
  for await (const line of createInterface({ input: socket })) {
    socket.destroy();
    return line;
  }
  return null;
}
