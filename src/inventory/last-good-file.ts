/**
 * The last good configuration: what the generation that was committed last runs with, in the state directory, for a start
 * whose configuration is refused. Sealed, replaced by rename, and synced, since it is read after a crash of the machine
 * too. It holds the environment of the service and is for its user alone.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isConfig } from '../config/check-config.js';
import type { Config } from '../config/config.js';
import type { Release } from '../release/release.js';
import { isNumber, isShape } from '../shape.js';
import { isRelease } from './check-snapshot.js';
import { sealText, unsealText } from './sealed-text.js';

const LAST_GOOD_VERSION = 1;

export interface LastGood {
  readonly config: Config;
  readonly release: Release;
  /** When it was committed, in milliseconds since the epoch. */
  readonly at: number;
}

const isLastGood = isShape<LastGood>({ config: isConfig, release: isRelease, at: isNumber });

/** Null where there is none that can be trusted. Never throws: the error that made somebody look is what counts. */
export function readLastGood(path: string): LastGood | null {
  try {
    const { text } = unsealText(LAST_GOOD_VERSION, readFileSync(path, 'utf8'));
    const value: unknown = text === null ? null : JSON.parse(text);
    return isLastGood(value) ? (value as LastGood) : null;
  } catch {
    return null;
  }
}

/** Throws what writing throws; what stood there before then stays. */
export function writeLastGood(path: string, lastGood: LastGood): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const next = `${path}.next`;
  const fd = openSync(next, 'w', 0o600);
  try {
    writeFileSync(fd, sealText(LAST_GOOD_VERSION, JSON.stringify(lastGood)));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, path);
}
