// What reaches the journal, byte by byte, and that nothing is lost silently when the journal is not there.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createLog, LOG_FIELDS } from '../../src/log.js';
import { type Fd, native } from '../../src/native.js';
import { JournalDestination } from '../../src/systemd/journal.js';
import { encodeEntry } from '../../src/systemd/journal-entry.js';
import { codePlace, fieldName, journalFields, priorityOf } from '../../src/systemd/journal-fields.js';
import { encodeStreamHeader, isJournalStream, ownUnit } from '../../src/systemd/journal-stream.js';
import { LineWriter } from '../../src/systemd/line-writer.js';

const names = { identifier: 'shop', fields: LOG_FIELDS };

describe('an entry', () => {
  test('is a line a field, and in the binary form where a value has newlines', () => {
    const bytes = encodeEntry([
      ['PRIORITY', '6'],
      ['MESSAGE', 'two\nlines'],
      ['EMPTY', ''],
      ['LAST', 'ü\n'],
    ]);
    const expected = Buffer.concat([
      Buffer.from('PRIORITY=6\n'),
      Buffer.from('MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n'),
      Buffer.from('EMPTY=\n'),
      Buffer.from('LAST\n\x03\0\0\0\0\0\0\0ü\n\n'),
    ]);
    expect(bytes.toString('latin1')).toBe(expected.toString('latin1'));
  });

  test('has the priority of its level', () => {
    const levels = [10, 20, 25, 30, 40, 50, 60, 70, undefined, 'x'];
    expect(levels.map(priorityOf)).toEqual([7, 7, 7, 6, 4, 3, 2, 2, 7, 7]);
  });

  test('has fields of names that journald takes', () => {
    expect(fieldName('durationMs')).toBe('DURATION_MS');
    expect(fieldName('exit-status')).toBe('EXIT_STATUS');
    expect(fieldName('_PID')).toBe('PID');
    expect(fieldName('9lives')).toBe('LIVES');
    expect(fieldName('__')).toBeNull();
    expect(fieldName('ü')).toBeNull();
    expect(fieldName('x'.repeat(100))).toBe('X'.repeat(64));
    expect(fieldName('priority')).toBe('BATOND_PRIORITY');
    expect(fieldName('codeFile')).toBe('BATOND_CODE_FILE');
    expect(fieldName('unit')).toBe('BATOND_UNIT');
  });

  test('maps a record: ours by name, others upper-cased, objects as JSON, nothing for null', () => {
    const record = {
      level: 40,
      time: 1,
      name: 'shop',
      msg: 'worker ended',
      event: 'exit',
      generation: 7,
      slot: 0,
      pid: 42,
      durationMs: 1.5,
      release: { label: 'a' },
      ok: false,
      signal: null,
      message: 'a second one',
    };
    expect(Object.fromEntries(journalFields(record, names))).toEqual({
      PRIORITY: '4',
      SYSLOG_IDENTIFIER: 'shop',
      MESSAGE: 'worker ended',
      BATOND_EVENT: 'exit',
      BATOND_GENERATION: '7',
      BATOND_SLOT: '0',
      BATOND_PID: '42',
      DURATION_MS: '1.5',
      BATOND_RELEASE: '{"label":"a"}',
      OK: 'false',
      BATOND_MESSAGE: 'a second one',
    });
  });

  test('tells an error with its code, stack and place', () => {
    const lines: string[] = [];
    const error = Object.assign(new Error('no such entry'), { code: 'ENTRY_NOT_FOUND', facts: { entry: 'x' } });
    pino({ base: null }, { write: (line: string) => lines.push(line) }).error({ err: error }, 'reload failed');
    const fields = Object.fromEntries(journalFields(JSON.parse(lines[0]!), names));
    expect(fields).toMatchObject({
      MESSAGE: 'reload failed',
      ERROR_TYPE: 'Error',
      ERROR_MESSAGE: 'no such entry',
      ERROR_CODE: 'ENTRY_NOT_FOUND',
      ERROR_FACTS: '{"entry":"x"}',
      CODE_FILE: import.meta.filename,
    });
    expect(fields.ERROR_STACK).toMatch(/^Error: no such entry\n {4}at /);
    expect(Number(fields.CODE_LINE)).toBeGreaterThan(1);
  });

  test('finds the first place of a stack that is no internal of Node', () => {
    const stack = [
      'Error: (x:1:2)',
      '    at node:internal/main/eval_string:51:3',
      '    at Object.openSync (node:fs:573:18)',
      '    at async Roller.begin (file:///srv/my%20app/roller.js:12:34)',
      '    at /srv/other.js:1:1',
    ].join('\n');
    expect(codePlace(stack)).toEqual([
      ['CODE_FILE', '/srv/my app/roller.js'],
      ['CODE_LINE', '12'],
      ['CODE_FUNC', 'async Roller.begin'],
    ]);
    expect(codePlace('    at /srv/other.js:1:9')).toEqual([
      ['CODE_FILE', '/srv/other.js'],
      ['CODE_LINE', '1'],
    ]);
    for (const garbage of [undefined, 3, '', 'at nothing', '    at x (file://%:1:1)']) codePlace(garbage);
  });

  test('is bounded in the number and length of its fields', () => {
    const record: Record<string, unknown> = { level: 30, msg: 'x'.repeat(5_000_000) };
    for (let i = 0; i < 1_000; i++) record[`field${i}x`] = i;
    const fields = journalFields(record, names);
    expect(fields).toHaveLength(128);
    expect(fields.find(([name]) => name === 'MESSAGE')![1]).toHaveLength(4 * 1024 * 1024 + 1);
  });

  test('survives any value under any name', () => {
    for (const err of [null, 'text', 3, {}, { message: null }, { stack: 3, 'a b': { c: [] } }, []]) {
      expect(journalFields({ level: 'x', msg: 3, err, '': 1, event: {} }, names).length).toBeGreaterThan(2);
    }
  });
});

