/**
 * The JSON Schema (draft 2020-12) of batond.toml, for editors: made from the table of keys, so it knows every key. It
 * accepts whatever batond accepts. What batond refuses beyond it is what no schema can say: the length of a duration, a
 * user that this machine does not have, an address that two listeners claim.
 */
import { ACCOUNT_SHAPE } from './account.js';
import { TCP_SHAPE } from './address.js';
import { VARIABLE_NAME } from './check-value.js';
import { ONLY_OF_ENTRIES } from './cross-checks.js';
import { DURATION_SHAPE } from './duration.js';
import { allowed, KEYS, type Key, type KeyType } from './keys.js';
import { RESERVED_PREFIX, RESERVED_VARIABLES } from './reserved-environment.js';
import { SIZE_SHAPE } from './size.js';

export type Schema = Readonly<Record<string, unknown>>;

export function configSchema(): Schema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'batond.toml',
    description: 'The configuration of a service that batond runs.',
    ...tableOf(Object.entries(KEYS)),
    dependentSchemas: { command: withoutThoseOfEntries() },
  };
}

type Entry = readonly [path: string, key: Key];

/** Keys with a dot in their path are in a table of their own, and so on below it. */
function tableOf(entries: readonly Entry[]): Schema {
  const properties: Record<string, Schema> = {};
  for (const [path, key] of entries) {
    const [name = '', ...below] = path.split('.');
    if (below.length === 0) properties[name] = keySchema(key);
    else if (properties[name] === undefined) properties[name] = tableOf(entriesBelow(entries, `${name}.`));
  }
  const required = entries.filter(([, key]) => key.required).map(([path]) => path);
  return {
    type: 'object',
    properties,
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

const entriesBelow = (entries: readonly Entry[], prefix: string): Entry[] =>
  entries.filter(([path]) => path.startsWith(prefix)).map(([path, key]) => [path.slice(prefix.length), key]);

function keySchema({ type, default: otherwise, about }: Key): Schema {
  const description = type.kind === 'tables' ? about : `${about}\nAllowed: ${allowed(type)}.`;
  return { description, ...(otherwise === null ? {} : { default: otherwise }), ...typeSchema(type) };
}

/** A kind that no schema can say more of than its description takes anything. */
function typeSchema(type: KeyType): Schema {
  switch (type.kind) {
    case 'text':
      return textLike(type.pattern);
    case 'path':
    case 'program':
      return { ...TEXT, minLength: 1 };
    case 'integer': {
      const integer = { type: 'integer', minimum: type.min, maximum: type.max };
      return type.word === undefined ? integer : { anyOf: [integer, { const: type.word }] };
    }
    case 'duration': {
      // Zero is said in many ways, and a pattern sees no more than that no digit is another.
      const some = type.minMs === 0 ? {} : { allOf: [{ pattern: '[1-9]' }] };
      return { ...textLike(DURATION_SHAPE), minLength: 1, ...some };
    }
    case 'size':
      return { ...textLike(SIZE_SHAPE), allOf: [{ pattern: '[1-9]' }] };
    case 'choice':
      return { enum: type.of };
    case 'choices':
      return { type: 'array', items: { enum: type.of }, uniqueItems: true };
    case 'boolean':
      return { type: 'boolean' };
    case 'texts':
      return { type: 'array', items: TEXT, minItems: type.minItems };
    case 'environment':
      return { type: 'object', propertyNames: VARIABLE, additionalProperties: TEXT };
    case 'accounts':
      return { type: 'array', items: textLike(ACCOUNT_SHAPE) };
    case 'address':
      return { type: 'string', anyOf: [{ pattern: '^/.*[^/]$' }, { pattern: '^@.*[^/]$' }, textLike(TCP_SHAPE)] };
    case 'condition':
      return { ...TEXT, minLength: 1 };
    case 'share':
      // Thousandths: a validator that reckons with binary fractions takes 0.57 for none, so there is no multipleOf.
      return { type: 'number', minimum: 0.001, maximum: 1 };
    case 'tables':
      return { type: 'array', items: tableOf(Object.entries(type.keys)), maxItems: type.maxItems };
  }
}

const textLike = (pattern: RegExp): Schema => ({ type: 'string', pattern: pattern.source });

/** The kernel ends a string at a NUL character. */
const TEXT: Schema = { type: 'string', pattern: '^[^\\u0000]*$' };

const VARIABLE: Schema = {
  pattern: VARIABLE_NAME.source,
  not: { anyOf: [{ enum: [...RESERVED_VARIABLES] }, { pattern: `^${RESERVED_PREFIX}` }] },
};

/** Beside a command those keys have nothing to say; `false` is the schema of what may not be there. */
function withoutThoseOfEntries(): Schema {
  const properties: Record<string, unknown> = { entry: false, ready: { const: 'notify' } };
  for (const path of ONLY_OF_ENTRIES.keys()) {
    const names = path.split('.');
    const last = names.pop()!;
    let table = properties;
    for (const name of names) {
      table[name] ??= { properties: {} };
      table = (table[name] as { properties: Record<string, unknown> }).properties;
    }
    table[last] = false;
  }
  return { properties };
}
