// Each way in which a server can misbehave lands in its own bucket of the load generator, and in no other.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  type Counts,
  type LoadOptions,
  type LoadResult,
  type Modes,
  slowChunk,
  startLoad,
} from '../support/load/start-load.mjs';

const body = '{"release":"one","pid":7}';
const good = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const goodChunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n${body.slice(0, 5)}\r\n14\r\n${body.slice(5)}\r\n0\r\nX-Trailer: t\r\n\r\n`;
const closing = good.replace('\r\n', '\r\nConnection: close\r\n');

const oneFresh: Modes = { fresh: { perSecond: 100, requests: 1 } };
const oneKept: Modes = { keepAlive: { connections: 1, requests: 1 } };
const twoKept: Modes = { keepAlive: { connections: 1, requests: 2 } };

describe('a good answer is ok', () => {
  test.each([
    ['with a length', good],
    ['in chunks, with an extension and a trailer', goodChunked],
    ['after an interim response', `HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n${good}`],
  ])('%s, and also byte by byte', async (_name, answer) => {
    const whole = await loadOn((socket) => answers(socket, () => socket.write(answer)), oneKept);
    expect(counts(whole)).toEqual({ ...none, ok: 1 });
    const dribbled = await loadOn((socket) => answers(socket, () => void dribble(socket, answer, 0)), oneKept);
    expect(counts(dribbled)).toEqual({ ...none, ok: 1 });
  });
});

describe('refused', () => {
  test('nobody listens on the port', async () => {
    const result = await startLoad({ port: await freePort(), modes: oneFresh }).finished;
    expect(counts(result)).toEqual({ ...none, refused: 1 });
    expect(result.samples.refused).toMatchObject([
      { mode: 'fresh', phase: 'connect', detail: expect.stringContaining('ECONNREFUSED') },
    ]);
  });

  test('the Unix socket is gone', async () => {
    const result = await startLoad({ socketPath: '/nonexistent/batond.sock', modes: oneKept }).finished;
    expect(counts(result)).toEqual({ ...none, refused: 1 });
  });
});

describe('reset', () => {
  test('before any byte of the answer', async () => {
    const result = await loadOn((socket) => answers(socket, () => socket.resetAndDestroy()), oneFresh);
    expect(counts(result)).toEqual({ ...none, reset: 1 });
    expect(result.samples.reset).toMatchObject([{ phase: 'wait' }]);
  });

  test('in the middle of the body', async () => {
    // Not in the same breath as the bytes: see exchange.mjs.
    const misbehave = (socket: Socket) =>
      socket.write(good.slice(0, -5), () => setTimeout(() => socket.resetAndDestroy(), 30));
    const result = await loadOn((socket) => answers(socket, () => misbehave(socket)), oneFresh);
    expect(counts(result)).toEqual({ ...none, reset: 1 });
    expect(result.samples.reset).toMatchObject([{ phase: 'body' }]);
  });

  test('while a kept connection is idle', async () => {
    const result = await loadOn(
      (socket) => answers(socket, () => socket.write(good, () => setTimeout(() => socket.resetAndDestroy(), 20))),
      { keepAlive: { connections: 1, requests: 2, gapMs: [200, 200] } },
    );
    expect(counts(result)).toEqual({ ...none, ok: 2, reset: 1 });
    expect(result.samples.reset).toMatchObject([{ mode: 'keepAlive', phase: 'idle' }]);
  });
});

describe('cut short', () => {
  test.each([
    ['before any byte of the answer', '', 'wait'],
    ['within the headers', good.slice(0, 20), 'head'],
    ['within a body with a length', good.slice(0, -1), 'body'],
    ['within a chunk', goodChunked.slice(0, goodChunked.indexOf('14\r\n') + 10), 'body'],
    ['before the last chunk', goodChunked.slice(0, goodChunked.indexOf('0\r\nX-')), 'body'],
    ['within the trailer', goodChunked.slice(0, -2), 'body'],
  ])('%s', async (_name, sent, phase) => {
    const result = await loadOn((socket) => answers(socket, () => socket.end(sent)), oneFresh);
    expect(counts(result)).toEqual({ ...none, cutShort: 1 });
    expect(result.samples.cutShort).toMatchObject([{ phase }]);
  });
});

describe('timed out', () => {
  test('a server that never answers', async () => {
    const result = await loadOn((socket) => socket.resume(), oneFresh, { timeoutMs: 100 });
    expect(counts(result)).toEqual({ ...none, timedOut: 1 });
    expect(result.samples.timedOut).toMatchObject([{ phase: 'wait', detail: '100 ms' }]);
  });

  test('an answer that never pauses for long, but never ends', async () => {
    const result = await loadOn((socket) => answers(socket, () => void dribble(socket, good, 20)), oneFresh, {
      timeoutMs: 200,
    });
    expect(counts(result)).toEqual({ ...none, timedOut: 1 });
  });
});

describe('wrong', () => {
  test.each([
    ['the status', good.replace('200 OK', '503 Service Unavailable'), 'status 503'],
    ['a body that is no JSON', good.replace('{', '['), 'no JSON object'],
    ['a body without a release', good.replace('release', 'relaese'), 'no release'],
    ['bytes that are no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'no status line'],
    ['bytes after the end', `${good}x`, '1 bytes after the end'],
    ['a body whose length nobody says', `HTTP/1.1 200 OK\r\n\r\n${body}`, 'neither a length nor chunked'],
    ['a chunk that is longer than it says', goodChunked.replace('14\r\n', '13\r\n'), 'longer than it says'],
  ])('%s', async (_name, answer, detail) => {
    const result = await loadOn((socket) => answers(socket, () => socket.write(answer)), oneFresh);
    expect(counts(result)).toEqual({ ...none, wrong: 1 });
    expect(result.samples.wrong).toMatchObject([{ detail: expect.stringContaining(detail) }]);
  });

  test('an answer that the check of the caller does not like, or cannot bear', async () => {
    const server = (socket: Socket) => answers(socket, () => socket.write(good));
    const disliked = await loadOn(server, oneFresh, { check: () => ({ wrong: 'because' }) });
    expect(disliked.samples.wrong).toMatchObject([{ phase: 'check', detail: 'because' }]);
    const unbearable = await loadOn(server, oneFresh, {
      check: () => {
        throw new Error('oh');
      },
    });
    expect(counts(unbearable)).toEqual({ ...none, wrong: 1 });
  });

  test('bytes on an idle connection that nobody asked for', async () => {
    const result = await loadOn(
      (socket) => answers(socket, () => socket.write(good, () => setTimeout(() => socket.write(good), 20))),
      { keepAlive: { connections: 1, requests: 2, gapMs: [200, 200] } },
    );
    expect(counts(result)).toEqual({ ...none, ok: 2, wrong: 1 });
    expect(result.samples.wrong).toMatchObject([{ phase: 'idle' }]);
  });
});

describe('a kept connection', () => {
  test('that the server closes while it is idle is no failure', async () => {
    const result = await loadOn(
      (socket) => answers(socket, () => socket.write(good, () => setTimeout(() => socket.end(), 20))),
      { keepAlive: { connections: 1, requests: 3, gapMs: [200, 200] } },
    );
    expect(counts(result)).toEqual({ ...none, ok: 3 });
    expect(result).toMatchObject({ idleClosed: 2, connections: 3, closedByAnswer: 0 });
  });

  test.each<[keyof Counts, (socket: Socket) => void]>([
    ['cutShort', (socket) => socket.end()],
    ['reset', (socket) => socket.resetAndDestroy()],
  ])('that ends as the next request is written is a failure: %s', async (bucket, misbehave) => {
    let requests = 0;
    const result = await loadOn(
      (socket) => answers(socket, () => (requests++ === 0 ? socket.write(good) : misbehave(socket))),
      twoKept,
    );
    expect(counts(result)).toEqual({ ...none, ok: 1, [bucket]: 1 });
    expect(result.samples[bucket as 'reset']).toMatchObject([
      { phase: 'wait', detail: expect.stringContaining('idle close race') },
    ]);
    expect(result.idleClosed).toBe(0);
  });

  test('is kept as long as the server lets it', async () => {
    const result = await loadOn((socket) => answers(socket, () => socket.write(good)), {
      keepAlive: { connections: 2, requests: 5 },
    });
    expect(counts(result)).toEqual({ ...none, ok: 10 });
    expect(result).toMatchObject({ connections: 2, idleClosed: 0, closedByAnswer: 0 });
  });

  test('is opened again, without a failure, when the answer says Connection: close', async () => {
    const result = await loadOn((socket) => answers(socket, () => socket.end(closing)), {
      keepAlive: { connections: 1, requests: 3, gapMs: [20, 20] },
    });
    expect(counts(result)).toEqual({ ...none, ok: 3 });
    expect(result).toMatchObject({ connections: 3, closedByAnswer: 3, idleClosed: 0 });
  });
});

describe('a slow answer', () => {
  const chunks = 3;
  const right = Array.from({ length: chunks }, (_, index) => slowChunk(index, chunks)).join('');
  const slow: Modes = { slow: { connections: 1, requests: 1, ms: 30, chunks } };
  const answer = (text: string) => `HTTP/1.1 200 OK\r\nX-Release: two\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

  test('is ok when each byte is right, and tells its release by a header', async () => {
    const asked: string[] = [];
    const result = await loadOn(
      (socket) =>
        answers(socket, (head) => {
          asked.push(head);
          socket.write(answer(right));
        }),
      slow,
    );
    expect(counts(result)).toEqual({ ...none, ok: 1 });
    expect(asked[0]).toMatch(/^GET \/slow\?ms=30&chunks=3 HTTP\/1\.1\r\n/);
    expect(result.releases).toMatchObject([{ release: 'two', count: 1 }]);
  });

  test.each([
    ['one byte is another', right.replace('2 of', '3 of')],
    ['a chunk came twice', right + slowChunk(2, chunks)],
    ['the end is missing', right.slice(0, -1)],
  ])('is wrong when %s', async (_name, text) => {
    expect(counts(await loadOn((socket) => answers(socket, () => socket.write(answer(text))), slow))).toEqual({
      ...none,
      wrong: 1,
    });
  });
});

