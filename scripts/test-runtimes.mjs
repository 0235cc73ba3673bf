/**
 * `npm run test:runtimes`: the same tests on every version of Node that batond supports. It brings the versions itself,
 * into a cache outside the project, and runs on each of them: all tests of the addon (one binary serves all), those of
 * the preload, and two runs of 20 reloads under the full load; then reloads that replace the runtime itself.
 *
 * Arguments choose versions: `npm run test:runtimes -- 22 24`. It never uses a Node that happens to be installed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, setUp } from './setup.mjs';

/** The oldest that is supported, and the newest of each line. */
const VERSIONS = ['20.19.0', '22', '24', '26'];
/** Root's is where everybody may read: some tests become another user, who cannot look into root's home. */
const CACHES = process.getuid() === 0 ? '/var/cache' : (process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'));
const CACHE = join(CACHES, 'batond-runtimes');

setUp();
const wanted = process.argv.slice(2);
const unknown = wanted.filter((version) => !VERSIONS.includes(version));
if (unknown.length > 0) {
  console.error(`test-runtimes: ${unknown.join(', ')}: choose from ${VERSIONS.join(', ')}`);
  process.exit(64);
}
// An interrupt ends the tests that run, which are of this process group; what is below ends by their exit status.
process.on('SIGINT', () => {});
const folder = mkdtempSync(join(tmpdir(), 'batond-test-runtimes-'));
const rows = [];
try {
  const nodes = (wanted.length > 0 ? wanted : VERSIONS).map(bringNode);
  for (const node of nodes) {
    const version = versionOf(node);
    heading(`Node ${version}`);
    const fixed = runTests(node, ['test/native', 'test/worker']);
    rows.push({ what: version, ...fixed });
    const long = runTests(node, ['test/runtimes/reloads.test.ts']);
    rows.push(...long.runs.map((run) => ({ what: version, ...run })));
    if (long.runs.length === 0) rows.push({ what: version, title: 'reloads under load', ...long });
  }
  for (let i = 1; i < nodes.length; i++) {
    const [from, to] = [nodes[i - 1], nodes[i]];
    const what = `${versionOf(from)} -> ${versionOf(to)}`;
    heading(`Node ${what}`);
    const replaced = runTests(from, ['test/runtimes/replacement.test.ts'], { TEST_NODE_NEXT: to });
    rows.push(...replaced.runs.map((run) => ({ what, ...run })));
    if (replaced.runs.length === 0) rows.push({ what, title: 'replacing the runtime', ...replaced });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
printTable();
process.exit(rows.every(({ failed }) => failed === 0) ? 0 : 1);

/**
 * A Node of this version from the registry. The package that holds the very binary is asked for, since the one named
 * `node` fetches it in an install script, which npm may be told not to run.
 */
function bringNode(version) {
  const name = `node-linux-${process.arch}`;
  const home = join(CACHE, version);
  const node = join(home, 'node_modules', name, 'bin/node');
  if (existsSync(node)) return node;
  console.log(`test-runtimes: bringing Node ${version} to ${home}`);
  mkdirSync(home, { recursive: true });
  const args = ['install', '--prefix', home, '--no-audit', '--no-fund', '--loglevel=error', `${name}@${version}`];
  const { status, error } = spawnSync('npm', args, { cwd: home, stdio: 'inherit' });
  if (status === 0 && existsSync(node)) return node;
  console.error(`test-runtimes: npm ${args.join(' ')} failed (${error?.message ?? `status ${status}`})`);
  process.exit(1);
}

/** Runs vitest itself on that Node, so that the tests that load the addon load it there. */
function runTests(node, files, env = {}) {
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${report}`];
  // One file at a time: two loads of 300 connections a second beside each other would measure the machine.
  const { status, signal } = spawnSync(node, [vitest, 'run', ...files, ...reporters, '--maxWorkers=1'], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, TEST_NODE: node, BATOND_LONG: '1', ...env },
  });
  if (signal === 'SIGINT' || status === 130) {
    rmSync(folder, { recursive: true });
    process.exit(130);
  }
  if (!existsSync(report)) return { passed: 0, failed: 1, runs: [] };
  const results = JSON.parse(readFileSync(report, 'utf8'));
  const tests = results.testResults.flatMap((file) => file.assertionResults);
  const runs = tests.map(({ title, status: verdict, meta }) => ({
    title,
    passed: verdict === 'passed' ? 1 : 0,
    failed: verdict === 'failed' ? 1 : 0,
    reloadMs: meta?.reloadMs,
    load: meta?.load,
  }));
  const failed = results.numFailedTests + (status !== 0 && results.numFailedTests === 0 ? 1 : 0);
  return { title: 'the addon and the preload', passed: results.numPassedTests, failed, runs };
}

function printTable() {
  heading('');
  const head = ['Node', 'passed', 'failed', 'reloads', 'median', 'requests', 'failures', 'what'];
  const lines = rows.map(({ what, title, passed, failed, reloadMs, load }) => [
    what,
    passed,
    failed,
    reloadMs?.length ?? '',
    reloadMs === undefined ? '' : `${median(reloadMs)} ms`,
    load?.requests ?? '',
    load?.failures ?? '',
    title.replace('an Express app is reloaded 20 times without losing a request, ', '20 reloads, '),
  ]);
  const widths = head.map((name, i) => Math.max(name.length, ...lines.map((line) => String(line[i]).length)));
  for (const line of [head, ...lines]) {
    const cells = line.map((cell, i) =>
      i === 0 || i === 7 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]),
    );
    console.log(cells.join('  ').trimEnd());
  }
}

function median(values) {
  return Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]);
}

function heading(text) {
  console.log(`\n${text}`);
}

function versionOf(node) {
  return spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
}
