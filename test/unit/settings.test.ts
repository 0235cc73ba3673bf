/** Settings of an app: whole, checked, frozen, and those of the file in the end, however it is changed. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { config, type Settings, type SettingsProblem } from '../../src/index.js';
import { jsonLine } from '../../src/settings/json-positions.js';
import { eventually } from '../support/service/wait.js';

let folder: string;
let file: string;
const opened: Pick<Settings<unknown>, 'close'>[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batond-settings-'));
  file = join(folder, 'shop.json');
});
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
  rmSync(folder, { recursive: true, force: true });
});

const LIMITS = z.object({ limit: z.number().int(), tags: z.array(z.string()).default([]) });
const write = (value: unknown, path = file) =>
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
/** As an editor does it. */
const replace = (value: unknown) => {
  write(value, `${file}.next`);
  renameSync(`${file}.next`, file);
};

function opens<T extends Pick<Settings<unknown>, 'close'>>(settings: T): T {
  opened.push(settings);
  return settings;
}

const until = <T>(look: () => T, isGood: (seen: T) => boolean, what: string) =>
  eventually(look, isGood, { what: () => what });

describe('the schema', () => {
  test('of zod gives type, defaults and what it makes of the file', async () => {
    write({ limit: 3 });
    const settings = opens(await config.watch(file, LIMITS));
    expect(settings.current).toEqual({ limit: 3, tags: [] });
    expectTypeOf(settings.current.limit).toEqualTypeOf<number>();
    expectTypeOf(settings.current.tags).toEqualTypeOf<readonly string[]>();
  });

  test('of valibot too, one that answers later, and a file that is named by its URL', async () => {
    write({ limit: '3' });
    const schema = v.pipeAsync(
      v.objectAsync({ limit: v.pipe(v.string(), v.transform(Number)) }),
      v.checkAsync(async ({ limit }) => limit < 10, 'too many'),
    );
    const settings = opens(await config.watch(pathToFileURL(file), schema));
    expect(settings.current).toEqual({ limit: 3 });
    expectTypeOf(settings.current.limit).toEqualTypeOf<number>();
    replace({ limit: '30' });
    await until(
      () => settings.problem,
      (problem) => problem !== null,
      'it is refused',
    );
    expect(settings.problem!.issues).toEqual([{ message: 'too many', path: [], line: 1 }]);
    expect(settings.current).toEqual({ limit: 3 });
  });

  test('that is none is a mistake of the program', async () => {
    await expect(config.watch(file, {} as never)).rejects.toThrow(TypeError);
  });
});

describe('a file', () => {
  test('in TOML, or in a format of the app', async () => {
    write('limit = 3\ntags = ["a"]\n', join(folder, 'shop.toml'));
    expect(opens(await config.watch(join(folder, 'shop.toml'), LIMITS)).current).toEqual({ limit: 3, tags: ['a'] });
    write('limit 4');
    const parse = async (text: string) =>
      Object.fromEntries([text.split(' ').map((part, n) => (n === 0 ? part : Number(part)))]);
    expect(opens(await config.watch(file, LIMITS, { parse })).current.limit).toBe(4);
  });

  test.each([
    ['is not there', null, 'SETTINGS_UNREADABLE', null, []],
    ['is no JSON', '{\n  "limit": 3,\n', 'SETTINGS_INVALID', 3, []],
    [
      'is refused by the schema',
      '{\n  "tags": [\n    "a",\n    1\n  ],\n  "limit": 3\n}',
      'SETTINGS_INVALID',
      4,
      ['tags', 1],
    ],
  ])('that %s at the start is an error with a code', async (_name, text, code, line, path) => {
    if (text !== null) write(text);
    const problem: SettingsProblem = await config.watch(file, LIMITS).then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(problem).toMatchObject({ code, issues: [{ line, path }] });
    expect(problem.message).toContain(line === null ? file : `${file}:${line}: `);
  });

  test('says by line and path what is wrong with it in TOML too', async () => {
    write('limit = 3\n[other]\nx = 1\n', join(folder, 'shop.toml'));
    const settings = opens(
      await config.watch(
        join(folder, 'shop.toml'),
        z.object({ limit: z.number(), other: z.object({ x: z.number() }) }),
      ),
    );
    const heard: SettingsProblem[] = [];
    settings.on('invalid', (problem) => heard.push(problem));
    write('limit = 3\n[other]\nx = "y"\n', join(folder, 'shop.toml'));
    await until(
      () => heard.length,
      (count) => count === 1,
      'it is heard',
    );
    expect(heard[0]!.issues).toMatchObject([{ path: ['other', 'x'], line: 3 }]);
    write('limit = \n', join(folder, 'shop.toml'));
    await until(
      () => heard.length,
      (count) => count === 2,
      'it is heard again',
    );
    expect(heard[1]!.issues).toMatchObject([{ path: [], line: 1 }]);
  });

  test('that is refused, half written or gone leaves the last good settings until it is good again', async () => {
    write({ limit: 3 });
    const settings = opens(await config.watch(file, LIMITS));
    const first = settings.current;
    const heard: string[] = [];
    settings.on('invalid', ({ code }) => heard.push(code));
    settings.on('change', ({ limit }, before) => heard.push(`${before.limit} to ${limit}`));
    write('{ "lim');
    await until(
      () => heard.length,
      (count) => count === 1,
      'half of it is refused',
    );
    rmSync(file);
    await until(
      () => heard.length,
      (count) => count === 2,
      'it is missed',
    );
    expect(settings.current).toBe(first);
    write({ limit: 4 });
    await until(
      () => heard.length,
      (count) => count === 3,
      'it is there',
    );
    expect(heard).toEqual(['SETTINGS_INVALID', 'SETTINGS_UNREADABLE', '3 to 4']);
    expect(settings.problem).toBeNull();
    // The same again, written otherwise, is no change.
    write('{ "limit": 4, "tags": [] }');
    write({ limit: 5 });
    await until(
      () => heard.length,
      (count) => count > 3,
      'the next change',
    );
    expect(heard.slice(3)).toEqual(['4 to 5']);
  });

  test('behind the symlinks of a ConfigMap', async () => {
    for (const limit of [1, 2]) {
      mkdirSync(join(folder, `..${limit}`));
      write({ limit }, join(folder, `..${limit}`, 'shop.json'));
    }
    symlinkSync('..1', join(folder, '..data'));
    symlinkSync('..data/shop.json', file);
    const settings = opens(await config.watch(file, LIMITS));
    symlinkSync('..2', join(folder, '..next'));
    renameSync(join(folder, '..next'), join(folder, '..data'));
    rmSync(join(folder, '..1'), { recursive: true });
    await until(
      () => settings.current.limit,
      (limit) => limit === 2,
      'the new one is read',
    );
  });
});

