/**
 * Asks one given worker for proof over a connection that is injected into it: no port, no other worker, no traffic.
 * Any program that is not Node, and every worker where no path is configured, proves only that it lives.
 */
import { Socket } from 'node:net';
import { Descriptor } from '../inventory/descriptor.js';
import type { Worker } from '../inventory/worker.js';
import { native } from '../native.js';

/** No status line is longer; an answer that does not end its first line is no HTTP. */
const MAX_HEAD_BYTES = 4_096;

/** Moves the worker to `trusted`, or rejects with the reason why not. */
export async function probe(worker: Worker, path: string | null): Promise<void> {
  if (path === null) {
    worker.ping();
    return;
  }
  const status = await request(worker, path);
  if (status < 200 || status > 399) throw new Error(`${path} answered ${status}`);
  worker.trust();
}

function request(worker: Worker, path: string): Promise<number> {
  const [ours, theirs] = native().socketpair('stream');
  using end = new Descriptor(theirs);
  worker.inject(end.fd);
  const socket = new Socket({ fd: ours, readable: true, writable: true });
  return new Promise((resolve, reject) => {
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
    socket.on('close', () => reject(new Error(`the connection for ${path} was closed without an answer`)));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: batond\r\nUser-Agent: batond-probe\r\nConnection: close\r\n\r\n`);
  });
}
