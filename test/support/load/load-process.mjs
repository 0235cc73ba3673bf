// Load in a process of its own, so that a busy test does not disturb it and is not disturbed by it. It speaks lines:
//
//   test -> load   the options as JSON, then `snapshot` or `stop`
//   load -> test   {"started":true}, {"snapshot":{...}} in the order of asking, {"result":{...}} at its end
//
// If the test dies, the load's input ends and it ends itself; if the load dies, `stop` fails with what it last said.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { defaultTimeoutMs } from './exchange.mjs';

const startMs = 20_000;
/** On top of the time that the last request may take. */
const stopMs = 10_000;

/** @param {import('./start-load.mjs').LoadOptions & { checkModule?: string }} options */
export async function startLoadProcess(options) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'load.mjs'), '--from-stdin'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaint += text;
  });
  // A load that ended closes its input: what is written then is not lost, its result says all.
  child.stdin.on('error', () => {});
  child.stdin.write(`${JSON.stringify(options)}\n`);

  /** @type {((snapshot: any) => void)[]} */
  const asking = [];
  const started = deferred();
  const finished = deferred();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line);
    if ('started' in message) started.resolve(undefined);
    else if ('snapshot' in message) asking.shift()?.(message.snapshot);
    else finished.resolve(message.result);
  });
  const exited = new Promise((resolve) => {
    child.once('error', (error) => resolve(fail(error.message)));
    child.once('close', (status, signal) => resolve(fail(`ended with ${signal ?? `status ${status}`}`)));
  });
  // Whoever asks for the result hears of a failure; nobody else is harmed by it.
  finished.promise.catch(() => {});
  await within(startMs, 'started', started.promise);

  const handle = {
    finished: finished.promise,
    snapshot: () =>
      Promise.race([
        new Promise((resolve) => {
          asking.push(resolve);
          child.stdin.write('snapshot\n');
        }),
        finished.promise,
      ]),
    async stop() {
      child.stdin.write('stop\n');
      const result = await within((options.timeoutMs ?? defaultTimeoutMs) + stopMs, 'ended', finished.promise);
      await exited;
      return result;
    },
    [Symbol.asyncDispose]: async () => {
      await handle.stop();
    },
  };
  return handle;

  /** @param {string} how */
  function fail(how) {
    const error = new Error(`the load ${how}\n${complaint}`);
    started.reject(error);
    finished.reject(error);
  }

  /** @template T @param {number} ms @param {string} what @param {Promise<T>} promise @returns {Promise<T>} */
  async function within(ms, what, promise) {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`had not ${what} after ${ms} ms`);
    }, ms);
    return promise.finally(() => clearTimeout(late));
  }
}

function deferred() {
  /** @type {(value: any) => void} */
  let resolve = () => {};
  /** @type {(error: Error) => void} */
  let reject = () => {};
  const promise = new Promise((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