describe('a slow upload', () => {
  const upload: Modes = { upload: { connections: 1, requests: 2, ms: 60, bytes: 1000, pieces: 4 } };

  test('is ok when all bytes arrived, by length and in chunks', async () => {
    const received: string[] = [];
    const result = await loadOn(
      uploadServer((facts, framing) => {
        received.push(framing);
        return facts;
      }),
      upload,
    );
    expect(counts(result)).toEqual({ ...none, ok: 2 });
    expect(received).toEqual(['length', 'chunked']);
  });

  test('is wrong when a byte is missing, or is another', async () => {
    const fewer = await loadOn(
      uploadServer((facts) => ({ ...facts, bytes: facts.bytes - 1 })),
      upload,
    );
    expect(counts(fewer)).toEqual({ ...none, wrong: 2 });
    const other = await loadOn(
      uploadServer((facts) => ({ ...facts, sha256: '00' })),
      upload,
    );
    expect(counts(other)).toEqual({ ...none, wrong: 2 });
  });

  test('is wrong when it is answered before all was sent, even with 200', async () => {
    const result = await loadOn((socket) => void socket.once('data', () => socket.write(good)), upload);
    expect(counts(result)).toEqual({ ...none, wrong: 2 });
    expect(result.samples.wrong[0]?.detail).toContain('before all was sent');
  });

  test('is reset when the server gives up in the middle', async () => {
    const result = await loadOn((socket) => void socket.once('data', () => socket.resetAndDestroy()), upload);
    expect(counts(result)).toEqual({ ...none, reset: 2 });
    expect(result.samples.reset).toMatchObject([{ phase: 'upload' }, { phase: 'upload' }]);
  });
});

