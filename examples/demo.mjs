// `npm run demo`: a small Express app is replaced again and again while it is used, once by a release that is broken.
//
//   npm run demo                   under `batond run`, on any Linux
//   npm run demo -- --systemd      under a real systemd, as root
//
// The exit status is 0 only when no request was lost and the broken release was refused. It ends by itself, and leaves
// no process and no file, also when it is interrupted.

import { setTimeout as pause } from 'node:timers/promises';
import { setUp } from '../scripts/setup.mjs';
import { freePort } from './demo/free-port.mjs';
import { bold, dim, green, live, number, print, red, seconds, wrap } from './demo/print.mjs';

/** The broken one in the middle: what comes after it shows that nothing is stuck. */
const releases = [
  { version: '1.0', offer: 'apples' },
  { version: '1.1', offer: 'pears' },
  { version: '1.2', offer: 'plums' },
  { version: '1.3', offer: 'cherries' },
  { version: '1.4', offer: '(broken)', broken: true },
  { version: '1.5', offer: 'grapes' },
  { version: '1.6', offer: 'figs' },
];
const modes = {
  fresh: { perSecond: 100 },
  keepAlive: [
    { connections: 12, gapMs: [25, 75] },
    { connections: 4, gapMs: [2_900, 3_100] },
  ],
  slow: { connections: 4, ms: 1_500 },
  upload: { connections: 4, ms: 1_000 },
};
/** Long enough to see each release at work. */
const betweenMs = 1_200;

const underSystemd = process.argv.includes('--systemd');
const unknown = process.argv.slice(2).filter((argument) => argument !== '--systemd');
if (unknown.length > 0) {
  console.error(`demo: there is no ${unknown[0]}; usage: npm run demo [-- --systemd]`);
  process.exit(64);
}
setUp();

const interrupted = new Promise((resolve) => {
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.once(signal, () => {
      print(`\n  ${signal}: stopping`);
      resolve(status);
      // Cleaning up has begun and has an end of its own: more of the same must not cut it short.
      process.on(signal, () => {});
    });
  }
});

let stage = null;
let load = null;
let status = 1;
try {
  const played = play();
  played.catch(() => {});
  status = await Promise.race([played, interrupted]);
} catch (error) {
  print(`\n  ${red('The demo itself failed:')} ${error.message}`);
} finally {
  live('stopping');
  await load?.stop().catch(() => {});
  await stage?.stop();
  print();
}
if (status === 1 && stage !== null) process.stderr.write(stage.log());
process.exit(status);

async function play() {
  const port = await freePort();
  stage = await makeStage(port);
  print();
  print(`  ${bold('batond')} replaces a running service, and nobody who uses it notices.`);
  print();
  print(`  service   examples/shop, a plain Express app that knows nothing of batond`);
  print(`  runs as   2 workers under ${stage.how}`);
  print(`  load      100 new connections/s, 16 kept alive, 4 slow answers and 4 slow`);
  print(`            uploads in flight at any moment, on 127.0.0.1:${port}`);
  print();
  print(`  ${dim(row('release', 'reload', 'took', 'generation', 'answers meanwhile'))}`);

  const [first, ...others] = releases;
  stage.deploy(first);
  live(`starting ${first.version}`);
  const startedAt = performance.now();
  await stage.start();
  await untilServing(stage);
  print(`  ${row(nameOf(first), 'started', seconds(performance.now() - startedAt), '1', '')}`);

  const { startLoadProcess } = await import('../test/support/load/start-load.mjs');
  load = await startLoadProcess({ port, modes, seconds: 120 });
  await pause(betweenMs);
  const failed = [];
  for (const release of others) if (!(await replace(release))) failed.push(release);

  live('the last answers');
  const facts = await stage.facts();
  const result = await load.stop();
  printSummary(result, facts);
  const good = result.failures === 0 && result.outstanding === 0 && failed.length === 0;
  const broken = releases.find((release) => release.broken);
  const brokenAnswered = result.releases.some(({ release }) => release === broken.version);
  if (good && !brokenAnswered) print(`  ${green('Nothing was lost, and the broken release never answered anybody.')}`);
  for (const { version } of failed) print(`  ${red(`The reload to ${version} did not end as it should have.`)}`);
  if (result.failures > 0) print(`  ${red(`${result.failures} requests were lost.`)}`);
  if (brokenAnswered) print(`  ${red('The broken release answered.')}`);
  return good && !brokenAnswered ? 0 : 1;
}

