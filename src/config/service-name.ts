/**
 * The name of a service that nobody named: that of its package, else of its directory, else of its command. It names
 * the unit, the directories and the socket, so it must come out the same at every start.
 */
import { statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { nearestPackageField } from './package-json.js';

export interface FoundName {
  /** Null where nothing is left of it that may stand in a name. */
  readonly name: string | null;
  readonly from: string;
}

export function nameOfEntry(entry: string): FoundName {
  // The entry may be a directory itself, as in `batond run .`
  const directory = isDirectory(entry) ? entry : dirname(entry);
  const packageName = nearestPackageField(directory, 'name');
  if (packageName !== null) return { name: sanitise(packageName.replace(/^@[^/]*\//, '')), from: 'package.json' };
  return { name: sanitise(basename(directory)), from: 'directory' };
}

export function nameOfCommand(command: readonly string[]): FoundName {
  return { name: sanitise(basename(command[0] ?? '')), from: 'command' };
}

/** An entry that cannot be looked at is none: whoever resolves the release says what is wrong with it. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function sanitise(text: string): string | null {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9_.-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64)
    .replace(/[-.]+$/, '');
  return name === '' ? null : name;
}
