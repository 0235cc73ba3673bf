import { describe, expect, test } from 'vitest';
import { formatLogLine, wantsColor } from '../../src/log-format.js';

const time = new Date(2026, 0, 2, 3, 4, 5).getTime();
const plain = (entry: unknown) => formatLogLine(JSON.stringify(entry), { color: false });
const colored = (entry: unknown) => formatLogLine(JSON.stringify(entry), { color: true });

describe('an entry of the log', () => {
  test.each([
    ['is its time and its message', { level: 30, time, msg: 'ready' }, '03:04:05 ready'],
    ['says its level where that is not info', { level: 40, time, msg: 'slow' }, '03:04:05 warn slow'],
    ['may be a debug one', { level: 20, time, msg: 'x' }, '03:04:05 debug x'],
    ['may be a trace', { level: 10, time, msg: 'x' }, '03:04:05 trace x'],
    ['may be an error', { level: 50, time, msg: 'x' }, '03:04:05 error x'],
    ['may be fatal', { level: 60, time, msg: 'x' }, '03:04:05 fatal x'],
    [
      'shows a few of its fields, in a fixed order',
      { level: 30, time, code: 'BUSY', pid: 9, slot: 0, generation: 2, hostname: 'h', v: 1, msg: 'x' },
      '03:04:05 x generation=2 slot=0 pid=9 code=BUSY',
    ],
    ['leaves out what is null', { level: 30, time, generation: null, msg: 'x' }, '03:04:05 x'],
    [
      'says the cause',
      { level: 50, time, err: { message: 'EMFILE' }, msg: 'no worker' },
      '03:04:05 error no worker: EMFILE',
    ],
    ['says the cause once', { level: 50, time, err: { message: 'EMFILE' }, msg: 'EMFILE' }, '03:04:05 error EMFILE'],
    ['may be nothing but its cause', { level: 50, time, err: { message: 'EMFILE' } }, '03:04:05 error EMFILE'],
    ['takes a time in words', { level: 30, time: new Date(time).toISOString(), msg: 'x' }, '03:04:05 x'],
    ['may have no time', { level: 30, msg: 'x' }, 'x'],
    ['stays one line', { level: 30, time, msg: 'one\n  two' }, '03:04:05 one / two'],
    ['cannot move the cursor', { level: 30, time, msg: '\x1b[2Jx\x07', code: '\x1b' }, '03:04:05 ?[2Jx? code=?'],
  ])('%s', (_, entry, line) => {
    expect(plain(entry)).toBe(line);
  });

  test('has its time and its fields dim and its level in colour', () => {
    expect(colored({ level: 50, time, generation: 2, msg: 'x' })).toBe(
      '\x1b[2m03:04:05\x1b[0m \x1b[31merror\x1b[0m x \x1b[2mgeneration=2\x1b[0m',
    );
    expect(colored({ level: 30, msg: 'x' })).toBe('x');
  });

  test.each(['not JSON', '', '7', 'null', '[1]', '"text"'])('that is none passes as it is: %j', (line) => {
    expect(formatLogLine(`${line}\n`, { color: true })).toBe(line);
  });
});

test('colour is for terminals that have it, unless the user said no', () => {
  expect(wantsColor(true, {})).toBe(true);
  expect(wantsColor(true, { NO_COLOR: '' })).toBe(true);
  expect(wantsColor(true, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColor(true, { TERM: 'dumb' })).toBe(false);
  expect(wantsColor(false, {})).toBe(false);
});
