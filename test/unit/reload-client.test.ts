/** Whoever waits for a verdict: one that does not read what it is told costs a bounded amount of memory. */
import { expect, test } from 'vitest';
import { ReloadClient } from '../../src/control/reload-client.js';
import { native } from '../../src/native.js';

test('a client that does not read is given up, and that is told once', () => {
  const [ours, theirs] = native().socketpair('stream');
  const client = ReloadClient.adopt(ours);
  expect(client.peer).toMatchObject({ pid: process.pid, uid: process.getuid!() });
  const message = 'x'.repeat(1_000);
  let lines = 0;
  while (client.fd !== null && lines < 10_000) {
    client.line({ event: 'step', step: 'boot', message, atMs: lines });
    lines++;
  }
  // The kernel's buffer and ours, in lines of a kilobyte.
  expect(lines).toBeLessThan(1_500);
  native().close(theirs);
  return new Promise<void>((resolve) => {
    client.onGone = resolve;
  });
});
