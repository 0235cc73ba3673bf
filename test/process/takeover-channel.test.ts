/** The takeover channel is the successor's alone: what another process says on it ends the takeover. */
import { expect, test } from 'vitest';
import type { BatondError } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { Handover } from '../../src/supervisor/handover.js';
import { TAKEOVER_VERSION } from '../../src/takeover/messages.js';

const HELLO = JSON.stringify({ type: 'hello', version: TAKEOVER_VERSION, batond: '0' });
const SAY = `require('node:fs').writeSync(3, ${JSON.stringify(HELLO)})`;
/** Lends its end to a child, which greets in its place. */
const LEND = `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(SAY)}], {
  stdio: ['ignore', 'inherit', 'inherit', 3],
}); setInterval(() => {}, 60_000);`;

/** What comes first of the two: the inventory is asked for, or the takeover has failed. */
function takeover(script: string): Promise<string> {
  return new Promise((resolve) => {
    const handover = new Handover({
      log: createLog({ name: 'shop', level: 'fatal', env: {} }),
      timeoutMs: 20_000,
      command: () => ({ file: process.execPath, argv: [process.execPath, '-e', script], env: {}, cwd: '/' }),
      freeze: () => {
        resolve('greeted');
        handover.abort({ message: 'enough' } as BatondError);
        return Promise.resolve();
      },
      thaw: () => {},
      snapshot: () => {
        throw new Error('not reached');
      },
      announceMain: () => Promise.resolve(),
      barrier: () => Promise.resolve(),
      failed: (cause) => resolve(cause.message),
      exit: () => {},
    });
    handover.begin();
  });
}

test('the process that was cloned is heard', async () => {
  expect(await takeover(`${SAY}; setInterval(() => {}, 60_000)`)).toBe('greeted');
});

test('another process that has its end is not, and the takeover ends', async () => {
  expect(await takeover(LEND)).toMatch(/refused to take over: process \d+ spoke in its place/);
});
