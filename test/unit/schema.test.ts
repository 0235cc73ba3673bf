/** The schema of batond.toml accepts what batond accepts, and knows what it knows. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAccount } from '../../src/config/account.js';
import { parseAddress } from '../../src/config/address.js';
import { parseDuration } from '../../src/config/duration.js';
import { KEY_PATHS, keyOf } from '../../src/config/keys.js';
import { configSchema, type Schema } from '../../src/config/schema.js';
import { parseSize } from '../../src/config/size.js';
import { complaint } from '../support/config/schema.js';

const ROOT = new URL('../../', import.meta.url);
const THEIRS = /^(node_modules|dist|build|prebuilds)\//;

/** Every batond.toml that the repository shows to anybody: files, and fenced blocks of its texts. */
function examples(): [string, string][] {
  const names = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter((name) => !THEIRS.test(name));
  const read = (name: string) => readFileSync(new URL(name, ROOT), 'utf8');
  const files = names.filter((name) => name.endsWith('.toml')).map((name): [string, string] => [name, read(name)]);
  const blocks = names
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) =>
      [...read(name).matchAll(/^```toml\n([\s\S]*?)^```$/gm)].map(([, text], index): [string, string] => [
        `${name}, block ${index + 1}`,
        text!,
      ]),
    );
  return [...files, ...blocks];
}

const found = examples();

test('there are examples', () => expect(found.map(([name]) => name)).toContain('README.md, block 1'));

test.each(found)('%s is valid', (_name, text) => expect(complaint(text)).toBeNull());

/** The schema of a key, through the tables that it is in. */
function schemaAt(path: string): Schema | undefined {
  return path
    .split('.')
    .reduce<Schema | undefined>(
      (schema, name) => (schema?.properties as Record<string, Schema> | undefined)?.[name],
      configSchema(),
    );
}

describe('every key', () => {
  test.each(KEY_PATHS)('%s is there with its description', (path) => {
    expect(schemaAt(path)).toMatchObject({ description: expect.stringContaining(keyOf(path).about) });
  });

  test.each(KEY_PATHS.filter((path) => keyOf(path).default !== null))('the default of %s is allowed', (path) => {
    const value = keyOf(path).default;
    const text = typeof value === 'object' && !Array.isArray(value) ? '{}' : JSON.stringify(value);
    expect(complaint(`${path} = ${text}`)).toBeNull();
  });
});

test('a table has no keys but its own', () => {
  expect(complaint('[upgrade]\nready_timout = "1s"')).toContain('additional');
  expect(complaint('[[listener]]\nname = "a"\naddress = "80"\nport = 1')).toContain('additional');
});

test.each([
  'command = ["x"]\nready = "notify"\nworkers = 2',
  'command = ["x"]\nupgrade.drain_timeout = "0s"',
  'workers = "auto"',
  'env = { A = "", _b1 = "x" }',
  'control.act = ["user:alice", "group:1000", "user:a.b@c$"]',
])('%j is valid', (toml) => expect(complaint(toml)).toBeNull());

test.each([
  'command = ["x"]\nargs = ["y"]',
  'command = ["x"]\nupgrade.probe = "/"',
  'command = ["x"]\nready = "listen"',
])('%j is not', (toml) => expect(complaint(toml)).not.toBeNull());

/** Texts of the letters that the kinds are written with, so that many of them are valid. */
const of = (letters: readonly string[]) =>
  fc.array(fc.constantFrom(...letters), { maxLength: 8 }).map((parts) => parts.join(''));

const KINDS = [
  ['stop.kill_timeout = ', of(['0', '1', '30', 'h', 'm', 's', 'ms']), (text: string) => (parseDuration(text) ?? 0) > 0],
  ['upgrade.state_max = ', of(['0', '1', '9', 'KiB', 'MiB', 'GiB']), (text: string) => (parseSize(text) ?? 0) > 0],
  [
    'listener = [{ name = "a", address = ',
    of(['[', ']', ':', '::1', '1', '80', '127.0.0.1', 'a', '@', '/', '.']),
    (text: string) => typeof parseAddress(text) === 'object',
  ],
  [
    'control.read = [',
    of(['user:', 'group:', '0', '1', 'root', '-', '$']),
    (text: string) => typeof parseAccount(text) === 'object',
  ],
] as const;

test.each(KINDS)('whatever batond takes behind %j, the schema takes too', (before, texts, isTaken) => {
  const after = before.includes('{') ? ' }]' : before.includes('[') ? ']' : '';
  let taken = 0;
  fc.assert(
    fc.property(texts, (text) => {
      if (!isTaken(text)) return;
      taken += 1;
      expect(complaint(`${before}${JSON.stringify(text)}${after}`)).toBeNull();
    }),
    { numRuns: 5_000, seed: 1 },
  );
  expect(taken).toBeGreaterThan(20);
});
