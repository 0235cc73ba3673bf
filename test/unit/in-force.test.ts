/** What of a changed configuration is in force at once: every key says so, and is taken at its word. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.js';
import { inForce, PLACES } from '../../src/config/in-force.js';
import { KEY_PATHS, KEYS, type Key, type KeyPath, type KeyType, keyOf } from '../../src/config/keys.js';
import { loadConfig } from '../../src/config/load.js';
import { describePending } from '../../src/config/pending-words.js';

const folder = mkdtempSync(join(tmpdir(), 'batond-in-force-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Two values of each kind, as one writes them; neither is a default. */
const SAMPLES: Readonly<Record<KeyType['kind'], readonly [string, string]>> = {
  text: ['"/one"', '"/other"'],
  path: ['"one.js"', '"other.js"'],
  program: ['"/bin/sh"', '"/bin/cat"'],
  integer: ['3', '4'],
  duration: ['"7s"', '"8s"'],
  size: ['"3MiB"', '"4MiB"'],
  share: ['0.25', '0.5'],
  choice: ['', ''],
  choices: ['["heap"]', '["report"]'],
  boolean: ['true', 'false'],
  texts: ['["/bin/one"]', '["/bin/other"]'],
  environment: ['{ A = "1" }', '{ A = "2" }'],
  accounts: ['["user:0"]', '["group:0"]'],
  address: ['"7001"', '"7002"'],
  condition: ['"errors>5% for 3s"', '"errors>6% for 3s"'],
  tables: ['', ''],
};

const OTHERWISE: Partial<Record<KeyPath, readonly [string, string]>> = {
  name: ['"one"', '"other"'],
  'upgrade.soak': ['"7s"', '"8s"'],
  'upgrade.canary': ['[{ weight = 0.1, for = "1s" }]', '[{ weight = 0.2, for = "1s" }]'],
  'upgrade.freeze': ['[{ from = "22:00", to = "23:00" }]', '[{ from = "22:00", to = "23:30" }]'],
  'healing.rule': ['[{ status = 7, action = "retry" }]', '[{ status = 8, action = "retry" }]'],
  degrade: ['[{ when = "errors>5% for 3s", weight = 20 }]', '[{ when = "errors>5% for 3s", weight = 30 }]'],
  listener: ['[{ name = "http", address = "7003" }]', '[{ name = "http", address = "7004" }]'],
  'service.process': ['[{ name = "queue", entry = "one.js" }]', '[{ name = "queue", entry = "other.js" }]'],
  'restart.delay_max': ['"20s"', '"30s"'],
};

/** What else has to be said for the key to mean something. */
const BESIDE: Partial<Record<KeyPath, string>> = {
  command: '',
  'release.public_key': 'directory = "/srv/shop"\nrelease.verify = "signature"',
  'release.revert': 'release.current = "/srv/shop/current"',
};

function samplesOf(path: KeyPath): readonly [string, string] {
  const { type } = keyOf(path);
  const special = OTHERWISE[path];
  if (special !== undefined) return special;
  if (/\.status$/.test(path)) return ['"200"', '"200-299"'];
  if (/\.check$/.test(path)) return ['"db"', '"cache"'];
  if (type.kind === 'choice') return [JSON.stringify(type.of[0]), JSON.stringify(type.of[1])];
  return SAMPLES[type.kind];
}

function besideOf(path: KeyPath): string {
  const [, probe, part] = /^probe\.(\w+)\.(\w+)$/.exec(path) ?? [];
  if (probe !== undefined && !['path', 'check', 'notify'].includes(part!)) return `probe.${probe}.path = "/p"\n`;
  return `${BESIDE[path] ?? ''}\n`;
}

function configOf(lines: string): Config {
  writeFileSync(join(folder, 'batond.toml'), lines);
  return loadConfig({ cwd: folder, configFile: 'batond.toml', flags: {}, cores: 1 });
}

