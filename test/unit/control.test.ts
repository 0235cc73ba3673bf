/** The control socket between a supervisor and a CLI that need not be of one version, nor well. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Audit } from '../../src/control/audit.js';
import { ControlClient } from '../../src/control/client.js';
import { Rights } from '../../src/control/rights.js';
import { type ControlHandlers, ControlServer } from '../../src/control/server.js';
import { native } from '../../src/native.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batond-control-'));
  path = join(folder, 'control.sock');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a target that is no URL is refused, and the supervisor lives', async () => {
  const fd = native().bind({
    type: 'stream',
    address: { family: 'unix', path },
    reuseAddress: false,
    reusePort: false,
    ipv6Only: false,
  });
  native().listen(fd, 10);
  const rights = new Rights({ read: [], act: [] }, process.getuid!());
  const audit = new Audit(pino({ enabled: false }));
  const server = new ControlServer({
    name: 'shop',
    listener: fd,
    path,
    rights,
    audit,
    handlers: {} as ControlHandlers,
  });
  server.resume();
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(path, () => socket.end('GET // HTTP/1.1\r\nhost: batond\r\n\r\n'));
    socket.once('data', (data) => resolve(String(data)));
  });
  expect(answer).toContain('404 Not Found');
  server.close();
});

describe('a client', () => {
  const answering = async (answer: string, ask: (client: ControlClient) => Promise<unknown>) => {
    const server = createServer((socket) => socket.once('data', () => socket.end(answer)));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      return await ask(new ControlClient('shop', { RUNTIME_DIRECTORY: folder }));
    } finally {
      server.close();
    }
  };
  const head = 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n';
  const verdict = {
    event: 'verdict',
    ok: true,
    code: null,
    message: '',
    exitStatus: 0,
    generation: 2,
    at: 1,
    durationMs: 1,
  };

  test.each(['no HTTP at all', `${head}{"half": `, `${head}null`])('calls %j no usable answer', async (answer) => {
    await expect(answering(answer, (client) => client.status())).rejects.toMatchObject({ code: 'CONTROL_FAILED' });
  });

  test('is never told by a refusal that all is well', async () => {
    const refusal = `HTTP/1.1 409 Conflict\r\nconnection: close\r\n\r\n{"code":"BUSY","message":"busy","exitStatus":0}`;
    await expect(answering(refusal, (client) => client.status())).rejects.toMatchObject({ exitStatus: 70 });
  });

  test('says that the supervisor is older where it does not know what is asked', async () => {
    const refusal = `HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n{"code":"NOT_FOUND","message":"there is no such"}`;
    await expect(answering(refusal, (client) => client.history())).rejects.toMatchObject({
      code: 'CONTROL_FAILED',
      message: expect.stringContaining('does not know GET /v1/history: a reload'),
    });
  });

  test('reads lines that hold line separators of Unicode, and passes over those of a newer supervisor', async () => {
    const lines = [{ event: 'step', step: 'boot', message: 'a\u2028b', atMs: 1 }, { event: 'newer' }, verdict];
    const heard: unknown[] = [];
    const answer = head + lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const outcome = await answering(answer, (client) =>
      client.reload((line) => heard.push(line), { noOldAfterMs: null, force: false }),
    );
    expect(outcome).toEqual(verdict);
    expect(heard).toEqual([lines[0], verdict]);
  });

  test('takes no verdict that lacks an exit status', async () => {
    const { exitStatus: _, ...rest } = verdict;
    const ask = (client: ControlClient) => client.reload(() => {}, { noOldAfterMs: null, force: false });
    await expect(answering(`${head}${JSON.stringify(rest)}\n`, ask)).rejects.toMatchObject({ code: 'CONTROL_FAILED' });
  });
});
