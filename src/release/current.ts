/**
 * The symlink that deploys move: what it leads to, and how it is put back. "Which target" is more than its path: a
 * symlink that was made anew, or a folder that was sealed anew, is another one to try, though the path is the same.
 */
import { lstatSync, readlinkSync, realpathSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { SEAL_FILE, SIGNATURE_FILE } from './seal-format.js';

export interface Target {
  /** Real: the folder that the symlink leads to. */
  readonly root: string;
  /** Two looks are at the same target when this is the same. */
  readonly identity: string;
}

/** Null where the symlink is not there or leads to nothing, as in the middle of a deploy that is not atomic. */
export function readTarget(current: string): Target | null {
  try {
    const { ino, ctimeNs } = lstatSync(current, { bigint: true });
    const root = realpathSync.native(current);
    return { root, identity: [root, ino, ctimeNs, stamp(root, SEAL_FILE), stamp(root, SIGNATURE_FILE)].join(' ') };
  } catch {
    return null;
  }
}

function stamp(root: string, file: string): string {
  const stat = statSync(join(root, file), { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? '-' : `${stat.ino}.${stat.ctimeNs}`;
}

/**
 * Points the symlink to `root`, by rename: there is no moment without it. Returns why it was left as it is, or null.
 * A symlink that no longer is the one that was `seen` has been deployed since, and is not ours to take back.
 */
export function pointBack(current: string, seen: Target, root: string): string | null {
  const next = join(dirname(current), `.${basename(current)}.${process.pid}`);
  try {
    const written = readlinkSync(current);
    const target = isAbsolute(written) ? root : relative(realpathSync(dirname(current)), root);
    rmSync(next, { force: true });
    symlinkSync(target, next);
    if (readTarget(current)?.identity !== seen.identity) {
      rmSync(next);
      return 'it was pointed elsewhere meanwhile';
    }
    renameSync(next, current);
    return null;
  } catch (error) {
    rmSync(next, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'EINVAL' ? 'it is no symlink' : message;
  }
}
