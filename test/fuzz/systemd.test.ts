/** What batond says to systemd and the journal, and what it is told by them and by programs that speak sd_notify. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect } from 'vitest';
import { NotifySocket } from '../../src/host/notify-socket.js';
import { native } from '../../src/native.js';
import { NotifyListener } from '../../src/process/notify-listener.js';
import { parseActivation } from '../../src/systemd/activation.js';
import { encodeEntry } from '../../src/systemd/journal-entry.js';
import { journalFields } from '../../src/systemd/journal-fields.js';
import { encodeMessage, fdNameAssignment, statusAssignment } from '../../src/systemd/notify-message.js';
import { fuzz, openDescriptors } from './fuzz.js';
import { asJson, damaged, json, text, value } from './messages.js';

const n = native();
const folder = mkdtempSync(join(tmpdir(), 'batond-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const key = fc.constantFrom('READY', 'STATUS', 'MAINPID', 'STOPPING', 'RELOADING', 'FDSTORE', 'X_OWN');
const assignments = fc.array(fc.tuple(key, fc.oneof(text, fc.integer(), fc.bigInt())), { maxLength: 5 });

fuzz('notify: encoded and taken apart', assignments, (input) => {
  const unsafe = input.some(([, part]) => /[\n\0]/.test(String(part)));
  if (unsafe) expect(() => encodeMessage(input)).toThrow(RangeError);
  else {
    const lines = encodeMessage(input).toString('utf8').split('\n');
    const expected = input.map(([name, part]) => Buffer.from(`${name}=${part}`).toString('utf8'));
    expect(lines).toEqual(input.length === 0 ? [''] : expected);
  }
});

fuzz('notify: a status', text, (input) => {
  const [name, status] = statusAssignment(input);
  expect(name).toBe('STATUS');
  expect(String(status).length).toBeLessThanOrEqual(512);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  expect(/[\x00-\x1f\x7f-\x9f]/.test(String(status))).toBe(false);
  encodeMessage([[name, status]]);
});

fuzz('notify: the name of a descriptor', text, (input) => {
  try {
    encodeMessage([fdNameAssignment(input)]);
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return;
  }
  expect(input).toMatch(/^[ -9;-~]{1,255}$/);
});

const datagram = fc.record({
  data: fc.oneof(
    assignments.map((input) => Buffer.from(input.map(([name, part]) => `${name}=${part}`).join('\n'))),
    damaged(fc.constantFrom('READY=1\nMAINPID=7\nSTATUS=up', 'STOPPING=1', 'BARRIER=1')),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    fc.integer({ min: 8_000, max: 20_000 }).map((length) => Buffer.alloc(length, 'READY=1\n')),
  ),
  fds: fc.nat(20),
});
const datagrams = fc.array(datagram, { minLength: 1, maxLength: 4 });

/** All that fit; more would wait for a reader. */
function sendAll(path: string, sent: readonly { data: Buffer; fds: number }[]): void {
  const socket = n.unixSocket('dgram');
  const own = n.memfdCreate('sent');
  for (const { data, fds } of sent)
    n.send(socket, data, { to: path, fds: Array(data.length === 0 ? 0 : fds).fill(own) });
  n.close(own);
  n.close(socket);
}

fuzz(
  'notify: datagrams to the host',
  datagrams,
  (sent) => {
    const before = openDescriptors();
    const socket = new NotifySocket(join(folder, 'host.sock'), {
      mainPid: () => process.pid,
      onHeard: () => {},
      onMainPid: (pid) => expect(Number.isInteger(pid) && pid > 0 && pid < 2 ** 31).toBe(true),
      onReady: () => {},
      onStopping: () => {},
      onStatus: (status) => expect(status).not.toContain('\n'),
      onWatchdog: () => {},
      onForeign: () => {},
      onFdStore: (_request, fds) => {
        for (const fd of fds) n.close(fd);
      },
    });
    sendAll(socket.path, sent);
    socket.read();
    socket.close();
    expect(openDescriptors()).toBe(before);
  },
  { share: 0.1 },
);

