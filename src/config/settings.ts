/**
 * What was said about each key, by whom, before anything is worked out: the file, then the flags over it, then the
 * defaults under both. A key whose value was refused stays as "said", so that no second message claims it is missing.
 */
import type { Account } from './account.js';
import { checkValue } from './check-value.js';
import {
  type ConfigFlags,
  flagName,
  KEY_PATHS,
  type KEYS,
  type Key,
  type KeyPath,
  type KeyType,
  keyOf,
} from './keys.js';
import { formatPath, type Place, type Problem } from './problem.js';

export interface Setting {
  /** `undefined` when it was refused. */
  readonly value: unknown;
  readonly place: Place;
  /** Of parts of the value that come from elsewhere: the variables of `env`. */
  readonly parts?: Readonly<Record<string, Place>>;
}

export type Settings = Map<KeyPath, Setting>;

type ValueOf<T extends KeyType> = T extends { kind: 'integer'; word: infer Word }
  ? number | Word
  : T extends { kind: 'integer' | 'duration' | 'size' | 'share' }
    ? number
    : T extends { kind: 'choice'; of: readonly (infer Word)[] }
      ? Word
      : T extends { kind: 'choices'; of: readonly (infer Word)[] }
        ? readonly Word[]
        : T extends { kind: 'boolean' }
          ? boolean
          : T extends { kind: 'texts' }
            ? readonly string[]
            : T extends { kind: 'environment' }
              ? Readonly<Record<string, string>>
              : T extends { kind: 'accounts' }
                ? readonly Account[]
                : T extends { kind: 'text' | 'path' | 'program' }
                  ? string
                  : unknown;

/** The checked value of each key; null where nothing was said and there is no default. */
export type Values = {
  readonly [Path in KeyPath]:
    | ValueOf<(typeof KEYS)[Path]['type']>
    | ((typeof KEYS)[Path]['default'] extends null ? null : never);
};

/** The types are those of the table: `checkValue` let no other value through. */
export function valuesOf(settings: Settings): Values {
  return Object.fromEntries(KEY_PATHS.map((path) => [path, settings.get(path)?.value ?? null])) as Values;
}

export function settingsOfFlags(flags: ConfigFlags, problems: Problem[]): Settings {
  const settings = new Map<KeyPath, Setting>();
  for (const path of KEY_PATHS) {
    const key = keyOf(path);
    const text = key.flag === undefined ? undefined : flags[key.flag.property];
    if (text === undefined || (Array.isArray(text) && text.length === 0)) continue;
    settings.set(path, settingOfFlag(path, key, text, problems));
  }
  return settings;
}

export function settingsOfDefaults(): Settings {
  const settings = new Map<KeyPath, Setting>();
  for (const path of KEY_PATHS) {
    const { type, default: written } = keyOf(path);
    if (written === null || type.kind === 'tables') continue;
    const broken = (_: unknown, text: string) => {
      throw new Error(`the default of ${path} is wrong: ${text}`);
    };
    settings.set(path, { value: checkValue(type, written, broken), place: { kind: 'default' } });
  }
  return settings;
}

/** Later ones win; the variables of `env` one by one. */
export function mergeSettings(...layers: readonly Settings[]): Settings {
  const merged = new Map<KeyPath, Setting>();
  for (const layer of layers) {
    for (const [path, setting] of layer) {
      const below = merged.get(path);
      const joins = path === 'env' && below?.value !== undefined && setting.value !== undefined;
      merged.set(path, joins ? joinEnvironments(below, setting) : setting);
    }
  }
  return merged;
}

function joinEnvironments(below: Setting, above: Setting): Setting {
  // Never by assignment: __proto__ is a name like any other.
  const join = (a: unknown, b: unknown) => Object.fromEntries([...Object.entries(a ?? {}), ...Object.entries(b ?? {})]);
  return { value: join(below.value, above.value), place: above.place, parts: join(below.parts, above.parts) };
}

function settingOfFlag(path: KeyPath, key: Key, text: string | readonly string[], problems: Problem[]): Setting {
  const flag = flagName(key);
  const place: Place = { kind: 'flag', flag };
  const report = (flagText: string, problem: string): undefined => {
    problems.push({ place: { kind: 'flag', flag: flagText }, key: path, text: problem });
  };
  if (key.type.kind === 'tables') throw new Error(`${path} cannot have a flag`);
  const written =
    key.type.kind === 'environment'
      ? splitVariables(text, (problem) => report(flag, problem))
      : asWritten(key.type, text);
  const value = checkValue(key.type, written, (below, problem) =>
    report(below.length === 0 ? flag : `${flag} ${formatPath(below)}`, problem),
  );
  if (key.type.kind !== 'environment') return { value, place };
  return { value, place, parts: Object.fromEntries(Object.keys(written as object).map((name) => [name, place])) };
}

function asWritten(type: KeyType, text: string | readonly string[]): unknown {
  return type.kind === 'integer' && typeof text === 'string' && /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

function splitVariables(pairs: string | readonly string[], report: (problem: string) => void): Record<string, string> {
  const variables = new Map<string, string>();
  for (const pair of [pairs].flat()) {
    const at = pair.indexOf('=');
    if (at < 1) report(`${JSON.stringify(pair)} is not allowed: KEY=VALUE`);
    else variables.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return Object.fromEntries(variables);
}
