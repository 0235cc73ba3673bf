// Lets a process fall, and does not go on before it has: what happens next must not depend on who was faster.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { stat } from './roles.mjs';

const WITHIN_MS = 1_000;
const cell = new Int32Array(new SharedArrayBuffer(4));
const ESTABLISHED = '01';
const CLOSE_WAIT = '08';

/**
 * Tells `record` first how many connections it held when it fell: more requests than those cannot be lost with it. It is
 * stopped before that, so that it accepts none between the count and its end; and once it has fallen, whoever looks at
 * the record may end this process. Only workers hold any, and to count takes long.
 * @param {number} pid @param {NodeJS.Signals} signal @param {boolean} isWorker @param {(held: number) => void} record
 */
export function strike(pid, signal, isWorker, record) {
  if (!isWorker || pid === process.pid || signal === 'SIGCONT') {
    record(0);
    send(pid, signal);
  } else {
    send(pid, 'SIGSTOP');
    spin(() => stateOf(pid) === 'T' || isOver(pid));
    record(connections(pid));
    send(pid, signal);
  }
  if (pid === process.pid || signal === 'SIGCONT') return;
  spin(() => isOver(pid) || (signal === 'SIGSTOP' && stateOf(pid) === 'T'));
}

/** @param {number} pid @param {NodeJS.Signals} signal */
function send(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended by itself.
  }
}

/** @param {number} pid */
function connections(pid) {
  try {
    const inodes = new Set(
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        try {
          return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
        } catch {
          return [];
        }
      }),
    );
    return ['tcp', 'tcp6']
      .flatMap((file) => rows(pid, file))
      .filter(({ state, inode }) => {
        return (state === ESTABLISHED || state === CLOSE_WAIT) && inodes.has(inode);
      }).length;
  } catch {
    return 0;
  }
}

/** @param {number} pid @param {string} file @returns {{ state: string, inode: string }[]} */
function rows(pid, file) {
  return readFileSync(`/proc/${pid}/net/${file}`, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .map((fields) => ({ state: String(fields[3]), inode: String(fields[9]) }));
}

/** @param {number} pid */
function isOver(pid) {
  const state = stateOf(pid);
  return state === null || state === 'Z' || state === 'X';
}

/** @param {number} pid @returns {string | null} */
function stateOf(pid) {
  try {
    return stat(pid)[0] ?? null;
  } catch {
    return null;
  }
}

/** @param {() => boolean} isSo */
function spin(isSo) {
  // The others need the processor to fall.
  for (const end = performance.now() + WITHIN_MS; !isSo() && performance.now() < end; ) Atomics.wait(cell, 0, 0, 1);
}