fuzz(
  'notify: datagrams to a worker',
  datagrams,
  async (sent) => {
    const before = openDescriptors();
    const path = join(folder, 'worker.sock');
    let ready = false;
    let signs = 0;
    const last = new Promise<void>((resolve) => {
      const listener = new NotifyListener(NotifyListener.bind(path), path, process.pid, {
        onReady: () => {
          ready = true;
        },
        onSign: () => {
          signs++;
        },
        onStatus: (text) => expect(text).not.toContain('\n'),
        onForeign: () => {},
      });
      sendAll(path, sent);
      // It reads all that is there in one turn, and this comes after it.
      setTimeout(() => {
        listener.close();
        resolve();
      }, 1);
    });
    await last;
    if (ready) expect(sent.some(({ data }) => data.includes('READY=1'))).toBe(true);
    if (signs > 0) expect(sent.some(({ data }) => data.includes('WATCHDOG=1'))).toBe(true);
    expect(openDescriptors()).toBe(before);
  },
  { share: 0.02 },
);

/** The journal's own reading of its native protocol. */
function decodeEntry(entry: Buffer): [string, string][] {
  const fields: [string, string][] = [];
  for (let at = 0; at < entry.length; ) {
    const end = entry.indexOf('\n', at);
    const line = entry.toString('utf8', at, end);
    const equals = line.indexOf('=');
    if (equals !== -1) {
      fields.push([line.slice(0, equals), line.slice(equals + 1)]);
      at = end + 1;
    } else {
      const length = Number(entry.readBigUInt64LE(end + 1));
      fields.push([line, entry.toString('utf8', end + 9, end + 9 + length)]);
      expect(entry[end + 9 + length]).toBe(10);
      at = end + 10 + length;
    }
  }
  return fields;
}

const wellFormed = (input: string) => Buffer.from(input).toString('utf8');
const fieldNames = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,20}$/);

fuzz('journal: an entry, there and back', fc.array(fc.tuple(fieldNames, text), { maxLength: 8 }), (fields) => {
  expect(decodeEntry(encodeEntry(fields))).toEqual(fields.map(([name, part]) => [name, wellFormed(part)]));
});

const record = fc
  .tuple(
    fc.dictionary(
      fc.oneof(text, fc.constantFrom('message', 'PRIORITY', '_PID', 'codeFile', 'generation', 'err')),
      value,
      {
        maxKeys: 6,
        noNullPrototype: true,
      },
    ),
    fc.record(
      {
        level: value,
        msg: value,
        err: fc.oneof(value, fc.record({ type: value, message: value, stack: text }, { requiredKeys: [] })),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([more, known]) => asJson({ ...more, ...known }) as Record<string, unknown>);

fuzz(
  'journal: a record',
  fc.oneof(
    record,
    json.map((part) => ({ part: asJson(part) })),
  ),
  (input) => {
    const fields = journalFields(input, { identifier: 'shop', fields: { generation: 'BATOND_GENERATION' } });
    const names = fields.map(([name]) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[A-Z][A-Z0-9_]{0,63}$/);
    expect(fields.slice(0, 3).map(([name]) => name)).toEqual(['PRIORITY', 'SYSLOG_IDENTIFIER', 'MESSAGE']);
    expect(decodeEntry(encodeEntry(fields))).toEqual(fields.map(([name, part]) => [name, wellFormed(part)]));
  },
);

const variable = fc.oneof(
  text,
  fc.nat(20).map(String),
  fc.integer().map(String),
  fc.constantFrom('7', '+3', ' 3', '3 ', '03', '3.0', '1e1', '1048576', '1048577', '３'),
);
const environment = fc.record(
  { LISTEN_FDS: variable, LISTEN_PID: variable, LISTEN_FDNAMES: fc.oneof(text, fc.constantFrom('a:b:c', ':::', ':')) },
  { requiredKeys: [] },
);

fuzz(
  'activation: the variables',
  environment,
  (env) => {
    const passed = parseActivation(env, 7);
    if (passed.length > 0) expect([env.LISTEN_PID, Number(env.LISTEN_FDS)]).toEqual(['7', passed.length]);
    for (const [i, { fd, name }] of passed.slice(0, 100).entries()) {
      expect(fd).toBe(3 + i);
      expect(name).not.toBe('');
      expect(name).not.toContain(':');
    }
  },
  { share: 0.2 },
);
