/** The README is complete where it claims to be. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test('lists every error code with cause and cure, and no other', () => {
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (.+) \| (.+) \|$/gm)].map(([, code]) => code);
  expect(rows.sort()).toEqual(Object.keys(ERRORS).sort());
});

test('names every exit status that an error can have', () => {
  const statuses = new Set(Object.values(ERRORS).map(({ exit }) => exit));
  const line = /Exit status: ([\s\S]*?)\n\n/.exec(readme)?.[1] ?? '';
  for (const status of statuses) expect(line).toMatch(new RegExp(`\\b${status} `));
});
