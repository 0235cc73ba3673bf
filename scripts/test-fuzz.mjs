/**
 * `npm run test:fuzz`: everything that batond parses, against inputs by the million. Each target gets `--inputs` of them
 * (1,000,000), one that opens sockets or files a part of that; what is in the table is what it really got.
 *
 *   npm run test:fuzz -- --inputs 20000            shorter
 *   npm run test:fuzz -- --target "config: any"    only targets with that in their names
 *   npm run test:fuzz -- --seed 7                  the inputs of an earlier run
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, setUp } from './setup.mjs';

const { inputs, seed, target } = readArguments();
setUp();
// An interrupt ends vitest, which is of this process group; what is below ends by its exit status.
process.on('SIGINT', () => {});
const folder = mkdtempSync(join(tmpdir(), 'batond-test-fuzz-'));
const report = join(folder, 'report.json');
console.log(`test-fuzz: up to ${inputs} inputs a target, seed ${seed}`);
const chosen = target === undefined ? [] : ['-t', target.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')];
const { status } = spawnSync(
  join(ROOT, 'node_modules/.bin/vitest'),
  ['run', 'test/fuzz', '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`, ...chosen],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, BATOND_FUZZ_INPUTS: String(inputs), BATOND_FUZZ_SEED: String(seed) },
  },
);
const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
rmSync(folder, { recursive: true });
if (results === null) {
  console.error(`test-fuzz: vitest ended with status ${status} and no report`);
  process.exit(status || 1);
}
printTable(results.testResults.flatMap((file) => file.assertionResults));
process.exit(status ?? 1);

function readArguments() {
  try {
    const { values } = parseArgs({
      options: { inputs: { type: 'string' }, seed: { type: 'string' }, target: { type: 'string' } },
    });
    const numbers = { inputs: Number(values.inputs ?? 1_000_000), seed: Number(values.seed ?? randomInt(2 ** 31)) };
    if (!Number.isSafeInteger(numbers.inputs) || numbers.inputs < 1) throw new Error('--inputs: a positive number');
    if (!Number.isSafeInteger(numbers.seed)) throw new Error('--seed: a number');
    return { ...numbers, target: values.target };
  } catch (error) {
    console.error(`test-fuzz: ${error.message}`);
    process.exit(64);
  }
}

function printTable(tests) {
  const ran = tests.filter(({ status: verdict }) => verdict === 'passed' || verdict === 'failed');
  const head = ['target', 'inputs', 'seconds', 'inputs/s', 'failures', 'peak RSS'];
  const lines = ran.map(({ title, status: verdict, meta }) => {
    const { inputs: got = 0, seconds = 0, peakRssBytes = 0 } = meta?.fuzz ?? {};
    return [
      title,
      got.toLocaleString('en'),
      seconds.toFixed(1),
      Math.round(got / Math.max(seconds, 0.001)).toLocaleString('en'),
      verdict === 'failed' ? '1' : '0',
      `${Math.round(peakRssBytes / 1024 / 1024)} MB`,
    ];
  });
  const widths = head.map((name, i) => Math.max(name.length, ...lines.map((line) => line[i].length)));
  console.log();
  for (const line of [head, ...lines]) {
    const cells = line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])));
    console.log(cells.join('  ').trimEnd());
  }
  const all = ran.reduce((sum, { meta }) => sum + (meta?.fuzz?.inputs ?? 0), 0);
  const failed = ran.filter(({ status: verdict }) => verdict === 'failed').length;
  console.log(`\n${ran.length} targets, ${all.toLocaleString('en')} inputs, ${failed} failed; seed ${seed}`);
}
