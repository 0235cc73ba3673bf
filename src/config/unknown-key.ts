/**
 * What to say about a key that nobody knows: the key that was meant, or the table that it belongs to, which is the
 * usual mistake in TOML, where a key below a header is part of that table.
 */
import { KEY_PATHS } from './keys.js';

/** `known` are the keys of the same table; `name` is the last part of the path. */
export function describeUnknownKey(table: string, name: string, known: readonly string[]): string {
  const similar = nearest(name, known);
  if (similar !== null && distance(name, similar) < 2) return `unknown key; did you mean ${similar}?`;
  const elsewhere = KEY_PATHS.find((path) => path !== `${table}.${name}` && path.split('.').at(-1) === name);
  if (elsewhere !== undefined) return `unknown key; ${homeOf(elsewhere)}`;
  if (similar !== null) return `unknown key; did you mean ${similar}?`;
  return `unknown key; known ${table === '' ? 'at the top' : 'here'} are ${known.join(', ')}`;
}

function homeOf(path: string): string {
  const table = path.split('.').slice(0, -1).join('.');
  return table === '' ? 'it belongs to the top of the file, before the first table' : `it belongs to [${table}]`;
}

/** The most similar word, unless even that differs in more than a third of its letters. */
function nearest(word: string, candidates: readonly string[]): string | null {
  const [best] = [...candidates].sort((a, b) => distance(word, a) - distance(word, b));
  if (best === undefined) return null;
  return distance(word, best) <= Math.max(1, Math.floor(Math.max(word.length, best.length) / 3)) ? best : null;
}

/** Insertions, deletions, replacements and swaps of neighbours; `-` for `_` and capitals cost nothing. */
function distance(from: string, to: string): number {
  const a = from.toLowerCase().replaceAll('-', '_').slice(0, 64);
  const b = to;
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...new Array<number>(b.length).fill(0)]);
  const cell = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = cell(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(cell(i - 1, j) + 1, cell(i, j - 1) + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, cell(i - 2, j - 2) + 1);
      rows[i]![j] = best;
    }
  }
  return cell(a.length, b.length);
}