describe('the destination', () => {
  const folder = mkdtempSync(join(tmpdir(), 'batond-journal-'));
  const socket = join(folder, 'socket');
  const open: Fd[] = [];
  let fallback: string[] = [];
  afterEach(() => {
    for (const fd of open.splice(0)) native().close(fd);
    rmSync(socket, { force: true });
    fallback = [];
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function startJournald(): Fd {
    rmSync(socket, { force: true });
    const address = { family: 'unix', path: socket } as const;
    const fd = native().bind({ type: 'dgram', address, reuseAddress: false, reusePort: false, ipv6Only: false });
    open.push(fd);
    return fd;
  }
  const destination = () =>
    new JournalDestination({ ...names, socket, fallback: { write: (text) => fallback.push(text) } });
  const record = (msg: string, more = {}) => `${JSON.stringify({ level: 40, msg, ...more })}\n`;
  const entry = (msg: string) => `PRIORITY=4\nSYSLOG_IDENTIFIER=shop\nMESSAGE=${msg}\n`;

  test('sends a datagram an entry', () => {
    const journald = startJournald();
    const log = destination();
    log.write(record('one'));
    log.write('not a record\n');
    expect(native().receive(journald, 1_000, 1)!.data.toString()).toBe(entry('one'));
    expect(native().receive(journald, 1_000, 1)!.data.toString()).toBe(
      'PRIORITY=6\nSYSLOG_IDENTIFIER=shop\nMESSAGE=not a record\n',
    );
    expect(fallback).toEqual([]);
    log.close();
  });

  test('sends what is too big for one as a sealed file', () => {
    const journald = startJournald();
    const log = destination();
    const big = 'x'.repeat(1_000_000);
    log.write(record(big));
    const received = native().receive(journald, 1_000, 1)!;
    expect(received.data).toHaveLength(0);
    const [fd] = received.fds;
    expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toBe(entry(big));
    expect(() => native().memfdSeal(fd!)).toThrow(expect.objectContaining({ code: 'EPERM' }));
    native().close(fd!);
    log.close();
  });

  test('finds a journald that was started anew', () => {
    startJournald();
    const log = destination();
    log.write(record('one'));
    native().close(open.pop()!);
    const second = startJournald();
    log.write(record('two'));
    expect(native().receive(second, 1_000, 1)!.data.toString()).toBe(entry('two'));
    expect(fallback).toEqual([]);
    log.close();
  });

  test('falls back to lines for people where none is, and comes back', () => {
    const log = destination();
    log.write(record('first\nsecond', { generation: 7, err: { message: 'why', code: 'EX' } }));
    expect(fallback).toEqual(['<4>first\n<4>second ERROR_MESSAGE=why ERROR_CODE=EX BATOND_GENERATION=7\n']);
    const journald = startJournald();
    log.write(record('again'));
    expect(native().receive(journald, 1_000, 1)!.data.toString()).toBe(entry('again'));
    log.close();
  });

  test('waits once for a journald that does not read, then no more until it does', () => {
    const journald = startJournald();
    const log = destination();
    const start = performance.now();
    for (let i = 0; fallback.length < 50 && i < 10_000; i++) log.write(record(`${i}`));
    expect(fallback).toHaveLength(50);
    expect(performance.now() - start).toBeLessThan(2_000);
    while (native().receive(journald, 1_000, 1) !== null);
    log.write(record('read again'));
    expect(native().receive(journald, 1_000, 1)!.data.toString()).toBe(entry('read again'));
    log.close();
  });

  test('leaves no descriptor behind', () => {
    const count = () => readdirSync('/proc/self/fd').length;
    const log = destination();
    const before = count();
    for (let i = 0; i < 1_000; i++) log.write(record('nobody'));
    expect(count()).toBe(before);
  });
});

describe('a stream', () => {
  test('begins with its header', () => {
    const header = encodeStreamHeader({ identifier: 'shop', priority: 4, unit: 'shop.service' });
    expect(header.toString()).toBe('shop\nshop.service\n4\n1\n0\n0\n0\n');
    expect(encodeStreamHeader({ identifier: 'shop', priority: 6, levelPrefix: false }).toString()).toBe(
      'shop\n\n6\n0\n0\n0\n0\n',
    );
    expect(() => encodeStreamHeader({ identifier: 'a\nb', priority: 6 })).toThrow(RangeError);
  });

  test('is recognised by device and inode, whatever else is in the variable', () => {
    for (const named of ['', '1', 'x:y', '1:2:3', '0:0']) {
      expect(isJournalStream({ JOURNAL_STREAM: named }, [0, 1, 2, 999])).toBe(false);
    }
    expect(isJournalStream({})).toBe(false);
  });

  test('belongs to the service of the cgroup', () => {
    expect(ownUnit('0::/system.slice/shop.service\n')).toBe('shop.service');
    expect(ownUnit('0::/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service/sub\n')).toBe(
      'shop.service',
    );
    expect(ownUnit('1:cpu:/other.service\n0::/init.scope\n')).toBe('');
    expect(ownUnit('')).toBe('');
  });
});

describe('outside systemd', () => {
  test('a record is a line of JSON on stdout, with the name of the service', () => {
    const [ours, theirs] = native().socketpair('stream');
    const log = createLog({ name: 'shop', level: 'info', env: {}, stdout: ours });
    log.info({ generation: 7 }, 'serves');
    log.debug('not at this level');
    log.level = 'debug';
    log.debug('at this');
    const lines = native().receive(theirs, 10_000, 0)!.data.toString().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { level: 30, time: expect.any(Number), name: 'shop', generation: 7, msg: 'serves' },
      { level: 20, time: expect.any(Number), name: 'shop', msg: 'at this' },
    ]);
    for (const fd of [ours, theirs]) native().close(fd);
  });

  test('a reader that stays away is waited for once, and is told how much it missed', () => {
    const [ours, theirs] = native().socketpair('stream');
    const writer = new LineWriter(ours);
    const start = performance.now();
    while (performance.now() - start < 450) writer.write(`${'x'.repeat(10_000)}\n`);
    for (let i = 0; i < 100; i++) writer.write('lost\n');
    expect(performance.now() - start).toBeLessThan(3_000);
    while (native().receive(theirs, 1_000_000, 0) !== null);
    writer.write('back\n');
    expect(native().receive(theirs, 1_000_000, 0)!.data.toString()).toMatch(
      /^\n?\(10\d lines .* were lost.*\)\nback\n$/,
    );
    native().close(theirs);
    writer.write('nobody is there\n');
    native().close(ours);
    writer.write('not even a descriptor\n');
  });
});
