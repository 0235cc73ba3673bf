/**
 * What was run and what was tried, in the state directory: replaced by rename, the last hundred attempts kept. It tells
 * more than the list of good releases: which generation was which release, and what became of it.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Release } from '../release/release.js';
import { isCount, isListOf, isNullOr, isNumber, isOneOf, isShape, isText } from '../shape.js';
import type { AttemptKind } from './attempt.js';
import { isAttemptKind, isRelease } from './check-snapshot.js';

const HISTORY_VERSION = 1;

export const KEPT_ATTEMPTS = 100;

export type AttemptVerdict =
  | 'serving'
  /** It served, until another release did. */
  | 'replaced'
  /** It served, until it was given up for one of before. */
  | 'rolledBack'
  /** It never served. */
  | 'refused';

export interface HistoryEntry {
  /** Null where none was started. */
  readonly generation: number | null;
  readonly kind: AttemptKind;
  /** Null where it could not even be resolved. */
  readonly release: Release | null;
  /** The folder of the release, resolved; null where even that is not known. */
  readonly root: string | null;
  /** Milliseconds since the epoch: when it began to serve, or was refused. */
  readonly at: number;
  /** What that took. */
  readonly durationMs: number;
  verdict: AttemptVerdict;
  /** Why it was refused. */
  readonly code: string | null;
  readonly message: string;
}

const isHistoryFile = isShape<{ version: number; entries: HistoryEntry[] }>({
  version: isOneOf(HISTORY_VERSION),
  entries: isListOf(
    isShape<HistoryEntry>({
      generation: isNullOr(isCount),
      kind: isAttemptKind,
      release: isNullOr(isRelease),
      root: isNullOr(isText),
      at: isNumber,
      durationMs: isNumber,
      verdict: isOneOf('serving', 'replaced', 'rolledBack', 'refused'),
      code: isNullOr(isText),
      message: isText,
    }),
  ),
});

/** The oldest first. Empty where there is no file; throws what reading or parsing it throws. */
export function readHistory(path: string): HistoryEntry[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const value: unknown = JSON.parse(text);
  if (!isHistoryFile(value)) throw new Error(`${path} has a format that this version does not know`);
  return (value as { entries: HistoryEntry[] }).entries;
}

/** Its readers may learn what the environment of a release holds: it is its owner's alone. */
export function writeHistory(path: string, entries: readonly HistoryEntry[]): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const next = `${path}.${process.pid}`;
  const value = { version: HISTORY_VERSION, entries: entries.slice(-KEPT_ATTEMPTS) };
  writeFileSync(next, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(next, path);
}
