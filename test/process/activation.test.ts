/** LISTEN_FDS as somebody may have got it wrong: nothing of Node's own is ever taken for a socket of the service. */
import { expect, test } from 'vitest';
import { native } from '../../src/native.js';
import { root, run } from '../native/programs.js';

const SCRIPT = `
  import { takeActivation } from '${root}dist/systemd/activation.js';
  const names = takeActivation(process.env).map(({ name }) => name);
  // A loop whose epoll is closed would never come back.
  setTimeout(() => console.log(names.join(' '), process.env.LISTEN_FDS ?? 'removed'), 1);
`;

test.each([
  [2, 'one two removed'],
  [3, 'one two removed'],
  [20, 'one two removed'],
  [1_000_000, 'one two removed'],
  [1, 'one removed'],
])('two descriptors, counted as %i', (count, expected) => {
  const [first, second] = native().socketpair('stream');
  const { output, exit } = run(
    {
      file: process.execPath,
      argv: ['node', '--input-type=module', '-e', SCRIPT],
      env: ['PATH=/usr/bin:/bin', `LISTEN_FDS=${count}`, 'LISTEN_FDNAMES=one:two'],
      pidVariable: 'LISTEN_PID',
    },
    [first, second],
  );
  native().close(first);
  native().close(second);
  expect([output.trim(), exit]).toEqual([expected, { code: 0, signal: null }]);
});
