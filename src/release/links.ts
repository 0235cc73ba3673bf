/** Where the symlinks of a release lead: one that leads out of it would run what nobody sealed. */
import { readlinkSync, realpathSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** What the symlink holds, and whether it leads out of the root, which is a real path. */
export function readLink(root: string, path: string): { readonly target: string; readonly leadsOut: boolean } {
  const link = join(root, path);
  const target = readlinkSync(link);
  return { target, leadsOut: /^\.\.(\/|$)/.test(relative(root, destination(link, target))) };
}

/**
 * Through all symlinks where it can be followed; as it is written where it leads to nothing. By realpath(3): Node's own
 * takes ".." off a path before it follows the symlink that stands there, and would miss a way out.
 */
function destination(link: string, target: string): string {
  try {
    return realpathSync.native(link);
  } catch {
    return resolve(dirname(link), target);
  }
}
