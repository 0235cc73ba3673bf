/**
 * `npm run test:endurance`: many reloads under load with supervisors killed at random instants, as a table of
 * checkpoints. The same seed kills at the same instants, as far as a machine can repeat them.
 *
 *   -- --reloads 1000 --kills-every 20 --seed 1
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, setUp } from './setup.mjs';

const text = { type: 'string' };
const { values } = parseArgs({ options: { reloads: text, 'kills-every': text, seed: text } });
for (const [name, value] of Object.entries(values)) {
  if (/^[1-9]\d{0,8}$/.test(value)) continue;
  console.error(`test-endurance: --${name} takes a whole number, not ${value}`);
  process.exit(64);
}

setUp();
const wanted = {
  reloads: Number(values.reloads ?? 200),
  // Rarer than the host takes to trust a supervisor, which would start the next ones later and later.
  killsEvery: Number(values['kills-every'] ?? 20),
  seed: Number(values.seed ?? 1),
};
const { status } = spawnSync(
  join(ROOT, 'node_modules/.bin/vitest'),
  ['run', 'test/process/endurance.test.ts', '--disableConsoleIntercept'],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, BATOND_ENDURANCE: JSON.stringify(wanted) } },
);
process.exit(status ?? 1);
