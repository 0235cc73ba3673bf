/**
 * Ends a process that hangs in one input: no timer of its own thread could. It says which target that was, since a
 * report cannot be written any more.
 */
import { Worker } from 'node:worker_threads';

/** Far more than any input may take on a busy machine. */
const HANGS_MS = 60_000;

const SOURCE = `
  const { parentPort, workerData: { touched, hangsMs } } = require('node:worker_threads');
  const { writeSync } = require('node:fs');
  let what = null;
  parentPort.on('message', (target) => { what = target; });
  parentPort.postMessage('watches');
  setInterval(() => {
    if (Atomics.exchange(touched, 0, 0) !== 0 || what === null) return;
    writeSync(2, 'fuzz: an input of ' + what + ' hangs: it has not ended after ' + hangsMs + ' ms\\n');
    process.kill(process.pid, 'SIGKILL');
  }, hangsMs);
`;

const touched = new Int32Array(new SharedArrayBuffer(4));
let thread: Promise<Worker> | null = null;

/** One thread for all targets of a process, so that the descriptors of its loop come and go with none of them. */
export async function watch(target: string | null): Promise<void> {
  thread ??= new Promise((resolve) => {
    const worker = new Worker(SOURCE, { eval: true, workerData: { touched, hangsMs: HANGS_MS } });
    worker.once('message', () => resolve(worker));
    worker.unref();
  });
  touch();
  (await thread).postMessage(target);
}

/** Another input begins. */
export function touch(): void {
  Atomics.store(touched, 0, 1);
}