const configWith = (path: KeyPath, value: string): Config => {
  const isProgram = ['entry', 'command'].includes(path) || path.endsWith('.notify');
  const named = path === 'name' ? '' : 'name = "shop"\n';
  const program = !isProgram ? 'entry = "server.js"\n' : path === 'entry' ? '' : '';
  const isNone = value === 'false' && path.endsWith('.notify');
  const notifies = path.endsWith('.notify') ? 'command = ["/bin/true"]\n' : '';
  return configOf(`${named}${program}${notifies}${besideOf(path)}${isNone ? '' : `${path} = ${value}`}\n`);
};

const at = (config: Config, place: string) =>
  place.split('.').reduce<unknown>((value, part) => (value as Record<string, unknown> | null)?.[part], config);

describe('each key', () => {
  const tables = (type: KeyType): Key[] => (type.kind === 'tables' ? Object.values(type.keys) : []);

  test('says how a change of it comes into force, those of tables too', () => {
    for (const path of KEY_PATHS) {
      for (const { applies } of [keyOf(path), ...tables(KEYS[path].type)]) {
        expect(['live', 'reload', 'restart'], path).toContain(applies);
      }
    }
  });

  test.each(KEY_PATHS)('%s does what it says', (path) => {
    const [one, other] = samplesOf(path);
    const [before, next] = [configWith(path, one), configWith(path, other)];
    const place = PLACES[path];
    expect(at(before, place), `${path} has its value at ${place}`).not.toEqual(at(next, place));
    const { config, changed, pending } = inForce(before, next);
    expect(Object.isFrozen(config) && Object.isFrozen(config.upgrade)).toBe(true);
    const { applies } = keyOf(path);
    if (applies === 'live') {
      expect(config).toEqual(next);
      expect(changed.some((key) => path.startsWith(key))).toBe(true);
      expect(pending).toEqual([]);
    } else {
      expect(config).toEqual(before);
      expect(changed).toEqual([]);
      // Where a path is relative to what was changed, it is another one too.
      expect(pending.some(({ key }) => path.startsWith(key))).toBe(true);
      for (const { needs } of pending) expect(needs).toBe(applies);
    }
  });
});

describe('a change', () => {
  const base = 'name = "shop"\nentry = "server.js"\n';

  test('of several keys brings those that apply live, and names the others', () => {
    const before = configOf(base);
    const next = configOf(`${base}workers = 3\nenv = { A = "1" }\nargs = ["-x"]\n[upgrade]\nprobe = "/p"\n`);
    const { config, changed, pending } = inForce(before, next);
    expect(config).toMatchObject({ workers: 3, env: {}, upgrade: { probe: '/p' } });
    expect(changed).toEqual(['workers', 'upgrade.probe']);
    expect(pending).toEqual([
      { key: 'args', needs: 'reload' },
      { key: 'env', needs: 'reload' },
    ]);
    expect(describePending(pending)).toBe('Of the configuration args and env come into force with the next reload.');
    // What is pending stays so until a reload, whatever else is changed.
    expect(inForce(config, next)).toMatchObject({ changed: [], pending });
  });

  test('of the workers of a process comes at once, of anything else of it with a reload', () => {
    const process = (more: string) =>
      configOf(`${base}[[service.process]]\nname = "queue"\nentry = "queue.js"\n${more}`);
    const next = process('workers = 3\nargs = ["-x"]\n');
    const { config, changed, pending } = inForce(process(''), next);
    expect(config.processes).toMatchObject([{ name: 'queue', workers: 3, program: { args: [] } }]);
    expect(changed).toEqual(['service.process.workers']);
    expect(pending).toEqual([{ key: 'service.process', needs: 'reload' }]);
    expect(inForce(configOf(base), process('')).pending).toEqual([{ key: 'service.process', needs: 'reload' }]);
  });

  test('from an entry to a command is one', () => {
    const { pending } = inForce(configOf(base), configOf('name = "shop"\ncommand = ["/bin/true"]\n'));
    expect(pending.map(({ key }) => key)).toEqual(['command', 'ready']);
  });

  test('is told of a config that an older batond has put on record, without what is new', () => {
    const next = configOf(base);
    const { health: _h, probes: _p, admission: _a, soak: _s, ...old } = next;
    expect(inForce(old as Config, next).config).toEqual(next);
  });
});
