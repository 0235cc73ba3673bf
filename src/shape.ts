/**
 * Says whether a value that was read from outside (a file, a message of another version) is what a type says. A check
 * is made of smaller ones; that of an object has a row for each field of the type, so the compiler asks for the row of
 * a new field. Unknown fields are allowed: a newer batond may have written them.
 */

export type Check = (value: unknown) => boolean;

export const isText: Check = (value) => typeof value === 'string';
export const isFlag: Check = (value) => typeof value === 'boolean';
export const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
/** Any finite number, such as milliseconds of a clock. */
export const isNumber: Check = (value) => Number.isFinite(value);

/** "12": a key of an object that is a number. */
const COUNT = /^(0|[1-9]\d{0,14})$/;
export const isCountText: Check = (value) => typeof value === 'string' && COUNT.test(value);

export const isOneOf = (...values: readonly (string | number)[]): Check => {
  const known = new Set<unknown>(values);
  return (value) => known.has(value);
};

export const isNullOr =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

/** A field that an older batond did not write. */
export const isAbsentOr =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

export const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

/** An object whose keys are data. */
export const isMapOf =
  (check: Check, key: Check = isText): Check =>
  (value) =>
    isObject(value) && Object.entries(value).every(([name, part]) => key(name) && check(part));

export function isShape<T extends object>(fields: { readonly [Field in keyof Required<T>]: Check }): Check {
  const rows = Object.entries(fields) as [string, Check][];
  return (value) => isObject(value) && rows.every(([name, check]) => check(value[name]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
