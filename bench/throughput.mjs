// How many requests a second one worker of batond serves, as a share of what the app serves by itself.
//
// Both stand beside each other and are loaded in turn, A B B A, a quarter of a second each. Whatever else runs on the
// machine only ever slows them down, so of all turns of a process the best tenth counts. V8 compiles a little
// differently in each process, by a few per cent: several pairs are compared, and their median is told.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startBare, startService } from './services.mjs';
import { median, quantile } from './statistics.mjs';

const connections = 32;
const turnSeconds = 0.25;

/** @param {{ pairs: number, turns: number, progress: (text: string) => void }} options */
export async function measureThroughput({ pairs, turns, progress }) {
  const client = startClient();
  const results = [];
  try {
    for (let pair = 1; pair <= pairs; pair++) {
      progress(`throughput: pair ${pair} of ${pairs}`);
      results.push(await comparePair(client, turns));
    }
  } finally {
    await client.stop();
  }
  const of = (pick) => median(results.map(pick));
  return {
    barePerSecond: of(({ bare }) => bare.perSecond),
    servicePerSecond: of(({ service }) => service.perSecond),
    ratio: of(({ bare, service }) => service.perSecond / bare.perSecond),
    ratios: results.map(({ bare, service }) => service.perSecond / bare.perSecond),
    bareMicroseconds: of(({ bare }) => bare.microseconds),
    serviceMicroseconds: of(({ service }) => service.microseconds),
  };
}

async function comparePair(client, turns) {
  const bare = await startBare();
  const service = await startService();
  try {
    const worker = (await service.status()).generations[0].workers[0];
    const sides = {
      bare: { port: bare.port, pid: bare.pid, perSecond: [], microseconds: [] },
      service: { port: service.port, pid: worker.pid, perSecond: [], microseconds: [] },
    };
    // What is compiled on the way must be compiled before it is measured.
    for (const { port } of Object.values(sides)) await client.measure({ port, connections, seconds: 1 });
    for (let turn = 0; turn < turns; turn++) {
      for (const name of ['bare', 'service', 'service', 'bare']) await oneTurn(client, sides[name]);
    }
    return { bare: bestOf(sides.bare), service: bestOf(sides.service) };
  } finally {
    await Promise.all([bare.stop(), service.stop()]);
  }
}

async function oneTurn(client, side) {
  const before = cpuMicroseconds(side.pid);
  const { perSecond, requests } = await client.measure({ port: side.port, connections, seconds: turnSeconds });
  side.perSecond.push(perSecond);
  side.microseconds.push((cpuMicroseconds(side.pid) - before) / requests);
}

function bestOf({ perSecond, microseconds }) {
  return { perSecond: quantile(perSecond, 0.9), microseconds: quantile(microseconds, 0.1) };
}

/** The processor time of a process's main thread; the first number of /proc/PID/schedstat, in nanoseconds. */
function cpuMicroseconds(pid) {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000;
}

function startClient() {
  const file = join(import.meta.dirname, 'client.mjs');
  const child = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(JSON.parse(line)));
  const ended = new Promise((resolve) => {
    child.once('close', (status) => {
      for (const { reject } of waiting) reject(new Error(`the load ended with status ${status}`));
      resolve();
    });
  });
  return {
    measure: (options) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        child.stdin.write(`${JSON.stringify(options)}\n`);
      }),
    stop: () => {
      child.stdin.end();
      return ended;
    },
  };
}
