/**
 * A TOML document against the table of keys: every key known, every value of its type. It goes through the whole
 * document whatever it finds, since all mistakes are reported at once.
 */
import { checkValue, describe, isTable } from './check-value.js';
import { KEY_PATHS, type Key, type KeyPath, type KeyType, keyOf } from './keys.js';
import { formatPath, type Path, type Place, type Problem } from './problem.js';
import type { TomlDocument } from './read-toml.js';
import type { Setting, Settings } from './settings.js';
import { describeUnknownKey } from './unknown-key.js';

export function settingsOfDocument(document: TomlDocument, problems: Problem[]): Settings {
  const settings = new Map<KeyPath, Setting>();
  const report = (path: Path, text: string): undefined => {
    problems.push({ place: document.placeOf(path), key: formatPath(path), text });
  };

  const checkTable = (table: Readonly<Record<string, unknown>>, path: readonly string[]): void => {
    for (const [name, value] of Object.entries(table)) {
      const below = [...path, name];
      const keyPath = below.join('.');
      if (isKeyPath(keyPath)) settings.set(keyPath, checkSetting(document, keyPath, below, value, report));
      else if (!isTablePath(keyPath)) report(below, describeUnknownKey(path.join('.'), name, knownIn(path)));
      else if (isTable(value)) checkTable(value, below);
      else report(below, `${describe(value)} is not a table: write [${keyPath}]`);
    }
  };

  checkTable(document.root, []);
  return settings;
}

function checkSetting(document: TomlDocument, keyPath: KeyPath, path: Path, value: unknown, report: ReportAt): Setting {
  const { type } = keyOf(keyPath);
  const place = document.placeOf(path);
  if (type.kind === 'tables') return { value: checkTables(type, value, path, report), place };
  const checked = checkValue(type, value, (below, text) => report([...path, ...below], text));
  if (type.kind !== 'environment' || !isTable(checked)) return { value: checked, place };
  const parts = Object.keys(checked).map((name): [string, Place] => [name, document.placeOf([...path, name])]);
  return { value: checked, place, parts: Object.fromEntries(parts) };
}

type Tables = Extract<KeyType, { kind: 'tables' }>;
type ReportAt = (path: Path, text: string) => void;

/** Of one kind, unless the table of keys says less. */
const MAX_TABLES = 256;

/** The tables as plain objects with every default filled in; undefined when one of them is wrong. */
function checkTables({ keys, maxItems = MAX_TABLES }: Tables, value: unknown, path: Path, report: ReportAt): unknown {
  if (!Array.isArray(value) || !value.every(isTable)) {
    report(path, `${describe(value)} is not a list of tables: write [[${formatPath(path)}]]`);
    return undefined;
  }
  if (value.length > maxItems) {
    report(path, `${value.length} tables are too many: at most ${maxItems}`);
    return undefined;
  }
  const tables = value.map((table, index) => checkItem(keys, table, [...path, index], report));
  return tables.includes(undefined) ? undefined : tables;
}

function checkItem(
  keys: Readonly<Record<string, Key>>,
  table: Readonly<Record<string, unknown>>,
  path: Path,
  report: ReportAt,
) {
  let sound = true;
  const item: Record<string, unknown> = {};
  const fail: ReportAt = (at, text) => {
    sound = false;
    report(at, text);
  };
  for (const name of Object.keys(table)) {
    if (!Object.hasOwn(keys, name)) fail([...path, name], describeUnknownKey(tableOf(path), name, Object.keys(keys)));
  }
  for (const [name, key] of Object.entries(keys)) {
    const written = table[name] ?? key.default;
    if (key.required && table[name] === undefined) fail([...path, name], 'it is missing');
    else if (written === null) item[name] = null;
    else if (key.type.kind !== 'tables')
      item[name] = checkValue(key.type, written, (below, text) => fail([...path, name, ...below], text));
  }
  return sound ? item : undefined;
}

/** "healing.rule" of the item at ["healing", "rule", 0]. */
function tableOf(path: Path): string {
  return path.slice(0, -1).join('.');
}

function isKeyPath(path: string): path is KeyPath {
  return (KEY_PATHS as readonly string[]).includes(path);
}

function isTablePath(path: string): boolean {
  return KEY_PATHS.some((key) => key.startsWith(`${path}.`));
}

/** The keys and tables that may stand in a table. */
function knownIn(table: readonly string[]): string[] {
  const prefix = table.map((part) => `${part}.`).join('');
  const inside = KEY_PATHS.filter((key) => key.startsWith(prefix)).map(
    (key) => key.slice(prefix.length).split('.')[0] ?? '',
  );
  return [...new Set(inside)];
}
