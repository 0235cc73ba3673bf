/** The real command, run as a user would: the compiled main.js in a process of its own. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const DIST = join(ROOT, 'dist');
export const MAIN = join(DIST, 'main.js');

/** The Node that batond and its services run on; `npm run test:runtimes` sets it to others. */
export const NODE = process.env.TEST_NODE ?? process.execPath;

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function batond(args: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(NODE, [MAIN, ...args], { env, cwd, timeout: 120_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ status, stdout, stderr });
    });
  });
}
