/** batond.toml: whatever stands in it becomes a frozen config, or an error that says where to look. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect } from 'vitest';
import { allowed, KEY_PATHS, type Key, keyOf, LISTENER_KEYS, PROCESS_KEYS, RULE_KEYS } from '../../src/config/keys.js';
import { readConfig } from '../../src/config/load.js';
import { renderConfig } from '../../src/config/render.js';
import { BatondError } from '../../src/errors.js';
import { fuzz } from './fuzz.js';
import { damaged, text } from './messages.js';

const root = mkdtempSync(join(tmpdir(), 'batond-fuzz-'));
const cwd = join(root, 'shop');
mkdirSync(cwd);
afterAll(() => rmSync(root, { recursive: true }));

/** Numbers, durations and texts at the borders of all keys, and the wrong kinds. */
const literal = fc.oneof(
  fc.constantFrom('0', '1', '-1', '256', '257', '65535', '65536', '1.0', '1e3', 'nan', 'inf', '0x10', '1_000'),
  fc.constantFrom('9223372036854775807', '9223372036854775808', 'true', 'false', '1979-05-27', '07:32:00'),
  fc.constantFrom('"0s"', '"1ms"', '"24h"', '"24h1ms"', '"1m30s"', '"1.5s"', '"99999999999999h"', '"-1s"', '""'),
  fc.constantFrom(
    '"auto"',
    '"listen"',
    '"notify"',
    '"/health"',
    '"a.js"',
    '"8080"',
    '"[::1]:80"',
    '"@shop"',
    '"\\u0000"',
  ),
  fc.constantFrom('[]', '["a"]', '["a", 1]', '[[]]', '{}', '{ A = "b" }', '{ A = 1 }', "'''\n'''"),
  fc.bigInt().map(String),
  fc.double().map(String),
  text.map((value) => JSON.stringify(value)),
);
const itemKeys = [...Object.keys(LISTENER_KEYS), ...Object.keys(RULE_KEYS), ...Object.keys(PROCESS_KEYS)];
/** Values that some key takes, so that whole items come together. */
const taken = fc.constantFrom('7', '"SIGHUP"', '"oom"', '"retry"', '"keep"', '"2s"', '"http"', '"@shop"');
const line = fc.oneof(
  fc.tuple(fc.constantFrom(...KEY_PATHS), literal).map(([key, value]) => `${key} = ${value}`),
  fc.constantFrom(...new Set(KEY_PATHS.flatMap((key) => (key.includes('.') ? [`[${key.split('.')[0]}]`] : [])))),
  fc.constantFrom(
    '[env]',
    '[[listener]]',
    '[listener]',
    '[[healing.rule]]',
    '[[service.process]]',
    '[healing]',
    '[a.b.c]',
    '# no more',
    '',
    '[[upgrade]]',
  ),
  fc
    .tuple(fc.constantFrom('A', 'a b', '"x.y"', 'PATH', 'LISTEN_FDS', '__proto__'), literal)
    .map(([k, v]) => `${k} = ${v}`),
  fc.tuple(fc.constantFrom(...itemKeys), fc.oneof(taken, literal)).map(([key, value]) => `${key} = ${value}`),
  fc.tuple(text, literal).map(([key, value]) => `${JSON.stringify(key)} = ${value}`),
);
const document = fc.array(line, { maxLength: 8 }).map((lines) => ['entry = "a.js"', ...lines].join('\n'));

const load = (bytes: Buffer | string) => {
  writeFileSync(join(cwd, 'batond.toml'), bytes);
  return readConfig({ cwd, configFile: 'batond.toml', flags: {}, cores: 4 });
};

function judge(bytes: Buffer | string): void {
  let loaded: ReturnType<typeof load>;
  try {
    loaded = load(bytes);
  } catch (error) {
    if (!(error instanceof BatondError)) throw error;
    expect(['CONFIG_INVALID', 'CONFIG_UNREADABLE']).toContain(error.code);
    const { file, problems = [] } = error.facts as {
      file: string;
      problems?: { file?: string; line?: number | null }[];
    };
    // Each is in the file, by a line that is there, or about something that the file lacks.
    if (error.code === 'CONFIG_UNREADABLE' || problems[0]?.file !== undefined) expect(file).toBe('batond.toml');
    const lines = bytes.toString().split('\n').length;
    for (const { line: at } of problems) if (at != null) expect(at >= 1 && at <= lines).toBe(true);
    return;
  }
  expectFrozen(loaded.config);
  renderConfig(loaded);
}

function expectFrozen(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  expect(Object.isFrozen(value)).toBe(true);
  for (const part of Object.values(value)) expectFrozen(part);
}

fuzz('config: lines of all keys', document, judge, { share: 0.1 });
fuzz('config: a damaged document', damaged(document), judge, { share: 0.1 });
fuzz('config: any bytes', fc.uint8Array({ maxLength: 300 }).map(Buffer.from), judge, { share: 0.1 });

/** Limits of a key, and what lies beside them. */
const bordered = KEY_PATHS.flatMap((key): [string, string, boolean][] => {
  const { type } = keyOf(key) as Key;
  if (type.kind === 'integer') {
    const rows: [number, boolean][] = [
      [type.min, true],
      [type.min - 1, false],
      [type.max, true],
      [type.max + 1, false],
    ];
    return rows.map(([value, fits]) => [key, String(value), fits]);
  }
  if (type.kind !== 'duration') return [];
  return [
    [key, `"${type.minMs}ms"`, true],
    [key, `"${type.minMs - 1}ms"`, false],
    [key, `"${type.maxMs}ms"`, true],
    [key, `"${type.maxMs + 1}ms"`, false],
  ];
});

fuzz(
  'config: the borders of each key',
  fc.constantFrom(...bordered),
  ([key, value, fits]) => {
    // The longest pause may not be shorter than the first.
    const beside =
      key === 'restart.delay'
        ? 'restart.delay_max = "24h"\n'
        : key === 'restart.delay_max'
          ? 'restart.delay = "0s"\n'
          : key.startsWith('probe.')
            ? // A probe has to ask for something.
              `${key.split('.').slice(0, 2).join('.')}.path = "/"\n`
            : '';
    const attempt = () => load(`entry = "a.js"\n${beside}${key} = ${value}\n`);
    if (fits) attempt();
    else expect(attempt).toThrow(allowed((keyOf(key as never) as Key).type));
  },
  { share: 0.02 },
);
