/** The README is complete where it claims to be. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERRORS, EXIT, EXIT_WORDS } from '../../src/errors.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test('lists every error code with cause and cure, and no other', () => {
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (.+) \| (.+) \|$/gm)].map(([, code]) => code);
  expect(rows.sort()).toEqual(Object.keys(ERRORS).sort());
});

test('names every exit status with the words of the help and the manual', () => {
  const line = /Exit status: ([\s\S]*?)\n\n/.exec(readme)?.[1] ?? '';
  const said = Object.entries(EXIT).map(([name, status]) => `${status} ${EXIT_WORDS[name as keyof typeof EXIT]}`);
  expect(line.replace(/\s+/g, ' ')).toBe(`${said.join('; ')}.`);
});
