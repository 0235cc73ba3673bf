// How many idle connections a second one worker hands to another, beside a C program that only passes descriptors.
//
//   node bench/migrate/run.mjs [connections]     5,000 by default; needs a C compiler and a built tree
//
// Measured from the supervisor's `drain` until the receiver's loop has answered after the last one: that includes finding
// the idle ones, tearing down 5,000 sockets of Node, and making 5,000 others. The floor does the same system calls.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listen, Worker } from './worker.mjs';

const ROUNDS = 3;
const count = Number(process.argv[2] ?? 5_000);

const folder = mkdtempSync(join(tmpdir(), 'batond-bench-'));
try {
  const floor = join(folder, 'floor');
  execFileSync('cc', ['-O2', '-o', floor, join(import.meta.dirname, 'floor.c')]);
  const floors = [];
  const ours = [];
  for (let round = 0; round < ROUNDS; round++) {
    floors.push(Number(execFileSync(floor, [String(count), '253'], { encoding: 'utf8' })));
    ours.push(await moveAll());
  }
  const [bare, moved] = [median(floors), median(ours)];
  console.log(`${count} idle connections, median of ${ROUNDS} rounds`);
  console.log(`  C, descriptors only   ${bare.toFixed(0)} a second`);
  console.log(`  batond, connections   ${moved.toFixed(0)} a second, ${(1e6 / moved).toFixed(0)} us each`);
  console.log(`  ratio                 1 : ${(bare / moved).toFixed(1)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function moveAll() {
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

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
