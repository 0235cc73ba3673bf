/** The control socket: whatever bytes a client sends, and whatever a service answers to the CLI. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import pino from 'pino';
import { afterAll, beforeAll, expect } from 'vitest';
import { Audit } from '../../src/control/audit.js';
import { isOutcome, parseLine } from '../../src/control/check-line.js';
import { ControlClient, RemoteError } from '../../src/control/client.js';
import { Rights } from '../../src/control/rights.js';
import { ControlServer } from '../../src/control/server.js';
import { BatondError } from '../../src/errors.js';
import { native } from '../../src/native.js';
import { fuzz } from './fuzz.js';
import { damaged, mutated, number, text } from './messages.js';
import { outcome } from './state.js';

const folder = mkdtempSync(join(tmpdir(), 'batond-fuzz-'));
const path = join(folder, 'server.sock');
let control: ControlServer;

beforeAll(() => {
  const fd = native().bind({
    type: 'stream',
    address: { family: 'unix', path },
    reuseAddress: false,
    reusePort: false,
    ipv6Only: false,
  });
  native().listen(fd, 100);
  control = new ControlServer({
    name: 'shop',
    listener: fd,
    path,
    rights: new Rights({ read: [], act: [] }, process.getuid!()),
    audit: new Audit(pino({ enabled: false })),
    handlers: {
      status: async () => ({}) as never,
      reload: (client, { noOldAfterMs }) => {
        if (noOldAfterMs !== null) expect(Number.isSafeInteger(noOldAfterMs) && noOldAfterMs > 0).toBe(true);
        client.line({ event: 'step', step: 'boot', message: '', atMs: 0 }, true);
      },
      rollback: (client, { to }) => {
        if (to !== null) expect(Number.isSafeInteger(to) && to > 0).toBe(true);
        client.line({ event: 'step', step: 'boot', message: '', atMs: 0 }, true);
      },
      history: () => [],
      reports: () => [],
      crashes: async () => [],
      crash: async () => expect.unreachable(),
      report: (wanted) => {
        if (wanted !== null) expect(Number.isSafeInteger(wanted)).toBe(true);
        throw new BatondError('NO_REPORT', { number: wanted });
      },
      stop: () => {},
      profile: async ({ durationMs, slot }, stream, done) => {
        expect(Number.isSafeInteger(durationMs) && durationMs > 0).toBe(true);
        if (slot !== null) expect(Number.isSafeInteger(slot)).toBe(true);
        stream.line({ event: 'step', message: '', atMs: 0 }, true);
        done(null);
      },
      profilePath: async (name) => {
        expect(name).toMatch(/^[\w.-]+$/);
        return null;
      },
      events: { kept: () => [], listeners: 0, listen: () => () => {} },
      health: {
        alive: true,
        weight: 100,
        metrics: async () => ({ status: 200, body: '' }),
        readiness: { ready: true, accepting: 1, stopping: false },
        report: async (check) => {
          throw new BatondError('NO_CHECK', { check, known: '' });
        },
      },
    },
  });
  control.resume();
});
afterAll(() => {
  control.close();
  rmSync(folder, { recursive: true });
});

const target = fc.oneof(
  fc.constantFrom(
    '/v1/status',
    '/v1/profile',
    '/v1/profiles/',
    '/v1/events?follow=0',
    '/v1/reload',
    '/v1/reports',
    '/v1/reports/last',
    '/v1/reports/7',
    '/v1/stop',
    '/healthz',
    '/healthz?probe=queue',
    '/readyz',
  ),
  fc.constantFrom('//', '/', '*', 'http://', 'http://[', '/v1/../v1/status', '/%', '/v1/reports/999999999999999999'),
  fc.constantFrom('/v1/rollback', '/v1/history'),
  fc
    .tuple(fc.constantFrom('/v1/reload?no_old_after_ms=', '/v1/rollback?to='), fc.oneof(number.map(String), text))
    .map((parts) => parts.join('')),
  text.map((part) => `/${part}`),
);
const method = fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', 'CONNECT', 'OPTIONS', 'get', 'X');
const header = fc.oneof(
  fc.constantFrom('host: batond', 'connection: keep-alive', 'expect: 100-continue', 'expect: x', 'upgrade: websocket'),
  fc.constantFrom(
    'transfer-encoding: chunked',
    'content-length: 5',
    'content-length: -1',
    'content-length: 99999999999',
  ),
  fc.tuple(text, text).map((parts) => parts.join(': ')),
);
const version = fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/9', '');
const body = fc.oneof(fc.constant(''), fc.constant('5\r\nhello\r\n0\r\n\r\n'), text);
const request = fc
  .tuple(method, target, version, fc.array(header, { maxLength: 4 }), body)
  .map(
    ([verb, where, which, headers, rest]) => `${[`${verb} ${where} ${which}`, ...headers].join('\r\n')}\r\n\r\n${rest}`,
  );
const bytes = fc.oneof(
  fc.array(request, { minLength: 1, maxLength: 3 }).map((all) => Buffer.from(all.join(''))),
  damaged(request),
  fc.uint8Array({ maxLength: 200 }).map((raw) => Buffer.from(raw)),
  fc.integer({ min: 10_000, max: 200_000 }).map((length) => Buffer.from(`GET /${'x'.repeat(length)}`)),
);

/** Resolves with all that came back, once the other side has ended the connection. */
function exchange(sent: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(path, () => socket.end(sent));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

fuzz(
  'control: bytes to the server',
  bytes,
  async (sent) => {
    const answered = (await exchange(sent)).toString('latin1');
    if (answered !== '') expect(answered).toMatch(/^HTTP\/1\.1 (100|200|202|400|404|405|409|417|429|503) /);
  },
  { share: 0.02 },
);

fuzz(
  'control: it answers after whatever came before',
  bytes,
  async (sent) => {
    await exchange(sent);
    expect((await exchange(Buffer.from('GET /v1/status HTTP/1.1\r\nhost: a\r\n\r\n'))).toString()).toContain('200 OK');
  },
  { share: 0.02 },
);

let service: Server;
let answer: Buffer = Buffer.alloc(0);
const asked = join(folder, 'control.sock');

beforeAll(
  () =>
    new Promise<void>((resolve) => {
      service = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end(answer));
      }).listen(asked, resolve);
    }),
);
afterAll(() => new Promise((resolve) => service.close(resolve)));