test('a thousand replacements: whatever is seen is whole and in order, and the last one is the file', async () => {
  const whole = z.object({ a: z.number(), filler: z.string(), b: z.number() }).refine(({ a, b }) => a === b);
  const version = (n: number) => ({ a: n, filler: 'x'.repeat(n % 5_000), b: n });
  write(version(0));
  const settings = opens(await config.watch(file, whole));
  const seen = [settings.current];
  settings.on('invalid', (problem) => {
    throw problem;
  });
  settings.on('change', (next) => seen.push(next));
  for (let n = 1; n <= 1_000; n++) {
    replace(version(n));
    if (n % 10 === 0) await new Promise(setImmediate);
  }
  await until(
    () => settings.current.a,
    (a) => a === 1_000,
    'the last one is there',
  );
  expect(seen.at(-1)).toBe(settings.current);
  for (const [index, one] of seen.entries()) {
    expect(one.a).toBe(one.b);
    expect(one.a).toBeGreaterThan(seen[index - 1]?.a ?? -1);
    expect(Object.isFrozen(one)).toBe(true);
  }
});

test('settings are frozen to the last, but for what has a class of its own', async () => {
  write({ at: '2026-01-01', list: [{ x: 1 }] });
  const schema = z.object({ at: z.coerce.date(), list: z.array(z.object({ x: z.number() })) });
  const { current } = opens(await config.watch(file, schema));
  expect(Object.isFrozen(current.list) && Object.isFrozen(current.list[0])).toBe(true);
  expect(current.at).toBeInstanceOf(Date);
});

test('after close nothing is told, and a listener that throws keeps nobody from the next change', async () => {
  write({ limit: 1 });
  const settings = await config.watch(file, LIMITS);
  const heard: number[] = [];
  const thrown: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => thrown.push(error));
  try {
    settings.once('change', () => {
      throw new Error('of the app');
    });
    replace({ limit: 2 });
    await until(
      () => thrown.length,
      (count) => count === 1,
      'the exception is the app’s',
    );
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  settings.on('change', ({ limit }) => heard.push(limit));
  replace({ limit: 3 });
  await until(
    () => heard.length,
    (count) => count === 1,
    'the next change is heard',
  );
  const other = opens(await config.watch(file, LIMITS));
  settings.close();
  replace({ limit: 4 });
  await until(
    () => other.current.limit,
    (limit) => limit === 4,
    'another one sees it',
  );
  expect(heard).toEqual([3]);
  expect(settings.current.limit).toBe(3);
});

test.each([
  ['{"a": {"b": [1,\n 2, {"c": "}]"}]}}', ['a', 'b', 2, 'c'], 2],
  ['{\n"a\\"": 1,\n"b": 2}', ['b'], 3],
  ['{\n"a": 1}', ['missing'], 1],
  ['\n\n[1,\n2]', [1], 4],
  ['  ', [], null],
])('line of %j at %j', (text, path, line) => {
  expect(jsonLine(text, path)).toBe(line);
});
