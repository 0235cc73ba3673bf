/**
 * `npm run test:faults`: the whole fault matrix, as a table. At every transition of a takeover and of a roll, each
 * process that takes part is killed or stopped under load; test/support/faults/matrix has the cases and the verdicts.
 *
 *   -- --only roll.switching    the cases whose name has this in it
 *   -- --sample 20 --seed 7     so many of them, the same ones for the same seed
 *   -- --jobs 2                 so many at once
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, setUp } from './setup.mjs';

const text = { type: 'string' };
const { values } = parseArgs({ options: { only: text, sample: text, seed: text, jobs: text } });
for (const [name, value] of Object.entries(values)) {
  if (name === 'only' || /^[1-9]\d{0,8}$/.test(value)) continue;
  console.error(`test-faults: --${name} takes a whole number, not ${value}`);
  process.exit(64);
}

setUp();
const wanted = {
  only: values.only,
  size: values.sample === undefined ? undefined : Number(values.sample),
  seed: values.seed === undefined ? undefined : Number(values.seed),
};
const { status } = spawnSync(
  join(ROOT, 'node_modules/.bin/vitest'),
  [
    'run',
    'test/process/faults.test.ts',
    '--reporter=./test/support/faults/matrix/reporter.mjs',
    `--maxConcurrency=${values.jobs ?? 2}`,
  ],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, BATOND_FAULTS: JSON.stringify(wanted) } },
);
process.exit(status ?? 1);
