/** A supervisor whose other end of a takeover does not keep to the protocol: it ends the takeover and nothing else. */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { BatondError } from '../../src/errors.js';
import { native } from '../../src/native.js';
import { Handover } from '../../src/supervisor/handover.js';
import { inherit } from '../../src/supervisor/inherit.js';
import { TAKEOVER_VERSION } from '../../src/takeover/messages.js';
import { root } from '../native/programs.js';

const n = native();
const log = pino({ level: 'silent' });

test('a successor that took before anything was sent is refused', async () => {
  const says = [
    { type: 'hello', version: TAKEOVER_VERSION, batond: '1' },
    { type: 'took', fds: 0 },
  ].map((message) => `n.send(3, Buffer.from(${JSON.stringify(JSON.stringify(message))}));`);
  const script = `const n = require('node-gyp-build')(${JSON.stringify(root)}); ${says.join('')} setInterval(() => {}, 1e6)`;
  let main = 0;
  const failed = await new Promise<BatondError>((resolve) => {
    const handover = new Handover({
      log,
      timeoutMs: 20_000,
      command: () => ({ file: process.execPath, argv: ['node', '-e', script], env: { PATH: '/usr/bin' }, cwd: root }),
      // Something is half done for as long as this test runs.
      freeze: () => new Promise(() => {}),
      thaw: () => {},
      snapshot: () => {
        throw new Error('it is not frozen yet');
      },
      announceMain: async (pid) => {
        main = pid;
      },
      barrier: async () => {},
      failed: resolve,
      exit: () => {},
    });
    handover.begin();
  });
  expect(failed).toMatchObject({ code: 'SUCCESSOR_REFUSED' });
  expect(main).toBe(0);
});

function predecessor(): { theirs: number; inherited: Promise<unknown> } {
  const [ours, theirs] = n.socketpair('seqpacket');
  return { theirs, inherited: inherit(ours, 'shop', log) };
}

test('a successor that gets descriptors before the inventory gives up', async () => {
  const { theirs, inherited } = predecessor();
  n.send(theirs, Buffer.from('{"type":"fds","names":[]}'));
  await expect(inherited).rejects.toThrow('the takeover ended');
  n.close(theirs);
});

test.each(['null', '{}', '{"version":1,"name":"shop"}', 'no JSON'])('a snapshot %s is not followed', async (text) => {
  const { theirs, inherited } = predecessor();
  const memfd = n.memfdCreate('snapshot');
  writeSync(memfd, text);
  const message = { type: 'inventory', version: 1, bytes: Buffer.byteLength(text), fds: 0 };
  n.send(theirs, Buffer.from(JSON.stringify(message)), { fds: [memfd] });
  await expect(inherited).rejects.toThrow('its inventory has a format that batond');
  n.close(memfd);
  n.close(theirs);
});
