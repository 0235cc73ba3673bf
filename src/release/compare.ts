/** Which releases are the same one, and which can still be run: old release directories vanish. */
import { accessSync, constants } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type Release, type Runnable, runnablesOf } from './release.js';

/**
 * Whether both would run the same files in the same way, in whatever number. A directory that was written over is the
 * same release.
 */
export function isSameRelease(a: Release, b: Release): boolean {
  const runs = (release: Release) => {
    const processes = (release.processes ?? []).map((one) => ({ ...one, workers: 0 }));
    return { ...release, processes, label: '', root: '', resolvedAt: 0 };
  };
  return isDeepStrictEqual(runs(a), runs(b));
}

export function isUsable(release: Release): boolean {
  try {
    accessSync(release.directory, constants.X_OK);
    for (const run of runnablesOf(release)) {
      accessSync(run.program, constants.X_OK);
      if (run.kind === 'node') accessSync(run.entry, constants.R_OK);
    }
    return true;
  } catch {
    return false;
  }
}

/** What it runs, for people: the entry, or the command line. */
export function describeRelease(run: Runnable): string {
  return run.kind === 'node' ? run.entry : [run.program, ...run.args].join(' ');
}
