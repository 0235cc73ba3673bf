/**
 * One value against its type in the table of keys. What is wrong is reported with the path below the value, in words
 * that say what was found and what is allowed; `undefined` comes back and the check goes on with the next value.
 */
import { parseWhen } from '../circuit/when.js';
import { parseAccount } from './account.js';
import { parseAddress } from './address.js';
import { parseDuration } from './duration.js';
import { allowed, type KeyType } from './keys.js';
import type { Path } from './problem.js';
import { isReservedVariable } from './reserved-environment.js';
import { parseSize } from './size.js';

export type Report = (below: Path, text: string) => void;

/** Of a variable of the environment. */
export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

type TypeOf<Kind extends KeyType['kind']> = Extract<KeyType, { kind: Kind }>;

/** Every kind but `tables`, whose items the document's check walks through. */
export function checkValue(type: Exclude<KeyType, { kind: 'tables' }>, value: unknown, report: Report): unknown {
  const wrong = (): undefined => report([], `${describe(value)} is not allowed: ${allowed(type)}`) as undefined;
  switch (type.kind) {
    case 'integer':
      return checkInteger(type, value, report, wrong);
    case 'texts':
      return Array.isArray(value) ? checkTexts(type, value, report) : wrong();
    case 'accounts':
      return Array.isArray(value) ? checkAccounts(value, report) : wrong();
    case 'environment':
      return isTable(value) ? checkEnvironment(value, report) : wrong();
    case 'choices':
      return Array.isArray(value) ? checkChoices(type, value, report) : wrong();
    case 'boolean':
      return typeof value === 'boolean' ? value : wrong();
    case 'duration':
      if (typeof value === 'number' || typeof value === 'bigint') return checkDuration(type, `${value}`, value, report);
      return typeof value === 'string' ? checkDuration(type, value, value, report) : wrong();
    case 'share':
      return typeof value === 'number' || typeof value === 'bigint' ? checkShare(type, value, report) : wrong();
    case 'size':
      return typeof value === 'string' ? checkSize(type, value, report, wrong) : wrong();
    case 'condition':
      return typeof value === 'string' ? checkCondition(value, report) : wrong();
    default:
      if (typeof value !== 'string' || value === '' || value.includes('\0')) return wrong();
      return checkText(type, value, report, wrong);
  }
}

/** As it would be written, if that is short. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 39)}…` : value);
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Date) return 'a date';
  return typeof value === 'object' ? 'a table' : `${value}`;
}

/** A table of TOML, which dates and lists are not. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function checkText(
  type: TypeOf<'text' | 'path' | 'program' | 'choice' | 'address'>,
  value: string,
  report: Report,
  wrong: () => undefined,
): unknown {
  switch (type.kind) {
    case 'text':
      return type.pattern.test(value) ? value : wrong();
    case 'choice':
      return type.of.includes(value) ? value : wrong();
    case 'address': {
      const address = parseAddress(value);
      if (typeof address !== 'string') return address;
      return address === '' ? wrong() : report([], `${describe(value)} is not allowed: ${address}`);
    }
    default:
      return value;
  }
}

function checkInteger(type: TypeOf<'integer'>, value: unknown, report: Report, wrong: () => undefined): unknown {
  if (type.word !== undefined && value === type.word) return value;
  if (typeof value !== 'bigint' && !Number.isInteger(value)) return wrong();
  const number = Number(value);
  if (number >= type.min && number <= type.max) return number;
  return report([], `${value} is out of range: ${allowed(type)}`);
}

function checkDuration(type: TypeOf<'duration'>, text: string, found: unknown, report: Report): unknown {
  if (/^\d+$/.test(text)) {
    return report([], `${describe(found)} has no unit: write "${text}s" for seconds or "${text}ms" for milliseconds`);
  }
  const ms = parseDuration(text);
  if (ms === null) return report([], `${describe(found)} is not allowed: ${allowed(type)}`);
  if (ms >= type.minMs && ms <= type.maxMs) return ms;
  return report([], `${describe(found)} is out of range: ${allowed(type)}`);
}

/** The thousandths: 0.57 is no number that a computer has, so it is the nearest one that counts. */
function checkShare(type: TypeOf<'share'>, value: number | bigint, report: Report): unknown {
  const thousandths = Math.round(Number(value) * 1_000);
  const isWhole = Math.abs(Number(value) * 1_000 - thousandths) < 1e-6;
  if (isWhole && thousandths >= 1 && thousandths <= 1_000) return thousandths;
  return report([], `${value} is not allowed: ${allowed(type)}`);
}

function checkSize(type: TypeOf<'size'>, value: string, report: Report, wrong: () => undefined): unknown {
  const bytes = parseSize(value);
  if (bytes === null) return wrong();
  if (bytes >= type.minBytes && bytes <= type.maxBytes) return bytes;
  return report([], `${describe(value)} is out of range: ${allowed(type)}`);
}

function checkCondition(value: string, report: Report): unknown {
  const when = parseWhen(value);
  return typeof when === 'string' ? report([], when) : value;
}

function checkTexts(type: TypeOf<'texts'>, values: readonly unknown[], report: Report): unknown {
  if (values.length < type.minItems) return report([], `an empty list is not allowed: ${allowed(type)}`);
  const bad = values.flatMap((value, index) => (isString(value, [index], report) ? [] : [index]));
  return bad.length === 0 ? values : undefined;
}

function checkChoices(type: TypeOf<'choices'>, values: readonly unknown[], report: Report): unknown {
  if (new Set(values).size < values.length) return report([], `a word is there twice: ${allowed(type)}`);
  const bad = values.flatMap((value, index) => {
    if (type.of.some((word) => word === value)) return [];
    report([index], `${describe(value)} is not allowed: ${allowed(type)}`);
    return [index];
  });
  return bad.length === 0 ? values : undefined;
}

function checkAccounts(values: readonly unknown[], report: Report): unknown {
  const accounts = values.map((value, index) => {
    if (!isString(value, [index], report)) return undefined;
    const account = parseAccount(value);
    return typeof account === 'string' ? report([index], `${describe(value)} is not allowed: ${account}`) : account;
  });
  return accounts.includes(undefined) ? undefined : accounts;
}

function checkEnvironment(table: Readonly<Record<string, unknown>>, report: Report): unknown {
  const bad = Object.entries(table).filter(([name, value]) => {
    if (!VARIABLE_NAME.test(name)) {
      report([name], 'a variable is named by letters, digits and "_", the first not a digit');
      return true;
    }
    if (isReservedVariable(name)) {
      report([name], 'this variable is set by batond or systemd and cannot be chosen');
      return true;
    }
    return !isString(value, [name], report);
  });
  return bad.length === 0 ? table : undefined;
}

function isString(value: unknown, below: Path, report: Report): value is string {
  if (typeof value === 'string') {
    if (!value.includes('\0')) return true;
    report(below, 'a NUL character is not allowed: the kernel ends the string there');
    return false;
  }
  const scalar = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
  report(below, `${describe(value)} is not a string${scalar ? `: write "${value}"` : ''}`);
  return false;
}
