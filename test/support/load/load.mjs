// Puts load on a port of this machine, by hand, and prints what came of it:
//
//   node test/support/load/load.mjs --port P [--fresh 300] [--keepalive 32 [--gap 50 | --gap 50-3000]] [--slow 4]
//       [--upload 4] [--seconds 10] [--timeout 10] [--path /] [--host 127.0.0.1 | --socket PATH] [--json]
//
// A single --gap G means between G/2 and 3G/2 ms. The exit status is 1 when any request failed. With --from-stdin it
// is the process of load-process.mjs. It must never run without an end.

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { startLoad } from './start-load.mjs';

const usage = 64;

if (process.argv[2] === '--from-stdin') await serve();
else await runByHand();

async function serve() {
  const lines = createInterface({ input: process.stdin });
  /** @type {ReturnType<typeof startLoad> | null} */
  let load = null;
  /** @param {object} message */
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  // The test may die at any moment; then there is nobody to answer, and no reason to go on.
  process.stdout.on('error', () => process.exit(1));
  lines.on('close', () => process.exit(1));
  for await (const line of lines) {
    if (load === null) {
      const { checkModule, ...options } = JSON.parse(line);
      const check = checkModule === undefined ? {} : { check: (await import(checkModule)).default };
      load = startLoad({ ...options, ...check });
      say({ started: true });
      load.finished.then((result) => process.stdout.write(`${JSON.stringify({ result })}\n`, () => process.exit(0)));
    } else if (line === 'snapshot') say({ snapshot: await load.snapshot() });
    else if (line === 'stop') void load.stop();
  }
}

async function runByHand() {
  const { json, load } = startFromArguments();
  process.once('SIGINT', () => void load.stop());
  const result = await load.finished;
  console.log(json ? JSON.stringify(result) : describe(result));
  process.exitCode = result.failures === 0 ? 0 : 1;
}

function startFromArguments() {
  try {
    const text = /** @type {const} */ ({ type: 'string' });
    const { values } = parseArgs({
      options: {
        ...{ port: text, host: text, socket: text, path: text, fresh: text, keepalive: text, gap: text, slow: text },
        ...{ upload: text, seconds: text, timeout: text, json: { type: 'boolean', default: false } },
      },
    });
    const connections = {
      keepAlive: number('keepalive', values.keepalive),
      slow: number('slow', values.slow),
      upload: number('upload', values.upload),
    };
    const perSecond = number('fresh', values.fresh);
    const path = values.path === undefined ? {} : { path: values.path };
    const modes = {
      ...(perSecond > 0 ? { fresh: { perSecond, ...path } } : {}),
      ...(connections.keepAlive > 0
        ? { keepAlive: { connections: connections.keepAlive, gapMs: readGap(values.gap ?? '50'), ...path } }
        : {}),
      ...(connections.slow > 0 ? { slow: { connections: connections.slow } } : {}),
      ...(connections.upload > 0 ? { upload: { connections: connections.upload } } : {}),
    };
    if (Object.keys(modes).length === 0)
      throw new Error('nothing to do: give --fresh, --keepalive, --slow or --upload');
    const where =
      values.socket === undefined
        ? { port: number('port', values.port), host: values.host }
        : { socketPath: values.socket };
    const seconds = number('seconds', values.seconds ?? '10');
    const timeoutMs = number('timeout', values.timeout ?? '10') * 1000;
    return { json: values.json, load: startLoad({ ...where, modes, seconds, timeoutMs }) };
  } catch (error) {
    console.error(/** @type {Error} */ (error).message);
    process.exit(usage);
  }
}

/** @param {string} name @param {string} [value] */
function number(name, value = '0') {
  if (!/^\d+$/.test(value)) throw new Error(`--${name} takes a whole number, not ${JSON.stringify(value)}`);
  return Number(value);
}

/** @param {string} value @returns {[number, number]} */
function readGap(value) {
  const [min, max] = value.split('-');
  if (max !== undefined) return [number('gap', min), number('gap', max)];
  return [number('gap', min) / 2, number('gap', min) * 1.5];
}

/** @param {Awaited<ReturnType<typeof startLoad>['finished']>} result */
function describe(result) {
  const { refused, reset, cutShort, timedOut, wrong, broken, latency, longestSilence } = result;
  return [
    `${result.requests} requests in ${result.seconds} s over ${result.connections} connections, ${result.failures} failures`,
    `  ok ${result.ok}  ${Object.entries({ refused, reset, cutShort, timedOut, wrong, broken })
      .map(([name, count]) => `${name} ${count}`)
      .join('  ')}`,
    `  idle connections closed by the server ${result.idleClosed}, closed by an answer ${result.closedByAnswer}`,
    `  latency p50 ${latency.p50} ms, p99 ${latency.p99} ms, max ${latency.max} ms; longest silence ${longestSilence.ms} ms`,
    ...result.releases.map(
      ({ release, count, first, last, pids }) =>
        `  release ${release}: ${count} answers by ${pids.length} processes, ${first} to ${last}`,
    ),
    ...Object.entries(result.samples).flatMap(([bucket, samples]) =>
      samples.map(({ at, mode, phase, detail }) => `  ${bucket} at ${at}, ${mode}, ${phase}: ${detail}`),
    ),
  ].join('\n');
}
