/**
 * How this very command line is run again, by the host or for the next supervisor: by the paths as they were given,
 * never by what they pointed to, so that a newer Node or a newer batond behind the same path is what comes next.
 */
import { accessSync, constants } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { workingDirectory } from '../config/working-directory.js';

export interface SelfCommand {
  readonly file: string;
  readonly argv: readonly string[];
  /** Absolute, symlinks as written: they are followed anew. */
  readonly cwd: string;
}

export function selfCommand(): SelfCommand {
  return {
    file: runtimePath(),
    argv: [process.argv0, ...process.execArgv, ...process.argv.slice(1)],
    cwd: workingDirectory(process.env),
  };
}

/** argv[0] is what was written; process.execPath is where it led, which may be gone by now. */
function runtimePath(): string {
  if (isAbsolute(process.argv0)) return process.argv0;
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const file = join(folder, process.argv0);
    try {
      if (!isAbsolute(folder)) continue;
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return process.execPath;
}
