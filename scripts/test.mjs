/**
 * `npm test`: sets up what is missing, runs every test that this machine can run, and says which it could not and why.
 * With BATOND_REQUIRE_ALL=1 (as .ci/run sets it; BATOND_REQUIRE_SYSTEMD=1 means the same) a machine without what the
 * tests with systemd, a browser, HAProxy or Prometheus need is a failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, setUp } from './setup.mjs';

setUp();

const { labAvailable } = await import('../test/support/lab/start-lab.mjs');
const { browserAvailable } = await import('../test/support/browser/available.mjs');
const { haproxyAvailable } = await import('../test/support/haproxy/available.mjs');
const { prometheusAvailable } = await import('../test/support/prometheus/available.mjs');
const lacking = Object.entries({
  'a real systemd': labAvailable(),
  'a real browser': browserAvailable(),
  'a real HAProxy': haproxyAvailable(),
  'a real Prometheus': prometheusAvailable(),
}).filter(([, available]) => !available.ok);
const { BATOND_REQUIRE_ALL, BATOND_REQUIRE_SYSTEMD } = process.env;
if (lacking.length > 0 && (BATOND_REQUIRE_ALL === '1' || BATOND_REQUIRE_SYSTEMD === '1')) {
  for (const [what, { why }] of lacking) {
    console.error(`test: the tests with ${what} are required here and cannot run: ${why}`);
  }
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), 'batond-test-'));
const report = join(folder, 'report.json');
// An interrupt ends vitest, which is of this process group; what is below ends by its exit status.
process.on('SIGINT', () => {});
const { status } = spawnSync(
  join(ROOT, 'node_modules/.bin/vitest'),
  ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...process.argv.slice(2)],
  { cwd: ROOT, stdio: 'inherit' },
);

const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
rmSync(folder, { recursive: true });
if (results === null) {
  console.error(`test: vitest ended with status ${status} and no report`);
  process.exit(status || 1);
}
const skipped = results.testResults.flatMap((file) =>
  file.assertionResults
    .filter((result) => result.status === 'skipped' || result.status === 'pending' || result.status === 'todo')
    .map((result) => `${file.name.slice(ROOT.length + 1)}: ${result.fullName}`),
);
for (const line of skipped) console.log(`skipped: ${line}`);
for (const [what, { why }] of lacking) console.log(`skipped for want of ${what}: ${why}`);
const failedFiles = results.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.length === 0,
);
// An error outside of any test, which vitest counts nowhere but in its exit status, is a failure too.
const failed = Math.max(results.numFailedTests + failedFiles.length, status === 0 ? 0 : 1);
console.log(`${results.numPassedTests} passed, ${failed} failed, ${skipped.length} skipped`);
process.exit(status ?? 1);