async function makeStage(port) {
  if (!underSystemd) return (await import('./demo/host-stage.mjs')).hostStage(port);
  live('booting a systemd');
  return (await import('./demo/systemd-stage.mjs')).systemdStage(port);
}

/** One line of the play; whether it ended as it should have. */
async function replace(release) {
  const before = await load.snapshot();
  stage.deploy(release);
  const startedAt = performance.now();
  live(`${release.version} ${stage.reloadCommand}`);
  const { ok, message, generation } = await stage.reload((step) => live(`${release.version}: ${step}`));
  const took = seconds(performance.now() - startedAt);
  live(ok ? `${release.version} serves` : `${release.version} was refused`);
  await pause(betweenMs);
  const answers = answersBetween(before, await load.snapshot());
  const verdict = ok ? green('done   ') : red('REFUSED');
  print(`  ${row(nameOf(release), verdict, took, ok ? `${generation}` : `${generation} stays`, answers)}`);
  if (!ok) print(dim(wrap(message.split('\n')[0].replaceAll(`${stage.folder}/`, ''), ' '.repeat(16))));
  return ok === (release.broken !== true);
}

async function untilServing(stage) {
  for (const end = performance.now() + 20_000; performance.now() < end; await pause(30)) {
    try {
      if ((await stage.status()).state === 'serving') return;
    } catch {
      // Its control socket is not there yet.
    }
  }
  throw new Error('the service did not come up within 20 s');
}

/** "3 by older ones, 140 by 1.1, 210 by 1.2": who has been replaced twice has little left to say. */
function answersBetween(before, after) {
  const earlier = new Map(before.releases.map(({ release, count }) => [release, count]));
  const counts = after.releases
    .map(({ release, count }) => ({ release, count: count - (earlier.get(release) ?? 0) }))
    .filter(({ count }) => count > 0);
  const older = counts.splice(0, Math.max(0, counts.length - 2)).reduce((sum, { count }) => sum + count, 0);
  const shown = older === 0 ? counts : [{ release: 'older', count: older }, ...counts];
  return shown.map(({ release, count }) => `${number(count)} by ${release}`).join(', ');
}

function printSummary(result, facts) {
  const { requests, ok, refused, reset, cutShort, timedOut, wrong, broken, connections, longestSilence, latency } =
    result;
  const buckets = { refused, reset, 'cut short': cutShort, 'timed out': timedOut, wrong, 'not sent': broken };
  const names = ['requests', 'answered', ...Object.keys(buckets)];
  const counts = [requests, ok, ...Object.values(buckets)];
  const widths = names.map((name, i) => Math.max(name.length, number(counts[i]).length));
  print();
  print(`  ${dim(names.map((name, i) => name.padStart(widths[i])).join('  '))}`);
  const cells = counts.map((count, i) => number(count).padStart(widths[i]));
  print(`  ${cells.map((cell, i) => (i < 2 ? bold(cell) : counts[i] === 0 ? cell : red(cell))).join('  ')}`);
  print();
  const quick = `half of the quick answers took less than ${latency.p50.toFixed(1)} ms, 99 of 100 less than`;
  const silence = `${latency.p99.toFixed(0)} ms; the longest time without any answer was ${longestSilence.ms} ms.`;
  print(wrap(`${number(connections)} connections in ${result.seconds.toFixed(0)} s; ${quick} ${silence}`, '  '));
  if (facts !== '') print(wrap(facts, '  '));
  for (const [bucket, samples] of Object.entries(result.samples)) {
    for (const { at, mode, phase, detail } of samples) print(`  ${red(bucket)} at ${at}, ${mode}, ${phase}: ${detail}`);
  }
  print();
}

function nameOf({ version, offer }) {
  return `${version} ${offer}`;
}

/** A cell that has a colour has its width already. */
function row(release, reload, took, serves, answers) {
  return `${release.padEnd(12)}  ${reload.padEnd(7)}  ${took.padStart(6)}  ${serves.padEnd(10)}  ${answers}`.trimEnd();
}
