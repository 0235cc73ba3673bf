// A new connection for each request, so many a second, whatever the server does: a slow server does not slow it down.
// It must never skip one in silence: what cannot be sent, because too many are unanswered, is counted as broken.

import { oneRequest } from './client.mjs';
import { Connection } from './connection.mjs';

const tickMs = 10;
const maxOutstanding = 4000;

/**
 * @param {import('./client.mjs').Load} load @param {() => import('./exchange.mjs').Request} nextRequest
 * @param {{ perSecond: number, requests?: number }} pace
 * @returns {Promise<void>} when all that were started have ended
 */
export function runFresh(load, nextRequest, { perSecond, requests = Number.POSITIVE_INFINITY }) {
  return new Promise((resolve) => {
    const start = performance.now();
    let lastTick = start;
    let started = 0;
    let open = 0;
    let over = false;
    const timer = setInterval(tick, tickMs);
    load.stop.addEventListener('abort', finish, { once: true });
    if (load.stop.aborted) finish();

    function tick() {
      const now = performance.now();
      load.tally.maxLagMs = Math.max(load.tally.maxLagMs, now - lastTick - tickMs);
      lastTick = now;
      const due = Math.min(requests, Math.floor(((now - start) * perSecond) / 1000));
      for (; started < due; started += 1) void send();
      if (started >= requests) finish();
    }

    async function send() {
      if (open >= maxOutstanding) {
        const detail = `${open} requests are unanswered`;
        return load.tally.failed('fresh', 0, { bucket: 'broken', phase: 'connect', detail });
      }
      open += 1;
      load.tally.connections += 1;
      const connection = new Connection(load.target());
      await oneRequest(load, 'fresh', nextRequest(), connection);
      connection.close();
      open -= 1;
      settleWhenOver();
    }

    function finish() {
      over = true;
      clearInterval(timer);
      load.stop.removeEventListener('abort', finish);
      settleWhenOver();
    }

    function settleWhenOver() {
      if (over && open === 0) resolve();
    }
  });
}
