/**
 * What outlives the service: the releases that were committed and the last verdict, in the state directory. Replaced by
 * rename, so that a reader sees the old or the new one; a file that cannot be understood counts as none.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isOutcome } from '../control/check-line.js';
import type { ReloadOutcome } from '../control/messages.js';
import type { Release } from '../release/release.js';
import { isAbsentOr, isListOf, isNullOr, isOneOf, isShape } from '../shape.js';
import { isRelease } from './check-snapshot.js';

const STATE_VERSION = 1;

export interface State {
  readonly good: readonly Release[];
  readonly lastReload: ReloadOutcome | null;
}

const isStateFile = isShape<State & { version: number }>({
  version: isOneOf(STATE_VERSION),
  good: isListOf(isRelease),
  lastReload: isAbsentOr(isNullOr(isOutcome)),
});

/** Returns null where there is none; throws what reading or parsing it throws. */
export function readState(path: string): State | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const value: unknown = JSON.parse(text);
  if (!isStateFile(value)) throw new Error(`${path} has a format that this version does not know`);
  const { good, lastReload } = value as State;
  return { good, lastReload: lastReload ?? null };
}

export function writeState(path: string, state: State): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const next = `${path}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify({ version: STATE_VERSION, ...state }, null, 2)}\n`, { mode: 0o600 });
  renameSync(next, path);
}
