/** Which service a command speaks of: `--name`, or the config of this directory, or the only one that runs here. */
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { KEYS } from '../config/keys.js';
import { runtimeRoots } from '../control/paths.js';
import { isForeign } from '../control/runtime-directory.js';
import { BatondError } from '../errors.js';

export interface NameOptions {
  readonly name?: string;
  readonly config?: string;
}

export async function serviceName(options: NameOptions): Promise<string> {
  return (await namedService(options)) ?? (await nameOfTheOnlyOne());
}

/** Null where neither a flag nor a config names one. */
export async function namedService({ name, config }: NameOptions): Promise<string | null> {
  return name ?? (await nameOfConfig(config));
}

/**
 * A config that names its service is not judged any further: a mistake elsewhere in it is no reason not to show or stop
 * what runs, and a unit may say on its command line what the file leaves out.
 */
async function nameOfConfig(configFile: string | undefined): Promise<string | null> {
  const { readToml } = await import('../config/read-toml.js');
  const { workingDirectory } = await import('../config/working-directory.js');
  const cwd = workingDirectory(process.env);
  const file = configFile ?? 'batond.toml';
  const document = readToml(resolve(cwd, file), file);
  if (document === null && configFile === undefined) return null;
  const name = document?.root.name;
  if (typeof name === 'string' && KEYS.name.type.pattern.test(name)) return name;
  const { loadConfig } = await import('../config/load.js');
  const { entry, command } = document?.root ?? {};
  // Without a program there is nothing to take the name from: the command line that started it had one.
  if (document !== null && name === undefined && entry === undefined && command === undefined) return null;
  return loadConfig({ cwd, configFile, flags: {}, cores: 1 }).name;
}

/** Those of the runtime directories that somebody answers in; sorted. */
export async function runningServices(): Promise<string[]> {
  const roots = runtimeRoots(process.env).filter((root) => !isForeign(root));
  const found = roots.flatMap((root) => folders(root).map((name) => ({ root, name })));
  const alive = await Promise.all(found.map(({ root, name }) => isServed(join(root, name, 'control.sock'))));
  return [...new Set(found.filter((_, i) => alive[i]).map(({ name }) => name))].sort();
}

async function nameOfTheOnlyOne(): Promise<string> {
  const running = await runningServices();
  if (running.length === 1) return running[0]!;
  const reason =
    running.length === 0
      ? 'there is no batond.toml here that names one, and none is running'
      : `${running.join(', ')} are running`;
  throw new BatondError('SERVICE_NOT_NAMED', { reason });
}

function folders(root: string): string[] {
  try {
    return readdirSync(root);
  } catch {
    return [];
  }
}

/** One that we may not speak to runs all the same; a file that nobody answers on was left by one that was killed. */
export function isServed(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => done(code === 'EACCES' || code === 'EPERM'));
  });
}
