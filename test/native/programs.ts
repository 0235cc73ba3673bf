/** Starts programs with the addon's own `spawn` and waits, with a deadline, for their end and what they wrote. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ExitStatus, type Fd, native, type Spawned, type SpawnOptions } from '../../src/native.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const deadlineMs = 20_000;

/** Waits until the process has ended. Kills it (it is ours) and throws where that takes too long. */
export function waitForEnd(pidfd: Fd, what = 'the process'): void {
  if (native().poll(pidfd, { readable: true, writable: false }, deadlineMs) === null) {
    native().pidfdSignal(pidfd, 9);
    throw new Error(`${what} has not ended after ${deadlineMs} ms`);
  }
}

export interface Outcome {
  readonly pid: number;
  readonly output: string;
  readonly exit: ExitStatus;
}

export type Program = Partial<SpawnOptions> & Pick<SpawnOptions, 'argv'>;

/** The options of a program whose stdin is empty and whose output goes to `output`; `more` becomes descriptors 3.... */
export function program(options: Program, stdin: Fd, output: Fd, more: readonly Fd[] = []): SpawnOptions {
  return {
    file: '/bin/sh',
    env: ['PATH=/usr/bin:/bin'],
    cwd: '/',
    parent: 'self',
    newSession: false,
    fds: [stdin, output, output, ...more],
    ...options,
  };
}

/** Calls `use` with descriptors for stdin and the output, and answers what was written. */
export function withOutput(use: (stdin: Fd, output: Fd) => void): string {
  const stdin = openSync('/dev/null', 'r');
  const output = native().memfdCreate('output');
  try {
    use(stdin, output);
    return readFileSync(`/proc/self/fd/${output}`, 'utf8');
  } finally {
    closeSync(stdin);
    closeSync(output);
  }
}

/** Runs a program as our own child to its end. */
export function run(options: Program, more: readonly Fd[] = []): Outcome {
  let pid = 0;
  let exit: ExitStatus | null = null;
  const output = withOutput((stdin, output) => {
    const spawned: Spawned = native().spawn(program(options, stdin, output, more));
    pid = spawned.pid;
    try {
      waitForEnd(spawned.pidfd, options.argv.join(' '));
      exit = native().pidfdWait(spawned.pidfd);
    } finally {
      closeSync(spawned.pidfd);
    }
  });
  return { pid, output, exit: exit! };
}

/** Runs a shell script to its end. */
export function sh(script: string, options: Partial<SpawnOptions> = {}, more: readonly Fd[] = []): Outcome {
  return run({ argv: ['sh', '-c', script], ...options }, more);
}

/**
 * Runs a script in a Node process of its own, where `n` is the addon and `require` works; for what would change or end
 * the process of the test. Its environment is empty but for PATH.
 */
export function node(script: string, options: Partial<SpawnOptions> = {}, more: readonly Fd[] = []): Outcome {
  const prelude = `const n = require('node-gyp-build')(${JSON.stringify(root)});\n`;
  const argv = ['node', '--expose-gc', '-e', prelude + script];
  return run({ file: process.execPath, argv, cwd: root, ...options }, more);
}
