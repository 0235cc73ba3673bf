// `npm run bench`: what batond costs, against the bars that it promises to keep.
//
//   npm run bench -- [--quick] [--json] [throughput] [reload] [idle] [migrate]
//
// Each figure is measured against the bare app in the same run, in turn with it: only such figures are compared. The
// exit status is 1 when a bar is missed. `migrate` has none: Node's sockets are made and torn down at Node's own pace.

import { cpus } from 'node:os';
import { measureIdle } from './idle.mjs';
import { measureMigrate } from './migrate/measure.mjs';
import { measureReload } from './reload.mjs';
import { measureThroughput } from './throughput.mjs';

const bars = { ratio: 0.97, differenceMs: 250, pssMb: 60 };

const known = ['throughput', 'reload', 'idle', 'migrate'];
const args = process.argv.slice(2);
const quick = args.includes('--quick');
const json = args.includes('--json');
const chosen = args.filter((arg) => !arg.startsWith('--'));
const unknown = args.filter((arg) => ![...known, '--quick', '--json'].includes(arg));
if (unknown.length > 0) {
  console.error(`bench: there is no ${unknown[0]}; usage: npm run bench -- [--quick] [--json] [${known.join('] [')}]`);
  process.exit(64);
}
const wants = (name) => chosen.length === 0 || chosen.includes(name);

/** To people only: what is measured at this moment. */
const progress = (text) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
};

const results = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
if (wants('throughput')) {
  const size = quick ? { pairs: 3, turns: 6 } : { pairs: 7, turns: 10 };
  results.throughput = await measureThroughput({ ...size, progress });
}
if (wants('reload')) results.reload = await measureReload({ rounds: quick ? 4 : 15, progress });
if (wants('idle')) results.idle = await measureIdle({ seconds: quick ? 5 : 20, reloads: quick ? 2 : 5, progress });
if (wants('migrate')) {
  const size = quick ? { connections: 1_000, rounds: 3 } : { connections: 5_000, rounds: 5 };
  results.migrate = await measureMigrate({ ...size, progress });
}
progress('');

const checks = checksOf(results);
const good = checks.every(({ ok }) => ok);
if (json) console.log(JSON.stringify({ ...results, checks, ok: good }, null, 2));
else printReport();
process.exit(good ? 0 : 1);

function checksOf({ throughput, reload, idle }) {
  const checks = [];
  const check = (what, value, bar, ok) => checks.push({ what, value, bar, ok });
  if (throughput !== undefined) {
    const spread = `(${throughput.ratios.map((ratio) => ratio.toFixed(2)).join(' ')})`;
    const value = `${throughput.ratio.toFixed(3)} ${spread}`;
    check('requests/s, as a share of the bare app', value, `>= ${bars.ratio}`, throughput.ratio >= bars.ratio);
  }
  if (reload !== undefined) {
    const { differenceMs } = reload;
    const what = "reload until it answers, beyond the app's start";
    check(what, `${differenceMs.toFixed(0)} ms`, `<= ${bars.differenceMs} ms`, differenceMs <= bars.differenceMs);
  }
  if (idle !== undefined) {
    const { wakeUps, wakeUpsWatched, watchdogSigns, supervisorPssMb, seconds } = idle;
    // One for a stray: a measurement that reads /proc may itself wake somebody.
    check(`wake-ups in ${seconds} s`, `${wakeUps}`, '<= 1', wakeUps <= 1);
    // One more sign may fall into the time, besides the stray.
    const most = watchdogSigns + 2;
    check(`  with ${watchdogSigns} watchdog signs`, `${wakeUpsWatched}`, `<= ${most}`, wakeUpsWatched <= most);
    const pss = `${supervisorPssMb.toFixed(1)} MB`;
    check('memory of the supervisor (PSS)', pss, `< ${bars.pssMb} MB`, supervisorPssMb < bars.pssMb);
  }
  return checks;
}

function printReport() {
  const { node, cpu, cores, throughput, reload, idle, migrate } = results;
  console.log(`batond bench, Node ${node} on ${cores} x ${cpu}${checks.length > 0 ? '\n' : ''}`);
  if (checks.length > 0) printChecks();
  if (throughput !== undefined) {
    const { barePerSecond, servicePerSecond, bareMicroseconds, serviceMicroseconds } = throughput;
    const cpu = `${bareMicroseconds.toFixed(1)} and ${serviceMicroseconds.toFixed(1)} us of processor time each`;
    console.log(`\nrequests/s: bare ${barePerSecond.toFixed(0)}, batond ${servicePerSecond.toFixed(0)}; ${cpu}`);
  }
  if (reload !== undefined) {
    console.log(
      `\nfirst answer: bare app ${reload.bareMs.toFixed(0)} ms, reload ${reload.reloadMs.toFixed(0)} ms; of which`,
    );
    for (const { name, ms } of reload.phases) console.log(`  ${ms.toFixed(0).padStart(4)} ms  ${name}`);
  }
  if (idle !== undefined) {
    const { hostPssMb, workerPssMb, wakeUpsByThread } = idle;
    console.log(`\nPSS: host ${hostPssMb.toFixed(1)} MB, a worker ${workerPssMb.toFixed(1)} MB`);
    for (const [thread, count] of Object.entries(wakeUpsByThread)) console.log(`  ${count} wake-ups of ${thread}`);
  }
  if (migrate !== undefined) {
    const { connections, rounds, floorPerSecond, movedPerSecond } = migrate;
    const each = `${(1e6 / movedPerSecond).toFixed(0)} us each`;
    console.log(`\n${connections} idle connections from one worker to another, median of ${rounds} rounds`);
    console.log(`  C, descriptors only  ${floorPerSecond.toFixed(0)} a second`);
    console.log(`  batond, connections  ${movedPerSecond.toFixed(0)} a second, ${each}`);
    console.log(`  ratio                1 : ${(floorPerSecond / movedPerSecond).toFixed(1)}`);
  }
}

function printChecks() {
  const rows = [
    ['', 'measured', 'bar', ''],
    ...checks.map(({ what, value, bar, ok }) => [what, value, bar, ok ? 'ok' : 'MISSED']),
  ];
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
}
