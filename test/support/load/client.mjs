// A client that sends one request after the other on a connection that it keeps as long as the server lets it, with
// random gaps between. Ends of the connection between two requests:
//
//   the answer said `Connection: close`   a new one is opened for the next request; no failure
//   FIN while nothing is outstanding      the same, counted as idleClosed; no failure
//   RST, or bytes that nobody asked for   a failure: no client is told so by a server that closes in order
//
// It must never send a request again: whatever comes of it is its outcome, and the next one is a new request.

import { setTimeout as pause } from 'node:timers/promises';
import { Connection } from './connection.mjs';
import { exchange } from './exchange.mjs';

/** Keeps a loop without gaps from spinning on a server that is down. */
const afterFailureMs = 20;

/**
 * @typedef {object} Load what all clients of a load share
 * @property {() => import('node:net').NetConnectOpts} target
 * @property {import('./tally.mjs').Tally} tally
 * @property {import('./check.mjs').Check} check
 * @property {number} timeoutMs
 * @property {AbortSignal} stop
 */

/**
 * @param {Load} load @param {import('./tally.mjs').Mode} mode @param {() => import('./exchange.mjs').Request} nextRequest
 * @param {{ gapMs?: readonly [number, number], requests?: number }} pace
 */
export async function runClient(load, mode, nextRequest, { gapMs = [0, 0], requests = Number.POSITIVE_INFINITY }) {
  const { tally, stop } = load;
  /** @type {Connection | null} */
  let connection = null;
  for (let count = 0; count < requests && !stop.aborted; count += 1) {
    // Clients that start together would stay in step, so the first gap comes before the first request.
    if (!(await gap(between(count === 0 ? [0, gapMs[1]] : gapMs), stop))) break;
    if (connection === null || connection.ending !== null) {
      connection = new Connection(load.target());
      tally.connections += 1;
    }
    const good = await oneRequest(load, mode, nextRequest(), connection);
    if (connection.ending === null) watchIdle(load, mode, connection);
    if (!good && !(await gap(afterFailureMs, stop))) break;
  }
  connection?.close();
}

/** How many idle clients send their first request at the same time. */
const atOnce = 100;

/**
 * Clients that send one request, are silent until the load is stopped, and then send one more on the same connection.
 * @param {Load} load @param {() => import('./exchange.mjs').Request} nextRequest @param {{ connections: number }} pace
 */
export async function runIdle(load, nextRequest, { connections }) {
  const { tally, stop } = load;
  /** @type {Connection[]} */
  const idle = [];
  let left = connections;
  const begin = async () => {
    while (left-- > 0 && !stop.aborted) {
      const connection = new Connection(load.target());
      tally.connections += 1;
      await oneRequest(load, 'idle', nextRequest(), connection);
      if (connection.ending !== null) continue;
      watchIdle(load, 'idle', connection);
      idle.push(connection);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, begin));
  if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
  const end = async () => {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.ending === null) await oneRequest(load, 'idle', nextRequest(), connection);
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, end));
}

/**
 * @param {Load} load @param {import('./tally.mjs').Mode} mode @param {import('./exchange.mjs').Request} request
 * @param {Connection} connection closed when it cannot carry another request
 * @returns {Promise<boolean>} whether the answer was good
 */
export async function oneRequest({ tally, check, timeoutMs }, mode, request, connection) {
  const start = performance.now();
  tally.outstanding += 1;
  const outcome = await exchange(connection, request, timeoutMs);
  tally.outstanding -= 1;
  const ms = performance.now() - start;
  if ('bucket' in outcome) {
    tally.failed(mode, ms, outcome);
    return false;
  }
  const { response, sentAll } = outcome;
  const verdict = sentAll
    ? judge(check, response, request)
    : { wrong: `answered with ${response.status} before all was sent` };
  if ('wrong' in verdict) tally.failed(mode, ms, { bucket: 'wrong', phase: 'check', detail: verdict.wrong });
  else tally.ok(mode, ms, verdict);
  if (response.closes) tally.closedByAnswer += 1;
  if (response.closes || !sentAll) connection.close();
  return !('wrong' in verdict);
}

/** @param {Load} load @param {import('./tally.mjs').Mode} mode @param {Connection} connection */
function watchIdle({ tally }, mode, connection) {
  connection.user = {
    opened() {},
    bytes(chunk) {
      const detail = `bytes without a request: ${JSON.stringify(chunk.toString('latin1', 0, 80))}`;
      tally.failed(mode, 0, { bucket: 'wrong', phase: 'idle', detail });
      connection.close();
    },
    ended(how) {
      if (how.kind === 'fin') tally.idleClosed += 1;
      else tally.failed(mode, 0, { bucket: 'reset', phase: 'idle', detail: `${how.code} while idle` });
    },
  };
}

/**
 * @param {import('./check.mjs').Check} check @param {import('./check.mjs').Response} response
 * @param {import('./exchange.mjs').Request} request
 */
function judge(check, response, request) {
  try {
    return check(response, request);
  } catch (error) {
    return { wrong: `the check threw: ${error}` };
  }
}

/** @param {readonly [number, number]} range */
function between([min, max]) {
  return min + Math.random() * (max - min);
}

/** @param {number} ms @param {AbortSignal} stop @returns {Promise<boolean>} false when the load was stopped meanwhile */
async function gap(ms, stop) {
  if (ms <= 0) return !stop.aborted;
  return pause(ms, true, { signal: stop }).catch(() => false);
}
