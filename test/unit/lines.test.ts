// The lines of workers: what they mean, what becomes of them in the journal and elsewhere, and that a pipe is emptied line
// by line and never before a line has been delivered.

import { readSync, writeSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { LinePipe, PIPE_BYTES, Scratch } from '../../src/lines/line-pipe.js';
import { LineReading, type Speaker } from '../../src/lines/line-reading.js';
import { lineFields, ndjson, TextOutlet } from '../../src/lines/outlets.js';
import { said } from '../../src/lines/said.js';
import { formatLogLine } from '../../src/log-format.js';
import { type Fd, native } from '../../src/native.js';
import { eventually as until } from '../support/service/wait.js';

const eventually = <T>(look: () => T, isGood: (seen: T) => boolean) =>
  until(look, isGood, { what: () => `seen: ${look()}` });

const origin = { generation: 7, slot: 1, process: 'main', pid: 42 };
const fieldsOf = (line: string, usual = 6) =>
  Object.fromEntries(lineFields(said(line, usual), 'shop', origin, false)) as Record<string, string>;

describe('a line', () => {
  test.each([
    ['plain words', { priority: 4, message: 'plain words', record: null }],
    ['<3>with a prefix', { priority: 3, message: 'with a prefix', record: null }],
    ['<9>not a prefix', { priority: 4, message: '<9>not a prefix', record: null }],
    ['{"level":30,"msg":"of pino"}', { priority: 6, message: 'of pino' }],
    ['<2>{"msg":"both"}', { priority: 2, message: 'both' }],
    ['{"level":"error","message":"of winston"}', { priority: 3, message: 'of winston' }],
    ['{"level":"odd","a":1}', { priority: 4, message: '{"level":"odd","a":1}' }],
    ['{"level":50,"err":{"message":"why"}}', { priority: 3, message: 'why' }],
    ['{"broken', { priority: 4, message: '{"broken', record: null }],
    ['[1,2]', { priority: 4, message: '[1,2]', record: null }],
    ['null', { priority: 4, message: 'null', record: null }],
  ])('%s', (line, expected) => {
    expect(said(line, 4)).toMatchObject(expected);
  });

  test('becomes fields of the journal beside whose it is', () => {
    const record = {
      level: 40,
      time: 1,
      pid: 42,
      hostname: 'h',
      name: 'app',
      userId: 1001,
      req: { id: 'a' },
      msg: 'hm',
    };
    expect(fieldsOf(JSON.stringify(record))).toEqual({
      PRIORITY: '4',
      SYSLOG_IDENTIFIER: 'shop',
      MESSAGE: 'hm',
      BATOND_GENERATION: '7',
      BATOND_SLOT: '1',
      BATOND_PROCESS: 'main',
      BATOND_WORKER_PID: '42',
      OBJECT_PID: '42',
      PID: '42',
      NAME: 'app',
      USER_ID: '1001',
      REQ: '{"id":"a"}',
    });
  });

  test('cannot pass for one of ours, nor for what other tools believe', () => {
    const forged = {
      event: 'audit',
      BATOND_EVENT: 'audit',
      batondGeneration: 1,
      OBJECT_PID: 1,
      COREDUMP_PID: 1,
      MESSAGE_ID: 'fc2e22bc6ee647b6b90729ab34a250b1',
      _PID: 1,
      unit: 'ssh.service',
      priority: 0,
    };
    const fields = fieldsOf(JSON.stringify({ level: 30, msg: 'x', ...forged }));
    expect(fields).toMatchObject({ BATOND_GENERATION: '7', OBJECT_PID: '42', PRIORITY: '6', EVENT: 'audit' });
    expect(fields).toMatchObject({
      APP_BATOND_EVENT: 'audit',
      APP_BATOND_GENERATION: '1',
      APP_OBJECT_PID: '1',
      APP_COREDUMP_PID: '1',
      APP_UNIT: 'ssh.service',
      APP_PRIORITY: '0',
    });
    expect(fields).not.toHaveProperty('MESSAGE_ID');
    expect(fields).not.toHaveProperty('BATOND_EVENT');
  });

  test('is JSON elsewhere, as it was written to the last digit', () => {
    const of = (line: string, cut = false) => ndjson(said(line, 6), line, origin, 'shop', cut);
    expect(of('{"id":12345678901234567890,"msg":"x"} ')).toBe(
      '{"id":12345678901234567890,"msg":"x","batond":{"generation":7,"slot":1,"process":"main","pid":42}}',
    );
    expect(JSON.parse(of('{}'))).toEqual({ batond: origin });
    expect(JSON.parse(of('<3>words "and" more'))).toMatchObject({ level: 50, name: 'shop', msg: 'words "and" more' });
    expect(JSON.parse(of('words', true))).toMatchObject({ msg: 'words', batond: { cut: true } });
    expect(formatLogLine(of('<4>words'), { color: false })).toMatch(/ warn words generation=7 slot=1 pid=42$/);
  });
});

const open: Fd[] = [];
afterEach(() => {
  for (const fd of open.splice(0)) native().close(fd);
});

/** A pipe with its two ends; what is written into it is `said`. */
function pipe(): { from: Fd; to: Fd; say(text: string): void } {
  const [from, to] = native().pipe();
  open.push(to);
  return { from, to, say: (text) => writeSync(to, text) };
}

function hangUp(to: Fd): void {
  open.splice(open.indexOf(to), 1);
  native().close(to);
}

describe('a pipe', () => {
  test('is emptied line by line, and keeps what is not delivered and what is half there', () => {
    const scratch = new Scratch();
    const { from, to, say } = pipe();
    let takes = 2;
    const got: string[] = [];
    const lines = new LinePipe(from, (line) => takes-- > 0 && got.push(line) > 0);
    say('one\n\r\n\ntwo  \r\nthree\nhalf');
    expect(lines.turn(scratch)).toBe('blocked');
    expect(got).toEqual(['one', 'two']);
    takes = 1;
    expect(lines.turn(scratch)).toBe('waits');
    expect(got.at(-1)).toBe('three');
    // The kernel has it, and nobody else: whoever reads next gets it whole.
    const rest = Buffer.alloc(100);
    expect(rest.subarray(0, native().tee(from, tap()[1], 100)!).length).toBe(4);
    takes = 9;
    expect(lines.turn(scratch)).toBe('waits');
    say(' a line\nend');
    expect(lines.turn(scratch)).toBe('waits');
    hangUp(to);
    expect(lines.turn(scratch)).toBe('ended');
    expect(got).toEqual(['one', 'two', 'three', 'half a line', 'end']);
    lines.close();
    scratch.close();
  });

  /** Somewhere to copy to. */
  const tap = (): [Fd, Fd] => {
    const ends = native().pipe();
    open.push(...ends);
    return ends;
  };

  test('cuts a line that is longer than it can hold, and says so of each part', () => {
    const scratch = new Scratch();
    const { from, to } = pipe();
    native().setPipeSize(from, 65_536);
    const parts: [number, boolean][] = [];
    const lines = new LinePipe(from, (line, cut) => parts.push([line.length, cut]) > 0);
    for (let n = 0; n < 10; n++) {
      writeSync(to, 'x'.repeat(10_000));
      lines.turn(scratch);
    }
    writeSync(to, '\nnext\n');
    expect(lines.turn(scratch)).toBe('waits');
    expect(parts.reduce((sum, [length]) => sum + length, 0)).toBe(100_004);
    expect(parts.slice(0, -1).every(([, cut]) => cut)).toBe(true);
    expect(parts.at(-1)).toEqual([4, false]);
    lines.close();
    scratch.close();
  });

  test('takes lines of nearly all that it holds whole', () => {
    const scratch = new Scratch();
    const { from, say } = pipe();
    native().setPipeSize(from, PIPE_BYTES);
    const got: number[] = [];
    const lines = new LinePipe(from, (line, cut) => !cut && got.push(line.length) > 0);
    say(`${'x'.repeat(500_000)}\nshort\n`);
    while (lines.turn(scratch) === 'more');
    expect(got).toEqual([500_000, 5]);
    lines.close();
    scratch.close();
  });
});

describe('the reading', () => {
  const speaker = (slot: number): Speaker => ({
    id: `g1s${slot}`,
    generation: 1,
    slot,
    pid: 100 + slot,
    process: () => 'main',
  });

  test('is fair, stops at a freeze, goes on where it stopped, and outlives the worker', async () => {
    const got: string[] = [];
    let takes = true;
    const outlet = {
      put: (_: unknown, line: string, { slot }: { slot: number }) => takes && got.push(`${slot} ${line}`) > 0,
    };
    const reading = new LineReading(outlet);
    const [flood, quiet, errors] = [pipe(), pipe(), [pipe(), pipe()] as const];
    native().setPipeSize(flood.from, PIPE_BYTES);
    flood.say('noise\n'.repeat(60_000));
    quiet.say('a word\n');
    const noisy = reading.read(speaker(0), { out: flood.from, err: errors[0].from });
    const calm = reading.read(speaker(1), { out: quiet.from, err: errors[1].from });
    await eventually(
      () => got.includes('1 a word'),
      (came) => came,
    );
    expect(got.filter((line) => line === '0 noise').length).toBeLessThan(60_000);
    await reading.emptied(10_000);
    expect(got).toHaveLength(60_001);

    takes = false;
    quiet.say('waits\n');
    await new Promise((resolve) => setImmediate(resolve));
    reading.freeze();
    takes = true;
    quiet.say('meanwhile\n');
    expect(got).toHaveLength(60_001);
    reading.thaw();
    await eventually(
      () => got.length,
      (count) => count === 60_003,
    );
    expect(calm.last).toEqual(['a word', 'waits', 'meanwhile']);

    errors[0].say('last words');
    hangUp(errors[0].to);
    noisy.ended();
    expect(got.at(-1)).toBe('0 last words');
    // Its other pipe is still held by somebody, so it stays, under the name that the fd store has for it.
    expect([...reading.left.keys()]).toEqual(['batond.out.g1s0.100']);
    hangUp(flood.to);
    await eventually(
      () => reading.left.size,
      (size) => size === 0,
    );

    const orphan = pipe();
    reading.takeLeft(new Map([['batond.err.g3s2.77', orphan.from]]));
    orphan.say('of nobody\n');
    await eventually(
      () => got.at(-1),
      (line) => line === '2 of nobody',
    );
    calm.ended();
    for (const { to } of [quiet, errors[1], orphan]) hangUp(to);
    await eventually(
      () => reading.left.size,
      (size) => size === 0,
    );
  });

  test('waits for a reader of our output that stays away, and loses nothing', async () => {
    const [from, to] = native().pipe();
    open.push(from, to);
    const reading = new LineReading(new TextOutlet('shop', {}, to));
    const { from: out, to: theirs, say } = pipe();
    native().setPipeSize(out, PIPE_BYTES);
    const err = pipe();
    say('x'.repeat(99).concat('\n').repeat(2_000));
    const worker = reading.read(speaker(0), { out, err: err.from });
    const buffer = Buffer.alloc(65_536);
    let text = '';
    await eventually(
      () => {
        try {
          text += buffer.toString('utf8', 0, readSync(from, buffer, 0, 8_192, null));
        } catch {
          // Nothing is there yet.
        }
        return text.split('\n').length;
      },
      (count) => count === 2_001,
    );
    hangUp(theirs);
    hangUp(err.to);
    worker.ended();
  });
});
