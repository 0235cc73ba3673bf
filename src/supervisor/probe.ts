/**
 * Asks one given worker for proof. Over HTTP by a connection that is injected into it: no port, no other worker, no
 * traffic. By a check that its app has registered: over its channel. Any program that is not Node, and every worker of
 * which nothing is asked, proves only that it lives.
 */
import { Socket } from 'node:net';
import type { ProbeConfig } from '../config/config.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Worker } from '../inventory/worker.js';
import { native } from '../native.js';
import { monotonicMs } from '../process/monotonic.js';

/** No status line is longer; an answer that does not end its first line is no HTTP. */
const MAX_HEAD_BYTES = 4_096;
/** What `upgrade.probe` counts as well. */
const WELL = { minStatus: 200, maxStatus: 399 };

/** Moves a candidate to `trusted`, or rejects with the reason why not. Its roll has a deadline. */
export async function probe(worker: Worker, path: string | null): Promise<void> {
  if (path === null) {
    worker.ping();
    return;
  }
  await askPath(worker, { path, ...WELL }, null);
  worker.trust();
}

/** Rejects with the reason where the worker does not prove that it is well, `sinceMs` being when it was first watched. */
export async function askOnce(
  worker: Worker,
  { by, timeoutMs, intervalMs }: ProbeConfig,
  sinceMs: number,
): Promise<void> {
  switch (by.kind) {
    case 'path':
      return askPath(worker, by, timeoutMs);
    case 'check':
      return askCheck(worker, by.check, timeoutMs);
    case 'notify': {
      const silentMs = monotonicMs() - Math.max(worker.lastSignMs ?? Number.NEGATIVE_INFINITY, sinceMs);
      if (silentMs === Number.POSITIVE_INFINITY) throw new Error('it has not said WATCHDOG=1 yet');
      if (silentMs > intervalMs) throw new Error(`it has not said WATCHDOG=1 for ${silentMs} ms`);
    }
  }
}

/** A check that is degraded still serves. */
async function askCheck(worker: Worker, name: string, timeoutMs: number): Promise<void> {
  if (!worker.checks.has(name)) throw new Error(`the app has registered no check ${name}`);
  const results = await worker.check([name], timeoutMs);
  if (results === null) throw new Error(`${name}: no answer within ${timeoutMs} ms`);
  const down = results.find(({ status }) => status === 'down');
  if (down !== undefined) throw new Error(`${name} is down${down.error === null ? '' : `: ${down.error}`}`);
}

interface Wanted {
  readonly path: string;
  readonly minStatus: number;
  readonly maxStatus: number;
}

async function askPath(
  worker: Worker,
  { path, minStatus, maxStatus }: Wanted,
  timeoutMs: number | null,
): Promise<void> {
  const status = await request(worker, path, timeoutMs);
  if (status < minStatus || status > maxStatus) throw new Error(`${path} answered ${status}`);
}

function request(worker: Worker, path: string, timeoutMs: number | null): Promise<number> {
  const [ours, theirs] = native().socketpair('stream');
  using end = new Descriptor(theirs);
  worker.inject(end.fd);
  const socket = new Socket({ fd: ours, readable: true, writable: true });
  return new Promise((resolve, reject) => {
    const timer =
      timeoutMs === null
        ? undefined
        : setTimeout(() => {
            reject(new Error(`${path}: no answer within ${timeoutMs} ms`));
            socket.destroy();
          }, timeoutMs);
    let head = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      head += text;
      const line = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r?\n/.exec(head);
      if (line === null && head.length < MAX_HEAD_BYTES && !head.includes('\n')) return;
      if (line === null) reject(new Error(`${path} answered with what is no HTTP`));
      else resolve(Number(line[1]));
      socket.destroy();
    });
    socket.on('error', (error) => reject(error));
    socket.on('close', () => {
      clearTimeout(timer);
      reject(new Error(`the connection for ${path} was closed without an answer`));
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: batond\r\nUser-Agent: batond-probe\r\nConnection: close\r\n\r\n`);
  });
}
