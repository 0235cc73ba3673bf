/**
 * What was run and what was tried, in the state directory: replaced by rename, the last hundred attempts kept. It tells
 * more than the list of good releases: which generation was which release, and what became of it.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Release } from '../release/release.js';

const HISTORY_VERSION = 1;

export const KEPT_ATTEMPTS = 100;

/** What was asked for: 'watch' is a reload because release.current was moved, 'regret' one that nobody asked for. */
export type AttemptKind = 'start' | 'reload' | 'watch' | 'rollback' | 'regret';

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

/** The oldest first. Empty where there is no file; throws what reading or parsing it throws. */
export function readHistory(path: string): HistoryEntry[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const { version, entries } = JSON.parse(text) as { version: number; entries: HistoryEntry[] };
  if (version !== HISTORY_VERSION || !Array.isArray(entries)) {
    throw new Error(`${path} has a format that this version does not know`);
  }
  return entries;
}

/** Its readers may learn what the environment of a release holds: it is its owner's alone. */
export function writeHistory(path: string, entries: readonly HistoryEntry[]): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const next = `${path}.${process.pid}`;
  const value = { version: HISTORY_VERSION, entries: entries.slice(-KEPT_ATTEMPTS) };
  writeFileSync(next, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(next, path);
}
