/** Every function of the addon leaves as many descriptors and as much memory as before; see rounds.mjs. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROUNDS = process.env.BATOND_ROUNDS ?? '300';

test(`${ROUNDS} rounds of each function leave nothing behind`, { timeout: 3_600_000 }, () => {
  const script = fileURLToPath(new URL('./rounds.mjs', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--max-semi-space-size=1', script, ROUNDS], {
    encoding: 'utf8',
  });
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(rows.filter(({ ok }) => !ok)).toEqual([]);
  expect(stderr).toBe('');
  expect(rows.length).toBeGreaterThan(0);
});
