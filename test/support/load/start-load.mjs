// Load in this process:
//
//   const load = startLoad({ port, modes: { fresh: { perSecond: 300 }, keepAlive: { connections: 32, gapMs: [25, 75] } } });
//   ...
//   expect(await load.stop()).toMatchObject({ failures: 0 });
//
// `stop` lets what is outstanding come to its end. It must never run without an end: after maxSeconds it stops itself.

import { setMaxListeners } from 'node:events';
import { checkAnswer } from './check.mjs';
import { runClient, runIdle } from './client.mjs';
import { defaultTimeoutMs } from './exchange.mjs';
import { runFresh } from './fresh.mjs';
import { plainRequests, slowRequests, uploadRequests } from './requests.mjs';
import { Tally } from './tally.mjs';
import { loopbackTarget } from './target.mjs';

export { checkAnswer } from './check.mjs';
export { startLoadProcess } from './load-process.mjs';
export { slowChunk } from './requests.mjs';

const defaultMaxSeconds = 600;

/** @param {import('./start-load.mjs').LoadOptions & { check?: import('./check.mjs').Check }} options */
export function startLoad({
  modes,
  timeoutMs = defaultTimeoutMs,
  seconds = defaultMaxSeconds,
  check = checkAnswer,
  ...where
}) {
  const tally = new Tally();
  const stopping = new AbortController();
  const load = { target: loopbackTarget(where), tally, check, timeoutMs, stop: stopping.signal };
  // Each pause of each client listens to it.
  setMaxListeners(0, stopping.signal);
  stopping.signal.addEventListener('abort', () => tally.stopped(), { once: true });
  const end = setTimeout(() => stopping.abort(), seconds * 1000);
  const finished = Promise.all(startModes(load, modes)).then(() => {
    clearTimeout(end);
    return tally.result();
  });
  const handle = {
    /** Resolves when the load came to its end by itself: by its seconds, or its number of requests. */
    finished,
    snapshot: async () => tally.result(),
    async stop() {
      stopping.abort();
      return finished;
    },
    [Symbol.asyncDispose]: async () => {
      await handle.stop();
    },
  };
  return handle;
}

/** @param {import('./client.mjs').Load} load @param {import('./start-load.mjs').Modes} modes @returns {Promise<void>[]} */
function startModes(load, { fresh, keepAlive = [], slow, upload, idle }) {
  return [
    ...(fresh === undefined ? [] : [runFresh(load, plainRequests({ ...fresh, close: true }), fresh)]),
    ...[keepAlive]
      .flat()
      .flatMap((group) => clients(group.connections, () => runClient(load, 'keepAlive', plainRequests(group), group))),
    ...clients(slow?.connections ?? 0, () => runClient(load, 'slow', slowRequests(slow ?? {}), slow ?? {})),
    ...clients(upload?.connections ?? 0, () => runClient(load, 'upload', uploadRequests(upload ?? {}), upload ?? {})),
    ...(idle === undefined ? [] : [runIdle(load, plainRequests(idle), idle)]),
  ];
}

/** @param {number} count @param {() => Promise<void>} start */
function clients(count, start) {
  return Array.from({ length: count }, start);
}
