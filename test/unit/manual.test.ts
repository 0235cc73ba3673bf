/** The manual pages: complete where they claim to be, and clean for whoever formats them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allCommands } from '../../src/cli/program.js';
import { allowed, KEY_PATHS, keyOf } from '../../src/config/keys.js';
import { ERRORS, EXIT } from '../../src/errors.js';
import { manualFiles } from '../../src/manual/manual.js';
import { Page } from '../../src/manual/roff.js';
import { ENVIRONMENT } from '../../src/manual/surroundings.js';

const ROOT = new URL('../../', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'batond-manual-'));
const files = await manualFiles(readFileSync(new URL('README.md', ROOT), 'utf8'));
const PAGES = Object.keys(files).filter((path) => path.startsWith('man/'));

beforeAll(() => {
  for (const path of PAGES) writeFileSync(join(folder, basename(path)), files[path]!);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A page without its macros and escapes, as words with single spaces. */
const words = (path: string) =>
  files[path]!.replace(/^\.(B|SH|SS) "(.*)"$/gm, '$2')
    .replace(/^\..*$/gm, '')
    .replaceAll('\\-', '-')
    .replaceAll('\\(dq', '"')
    .replaceAll('\\(ti', '~')
    .replaceAll('\\e', '\\')
    .replaceAll('\\&', '')
    .replace(/\s+/g, ' ');

test('batond(1) has every command and option with what they do, every exit status and error', async () => {
  const page = words('man/batond.1');
  const commands = await allCommands();
  expect(commands.length).toBeGreaterThan(10);
  for (const { usage, options, arguments: args } of commands.slice(1)) {
    expect(page).toContain(usage);
    for (const { names } of options) expect(page).toContain(names.join(', '));
    for (const { text } of args) expect(page).toContain(text);
  }
  for (const [code, { exit }] of Object.entries(ERRORS)) expect(page).toMatch(new RegExp(`${code} \\(${exit}\\) \\S`));
  for (const status of Object.values(EXIT)) expect(page).toMatch(new RegExp(`EXIT STATUS.* ${status} [A-Z]`));
});

test.each(KEY_PATHS)('batond.toml(5) has %s with what is allowed and what it is for', (path) => {
  const page = words('man/batond.toml.5');
  const { type, about } = keyOf(path);
  expect(page).toContain(` ${type.kind === 'tables' ? `[[${path}]]` : path} ${about}`);
  if (type.kind === 'tables') for (const name of Object.keys(type.keys)) expect(page).toContain(` ${name} `);
  else expect(page).toContain(`Allowed: ${allowed(type).replace(/\s+/g, ' ')}.`);
});

/** Between the processes of batond, or a worker's own: nobody sets them. */
const NOT_TOLD = /^(BATOND_|NODE_|SYSTEMD_|LC_ALL$|FORCE_COLOR$)/;

test('batond(1) has every variable of the environment that the source reads', () => {
  const source = new URL('src/', ROOT);
  const read = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => [...readFileSync(new URL(name, source), 'utf8').matchAll(/\benv\.([A-Z][A-Z_]+)\b/g)])
    .map(([, name]) => name!)
    .filter((name) => !NOT_TOLD.test(name));
  const told = ENVIRONMENT.flatMap(([names]) => names.split(', '));
  expect(told).toEqual(expect.arrayContaining([...new Set(read)]));
});

test('no text can become a request or an escape of roff', () => {
  const text = new Page('x', 1, 'x 1').paragraph('.so /etc/passwd').entry(`"a" \\fB'`, [`'tis — "so"`]).toString();
  expect(text.split('\n').slice(2)).toEqual([
    '.PP',
    '\\&.so /etc/passwd',
    '.TP',
    `.B "\\(dqa\\(dq \\efB'"`,
    `\\&'tis \\[u2014] "so"`,
    '',
  ]);
});

const isThere = (program: string) => spawnSync(program, ['-h']).error === undefined;
const required = process.env.BATOND_REQUIRE_ALL === '1';
const skip = (program: string) => !isThere(program) && !required;
const note = (program: string) => (skip(program) ? ` (skipped: ${program} is not installed)` : '');

describe.each(PAGES)('%s', (path) => {
  const file = join(folder, basename(path));

  test.skipIf(skip('mandoc'))(`is clean for mandoc${note('mandoc')}`, () => {
    const { stdout } = spawnSync('mandoc', ['-Tlint', '-W', 'warning', file], { encoding: 'utf8' });
    // A date would make another page of the same sources on another day.
    expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([]);
  });

  test.skipIf(skip('groff'))(`is clean for groff${note('groff')}`, () => {
    const { stderr, status } = spawnSync('groff', ['-man', '-ww', '-z', file], { encoding: 'utf8' });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  });

  test.skipIf(skip('man'))(`is what man shows${note('man')}`, () => {
    const env = { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', MANWIDTH: '80', MANPAGER: 'cat', HOME: folder };
    const { stdout, stderr } = spawnSync('man', ['--warnings', '-l', file], { encoding: 'utf8', env });
    expect(stderr).toBe('');
    expect(stdout).toContain('SEE ALSO');
  });
});

test('the package names the pages that are made', () => {
  const { man, files: packed } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'));
  expect(man).toEqual(PAGES);
  for (const path of Object.keys(files)) expect(packed).toContain(path.split('/')[0]);
});
