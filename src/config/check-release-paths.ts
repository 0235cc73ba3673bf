/**
 * What is wrong between the paths of a release, as they are written: symlinks are not followed here, since what they
 * lead to changes with each deploy.
 */
import { relative, resolve } from 'node:path';
import type { KeyPath } from './keys.js';
import type { Problem } from './problem.js';
import type { Settings } from './settings.js';

interface WrittenPaths {
  /** Of the config; null where there is none. */
  readonly file: string | null;
  readonly directory: string;
  readonly home: string;
}

export function checkReleasePaths(
  settings: Settings,
  { file, directory, home }: WrittenPaths,
  problems: Problem[],
): void {
  const pathOf = (key: KeyPath): string | null => {
    const value = settings.get(key)?.value;
    return typeof value === 'string' ? resolve(home, value) : null;
  };
  const report = (key: KeyPath, text: string): void => {
    problems.push({ place: settings.get(key)!.place, key, text });
  };
  const current = pathOf('release.current');
  if (current !== null && !isIn(current, directory)) {
    report('directory', `${directory} is not in release.current (${current}): it would not follow the symlink`);
  }
  if (settings.get('release.verify')?.value !== 'signature') return;
  // A release must not bring what it is judged by.
  const root = current ?? directory;
  const key = pathOf('release.public_key');
  if (key !== null && isIn(root, key)) report('release.public_key', 'it is part of the release that it is to verify');
  if (file !== null && isIn(root, file)) {
    report('release.verify', `${file} is part of the release that it wants verified: keep it elsewhere`);
  }
}

/** Whether a path is the folder or below it. */
function isIn(folder: string, path: string): boolean {
  return !/^\.\.(\/|$)/.test(relative(folder, path));
}
