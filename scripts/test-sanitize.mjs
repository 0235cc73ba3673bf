/**
 * `npm run test:sanitize`: the addon where mistakes of memory cannot hide. Three runs, each named with its result:
 *
 *   sanitizers   test/native with an addon built with ASan and UBSan
 *   valgrind     each function under memcheck, for uninitialised memory in system calls, which ASan does not see; only
 *                errors with the addon on their stack count
 *   rounds       10,000 rounds of each function: descriptors and memory as before
 *
 * Arguments choose runs: `npm run test:sanitize -- valgrind`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildSanitized, sanitizedEnvironment, sanitizersMissing } from './sanitized.mjs';
import { ROOT, setUp } from './setup.mjs';

const RUNS = { sanitizers, valgrind, rounds };
const ROUNDS = join(ROOT, 'test/native/rounds.mjs');

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !Object.hasOwn(RUNS, name));
if (unknown.length > 0) {
  console.error(`test-sanitize: ${unknown.join(', ')}: choose from ${Object.keys(RUNS).join(', ')}`);
  process.exit(64);
}
setUp();
// An interrupt ends what runs, which is of this process group; what is below ends by its exit status.
process.on('SIGINT', () => {});
const results = [];
for (const [name, run] of Object.entries(RUNS)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  console.log(`\ntest-sanitize: ${name}`);
  const begun = performance.now();
  const { result, note } = run();
  results.push({ name, result, note, seconds: (performance.now() - begun) / 1_000 });
}
console.log();
for (const { name, result, note, seconds } of results) {
  console.log(`${name.padEnd(12)}${result.padEnd(9)}${`${seconds.toFixed(0)} s`.padStart(6)}  ${note}`);
}
process.exit(results.some(({ result }) => result === 'failed') ? 1 : 0);

function sanitizers() {
  const missing = sanitizersMissing();
  if (missing !== null) return { result: 'skipped', note: missing };
  buildSanitized();
  // What a test starts inherits LD_PRELOAD as far as its environment is inherited; most get one of their own.
  const { status } = spawnSync(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', 'test/native'], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...sanitizedEnvironment(), BATOND_ROUNDS: '20' },
  });
  return status === 0
    ? { result: 'passed', note: 'test/native with ASan and UBSan' }
    : { result: 'failed', note: `status ${status}: see above` };
}

function valgrind() {
  if (spawnSync('valgrind', ['--version']).status !== 0) return { result: 'skipped', note: 'there is no valgrind' };
  const { status, stdout, stderr } = spawnSync(
    'valgrind',
    [
      // V8 makes code, which --jitless spares; it also reads what it has never written, on purpose, so that only what
      // has the addon on its stack is judged.
      ...['--quiet', '--num-callers=40', '--error-limit=no', '--track-origins=yes', '--smc-check=all-non-file'],
      ...[process.execPath, '--jitless', '--expose-gc', ROUNDS, '2'],
    ],
    { cwd: ROOT, encoding: 'utf8', maxBuffer: 1024 * 1024 * 1024 },
  );
  const rows = stdout.split('\n').filter((line) => line.startsWith('{'));
  // With debugging information a frame is named by its source and not by the addon's file.
  const errors = reportsOf(stderr).filter((report) => /batond::|batond\.node/.test(report));
  if (errors.length > 0) console.log(errors.join('\n\n'));
  const stopped = rows.map((line) => JSON.parse(line)).filter(({ error }) => error !== undefined);
  // An older valgrind has not heard of pidfd_open(2) and answers for the kernel.
  const unreached = stopped.filter(({ error }) => error.includes('ENOSYS'));
  const bad = stopped.filter((row) => !unreached.includes(row));
  for (const { name, path, error } of bad) console.log(`${name} ${path}: ${error}`);
  for (const { name, path } of unreached) console.log(`not reached, valgrind lacks a system call: ${name} ${path}`);
  if (rows.length === 0) console.log(stderr.slice(-4_000));
  const failed = errors.length > 0 || bad.length > 0 || rows.length === 0;
  const note = `${rows.length - stopped.length} of ${rows.length} rows, ${errors.length} errors with the addon on the stack (node: ${status ?? 'killed'})`;
  return { result: failed ? 'failed' : 'passed', note };
}

/** Memcheck's reports: lines of "==PID== text", with an empty one between two. */
function reportsOf(text) {
  const lines = text.split('\n').filter((line) => /^==\d+==/.test(line));
  const bodies = lines.map((line) => line.replace(/^==\d+== ?/, ''));
  return bodies.join('\n').split(/\n\s*\n/);
}

function rounds() {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--max-semi-space-size=1', ROUNDS, '10000'],
    {
      cwd: ROOT,
      encoding: 'utf8',
    },
  );
  const rows = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  console.log(`${'function'.padEnd(20)}path    rounds  seconds   fds  heap kB   RSS kB`);
  for (const { name, path, error, seconds = 0, fds, heapBytes = 0, rssBytes = 0, ok, ...row } of rows) {
    const numbers = [String(row.rounds).padStart(7), seconds.toFixed(1).padStart(9), String(fds).padStart(6)];
    numbers.push((heapBytes / 1024).toFixed(0).padStart(9), (rssBytes / 1024).toFixed(0).padStart(9));
    console.log(`${name.padEnd(20)}${path} ${error ?? numbers.join('')}${ok ? '' : '  FAILED'}`);
  }
  if (stderr !== '') console.log(stderr);
  const failed = rows.filter(({ ok }) => !ok).length;
  return { result: status === 0 ? 'passed' : 'failed', note: `${rows.length} rows, ${failed} with something left` };
}
