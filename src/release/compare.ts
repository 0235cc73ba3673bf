/** Which releases are the same one, and which can still be run: old release directories vanish. */
import { accessSync, constants } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Release } from './release.js';

/** Whether both would run the same files in the same way. A directory that was written over is the same release. */
export function isSameRelease(a: Release, b: Release): boolean {
  const runs = (release: Release) => ({ ...release, label: '', root: '', resolvedAt: 0 });
  return isDeepStrictEqual(runs(a), runs(b));
}

export function isUsable(release: Release): boolean {
  try {
    accessSync(release.directory, constants.X_OK);
    accessSync(release.program, constants.X_OK);
    if (release.kind === 'node') accessSync(release.entry, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** What it runs, for people: the entry, or the command line. */
export function describeRelease(release: Release): string {
  return release.kind === 'node' ? release.entry : [release.program, ...release.args].join(' ');
}
