/**
 * The live state: the snapshot as a file in the runtime directory, for the supervisor that comes after one that died.
 * Two lines: a seal (version and checksum), and the state. Replaced by rename, so that a reader sees the old or
 * the new one; whatever is wrong with it, it counts as none.
 *
 * It is not synced to the disk: it has to outlive a process, not the machine, and no worker outlives that either. It
 * holds the environment of the service and is for its user alone; secrets of ours are never in it (`Secrets`).
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Config } from '../config/config.js';
import { isSnapshot } from './check-snapshot.js';
import type { Snapshot } from './inventory.js';

const LIVE_VERSION = 1;

export interface Live {
  /** Who wrote it, or has been told to go on. */
  readonly supervisor: number;
  readonly state: Snapshot;
  /** What that supervisor ran with, for a successor that cannot read its own. */
  readonly config: Config;
  /** Names in the fd store that belong to workers which no record speaks of, and which go when others serve. */
  readonly leftovers: readonly string[];
}

interface Seal {
  readonly version: number;
  readonly sha256: string;
}

/** The live state, or why there is none to be had. */
export type LiveRead = { readonly live: Live } | { readonly live: null; readonly why: string };

export function readLive(path: string): LiveRead {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { live: null, why: code === 'ENOENT' ? 'there is none' : message };
  }
  const end = text.indexOf('\n');
  const body = text.slice(end + 1);
  try {
    const seal = JSON.parse(text.slice(0, end)) as Seal;
    if (seal.version !== LIVE_VERSION) return { live: null, why: `its version is ${seal.version}` };
    if (seal.sha256 !== checksum(body)) return { live: null, why: 'its checksum is wrong' };
    const live = JSON.parse(body) as Live;
    return isSnapshot(live.state) ? { live } : { live: null, why: 'it is of another version of batond' };
  } catch {
    return { live: null, why: 'it is damaged' };
  }
}

/** The text of the file, for `writeLive`. */
export function encodeLive(live: Live): string {
  const body = JSON.stringify(live);
  const seal: Seal = { version: LIVE_VERSION, sha256: checksum(body) };
  return `${JSON.stringify(seal)}\n${body}`;
}

/**
 * Throws what writing throws. What stood there before is then removed where that is possible: the past is worse than
 * nothing, since it speaks of workers that are gone and not of those that serve.
 */
export function writeLive(path: string, text: string): void {
  const next = `${path}.next`;
  try {
    writeFileSync(next, text, { mode: 0o600 });
    renameSync(next, path);
  } catch (error) {
    removeLive(path);
    throw error;
  }
}

/** What cannot be removed stays. */
export function removeLive(path: string): void {
  for (const file of [path, `${path}.next`]) {
    try {
      rmSync(file, { force: true });
    } catch {
      // A read-only file system: what is there is found out by comparing it with the fd store.
    }
  }
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
