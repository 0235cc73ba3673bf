/** A short sample of `npm run test:sanitize`: each function of the addon, built with ASan and UBSan. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { buildSanitized, sanitizedEnvironment, sanitizersMissing } from '../../scripts/sanitized.mjs';

// Under the sanitizers already, where it would only repeat rounds.test.ts.
const missing = process.env.BATOND_PREBUILD === undefined ? sanitizersMissing() : 'it is what runs';

test.skipIf(missing !== null)(
  `the sanitizers have nothing to say of any function${missing === null ? '' : ` (skipped: ${missing})`}`,
  { timeout: 600_000 },
  () => {
    buildSanitized();
    const rounds = fileURLToPath(new URL('./rounds.mjs', import.meta.url));
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--expose-gc', rounds, '2'], {
      encoding: 'utf8',
      env: sanitizedEnvironment(),
    });
    expect(stderr).toBe('');
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.filter(({ ok }) => !ok)).toEqual([]);
    expect(status).toBe(0);
    const { stdout: maps } = spawnSync(
      process.execPath,
      [
        '-e',
        `require('node-gyp-build')(${JSON.stringify(fileURLToPath(new URL('../..', import.meta.url)))});
        console.log(require('node:fs').readFileSync('/proc/self/maps', 'utf8'))`,
      ],
      { encoding: 'utf8', env: sanitizedEnvironment() },
    );
    expect(maps, 'the addon that was tried').toContain('/build-sanitized/build/Release/batond.node');
  },
);
