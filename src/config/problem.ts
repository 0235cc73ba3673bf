/**
 * What is wrong with a config, gathered: a person who mends a file wants to see every mistake at once, each in one line
 * that an editor can jump to.
 */
import { BatondError } from '../errors.js';

export type Path = readonly (string | number)[];

/** Where a value was written. */
export type Place =
  | { readonly kind: 'file'; readonly file: string; readonly line: number | null; readonly column: number | null }
  | { readonly kind: 'flag'; readonly flag: string }
  | { readonly kind: 'default' };

export interface Problem {
  readonly place: Place;
  /** "upgrade.ready_timeout", or null where it is about no single key. */
  readonly key: string | null;
  readonly text: string;
}

/** Throws CONFIG_INVALID when there is a problem; those of the file come in the order of its lines, then the flags. */
export function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const sorted = [...problems].sort((a, b) => rank(a.place) - rank(b.place));
  const [first] = sorted as [Problem];
  const { file, line, column } = first.place.kind === 'file' ? first.place : NOWHERE;
  throw new BatondError('CONFIG_INVALID', {
    file,
    line,
    column,
    key: first.key,
    problem: sorted.map(formatProblem).join('\n'),
    problems: sorted.map(({ place, key, text }) => ({ ...place, key, text })),
  });
}

/** "batond.toml:7", "--workers", "default". */
export function formatPlace(place: Place): string {
  if (place.kind === 'flag') return place.flag;
  if (place.kind === 'default') return 'default';
  return place.line === null ? place.file : `${place.file}:${place.line}`;
}

/** "listener[0].address"; a key that must be quoted in TOML is quoted here. */
export function formatPath(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      const name = /^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part);
      return index === 0 ? name : `.${name}`;
    })
    .join('');
}

const NOWHERE = { file: null, line: null, column: null };

function rank(place: Place): number {
  return place.kind === 'file' ? (place.line ?? 0) : Number.POSITIVE_INFINITY;
}

function formatProblem({ place, key, text }: Problem): string {
  if (place.kind === 'default') return text;
  // A flag is its own key, and a key is found without its column; a slip in the syntax is not.
  if (place.kind === 'flag') return `${place.flag}: ${text}`;
  if (key !== null) return `${formatPlace(place)}: ${key}: ${text}`;
  return `${formatPlace(place)}${place.column === null ? '' : `:${place.column}`}: ${text}`;
}