const line = fc
  .oneof(
    outcome.map((verdict) => ({ event: 'verdict', ...verdict })),
    mutated(outcome.map((verdict) => ({ event: 'verdict', ...verdict }))),
    fc.record({ event: fc.constantFrom('step', 'old-gone', 'newer', 7), step: text, message: text, atMs: number }),
    fc.constant({ event: 'step', step: 'boot', message: 'a\u2028b', atMs: 1 }),
  )
  .map((value) => JSON.stringify(value));
const content = fc.oneof(
  fc.array(line, { maxLength: 4 }).map((lines) => lines.map((one) => `${one}\n`).join('')),
  fc.constantFrom('{"code":"BUSY","message":"busy","exitStatus":75}', '{"exitStatus":0}', 'null', '[]', '{}', '', '{'),
  text,
);
const response = fc
  .tuple(fc.constantFrom('200 OK', '409 Conflict', '503 No', '204 None', '999 X', '100 Continue', 'x'), content)
  .map(([status, rest]) => `HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n${rest}`);

const outcomes = async (attempt: Promise<unknown>): Promise<unknown> => {
  try {
    return await attempt;
  } catch (error) {
    if (!(error instanceof BatondError || error instanceof RemoteError)) throw error;
    expect(error.exitStatus).toBeGreaterThan(0);
    expect(error.exitStatus).toBeLessThan(256);
    return null;
  }
};

fuzz(
  'control: what a service answers',
  fc.oneof(
    damaged(response),
    response.map((one) => Buffer.from(one)),
    damaged(text),
  ),
  async (bytesOf) => {
    answer = bytesOf;
    const client = new ControlClient('shop', { RUNTIME_DIRECTORY: folder });
    await outcomes(client.status());
    await outcomes(client.reports());
    const verdict = await outcomes(client.reload(() => {}, { noOldAfterMs: null, force: false }));
    if (verdict !== null) expect(isOutcome(verdict)).toBe(true);
  },
  { share: 0.02 },
);

fuzz('control: a line of a reload', fc.oneof(line, damaged(line).map(String), text), (input) => {
  try {
    const parsed = parseLine(input);
    if (parsed?.event === 'verdict') expect(isOutcome(parsed)).toBe(true);
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
  }
});
