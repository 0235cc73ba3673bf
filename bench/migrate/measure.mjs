// How many idle connections a second one worker hands to another, beside a C program that only passes descriptors.
//
// Measured from the supervisor's `drain` until the receiver's loop has answered after the last one: that includes finding
// the idle ones, tearing down as many sockets of Node, and making as many others, which is where nearly all of the time
// goes. The floor does the same system calls.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../statistics.mjs';
import { listen, Worker } from './worker.mjs';

/** @param {{ connections: number, rounds: number, progress: (text: string) => void }} options */
export async function measureMigrate({ connections, rounds, progress }) {
  const folder = mkdtempSync(join(tmpdir(), 'batond-bench-'));
  try {
    const floor = join(folder, 'floor');
    execFileSync('cc', ['-O2', '-o', floor, join(import.meta.dirname, 'floor.c')]);
    const floors = [];
    const ours = [];
    for (let round = 0; round < rounds; round++) {
      progress(`moving ${connections} connections, ${round + 1} of ${rounds}`);
      floors.push(Number(execFileSync(floor, [String(connections), '253'], { encoding: 'utf8' })));
      ours.push(await moveAll(connections));
    }
    return { connections, rounds, floorPerSecond: median(floors), movedPerSecond: median(ours) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {number} count */
async function moveAll(count) {
  const { fd, port } = listen();
  const sender = new Worker(fd);
  await sender.ready;
  await sender.ask({ type: 'open' }, 'opened');
  const clients = [];
  while (clients.length < count) {
    const batch = Array.from({ length: Math.min(100, count - clients.length) }, () => openAndAsk(port));
    clients.push(...(await Promise.all(batch)));
  }
  const receiver = new Worker(fd);
  await receiver.ready;
  sender.link(receiver);
  await Promise.all([sender.ask({ type: 'ping' }, 'pong'), receiver.ask({ type: 'ping' }, 'pong')]);
  const start = performance.now();
  const { tally } = await sender.ask({ type: 'drain', idle: 'move', timeoutMs: 60_000 }, 'drained');
  await receiver.ask({ type: 'ping' }, 'pong');
  const seconds = (performance.now() - start) / 1_000;
  if (tally.moved !== count) throw new Error(`moved ${JSON.stringify(tally)}`);
  for (const client of clients) client.destroy();
  await Promise.all([sender.end(), receiver.end()]);
  return count / seconds;
}

/** @param {number} port @returns {Promise<import('node:net').Socket>} when its request has been answered */
function openAndAsk(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n'));
    socket.once('data', () => resolve(socket));
    socket.once('error', reject);
  });
}
