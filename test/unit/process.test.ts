/** A process that is somebody else's child, around a takeover. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { native } from '../../src/native.js';
import { type Exit, Process } from '../../src/process/process.js';
import { eventually } from '../support/service/wait.js';

/** A shell that reaps its child when it is told to, and not before. */
const REAPS_LATE = 'sleep 600 & echo $!; read line; wait; echo reaped; read line';

test('one that is reaped while nobody looks keeps its pidfd, and its exit is told when somebody looks again', async () => {
  const parent = spawn('sh', ['-c', REAPS_LATE], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const lines = createInterface({ input: parent.stdout });
    const [pid] = (await once(lines, 'line')) as [string];
    const pidfd = native().pidfdOpen(Number(pid))!;
    let exit: Exit | null = null;
    const process = new Process(Number(pid), pidfd, (seen) => {
      exit = seen;
    });
    process.kill();
    await eventually(
      () => process.alive,
      (alive) => !alive,
      { what: () => 'it has ended' },
    );
    process.pause();
    parent.stdin.write('\n');
    await once(lines, 'line');
    // The hang-up of a pidfd that has been reaped is known to the loop when this one has been told of it.
    const second = native().dup(pidfd);
    await new Promise<void>((resolve) => {
      const watcher = native().watch(second, { readable: false, writable: true }, () => {
        watcher.close();
        resolve();
      });
    });
    native().close(second);
    await new Promise((resolve) => setImmediate(resolve));
    expect(exit).toBeNull();
    expect(native().pidfdSignal(pidfd, 0)).toBe(false);

    process.resume();
    await eventually(
      () => exit,
      (seen) => seen !== null,
      { what: () => 'the exit is told' },
    );
  } finally {
    parent.kill('SIGKILL');
  }
});