const none: Counts = { ok: 0, refused: 0, reset: 0, cutShort: 0, timedOut: 0, wrong: 0, broken: 0 };

function counts(result: LoadResult): Counts {
  const { ok, refused, reset, cutShort, timedOut, wrong, broken } = result;
  return { ok, refused, reset, cutShort, timedOut, wrong, broken };
}

/** Runs a load to its end on a server that treats each connection as it is told. */
async function loadOn(
  behave: (socket: Socket) => void,
  modes: Modes,
  options: Omit<LoadOptions, 'modes'> & Pick<Parameters<typeof startLoad>[0], 'check'> = {},
): Promise<LoadResult> {
  const server = createServer((socket) => behave(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await startLoad({ port: (server.address() as AddressInfo).port, seconds: 10, ...options, modes }).finished;
  } finally {
    server.close();
  }
}

/** Calls for each request without a body, when its headers are complete. */
function answers(socket: Socket, answer: (head: string) => void): void {
  let seen = '';
  socket.on('data', (bytes) => {
    seen += bytes.toString('latin1');
    for (let end = seen.indexOf('\r\n\r\n'); end >= 0; end = seen.indexOf('\r\n\r\n')) {
      const head = seen.slice(0, end + 4);
      seen = seen.slice(end + 4);
      answer(head);
    }
  });
}

function dribble(socket: Socket, text: string, everyMs: number): void {
  if (text === '' || socket.destroyed) return;
  socket.write(text.slice(0, 1), () => setTimeout(() => dribble(socket, text.slice(1), everyMs), everyMs));
}

interface Upload {
  release: string;
  bytes: number;
  sha256: string;
}

/** Reads uploads as they come, decodes them by hand and answers with what the caller makes of the facts. */
function uploadServer(report: (facts: Upload, framing: 'length' | 'chunked') => Upload): (socket: Socket) => void {
  return (socket) => {
    let seen = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      seen = Buffer.concat([seen, bytes]);
      const start = seen.indexOf('\r\n\r\n') + 4;
      const head = seen.toString('latin1', 0, start);
      const framing = head.includes('Content-Length') ? 'length' : 'chunked';
      const rest = seen.subarray(start);
      const whole = framing === 'length' ? rest.length === 1000 : rest.toString('latin1').endsWith('\r\n0\r\n\r\n');
      if (!whole) return;
      const content = framing === 'length' ? rest : unchunk(rest);
      const sha256 = createHash('sha256').update(content).digest('hex');
      const text = JSON.stringify(report({ release: 'one', bytes: content.length, sha256 }, framing));
      seen = Buffer.alloc(0);
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    });
  };
}

function unchunk(bytes: Buffer): Buffer {
  const end = bytes.indexOf('\r\n');
  const size = Number.parseInt(bytes.toString('latin1', 0, end), 16);
  if (size === 0) return Buffer.alloc(0);
  return Buffer.concat([bytes.subarray(end + 2, end + 2 + size), unchunk(bytes.subarray(end + 4 + size))]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
