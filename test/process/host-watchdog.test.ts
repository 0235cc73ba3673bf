/** The host's watchdog and its notion of the main process, as systemd has them. */
import { expect, test } from 'vitest';
import { HostAlone } from '../support/host/host-alone.js';

const WATCHDOG_MS = 600;

test('a supervisor that gives no further sign of life is killed, though it is stopped, and replaced', async () => {
  await using host = await HostAlone.start({ watchdogMs: WATCHDOG_MS });
  const first = await host.started(1);
  await host.tell({ notify: 'WATCHDOG=1' });
  process.kill(first.pid, 'SIGSTOP');
  expect((await host.started(2)).pid).not.toBe(first.pid);
  await host.said(`the supervisor has given no sign of life for ${WATCHDOG_MS} ms`);
  await host.said('the supervisor was killed by signal 9: starting the next one');
});

test('a host that was stopped itself finds the sign of life that waits for it', async () => {
  await using host = await HostAlone.start({ watchdogMs: WATCHDOG_MS });
  const { pid } = await host.started(1);
  await host.tell({ notify: 'WATCHDOG=1' });
  host.signal('SIGSTOP');
  const told = host.tell({ notify: 'WATCHDOG=1' });
  // Its timer has to be due before the message is read: nothing tells that but the time.
  await new Promise((resolve) => setTimeout(resolve, 2 * WATCHDOG_MS));
  host.signal('SIGCONT');
  await told;
  process.kill(pid, 0);
  expect(host.log).not.toContain('no sign of life');
});

test('a main process that is none of its children is not followed: it would never hear of its end', async () => {
  await using host = await HostAlone.start();
  const first = await host.started(1);
  await host.tell({ notify: `MAINPID=${process.pid}` });
  await host.tell({ notify: 'MAINPID=4194303' });
  process.kill(first.pid, 'SIGKILL');
  expect((await host.started(2)).pid).not.toBe(first.pid);
});
