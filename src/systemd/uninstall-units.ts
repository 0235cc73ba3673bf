/**
 * Takes back what install made, and what systemd made for it: units, links, directories. What may hold the data of an
 * app (the state directory) goes only when it is empty, or asked for; what a user added (drop-ins) stays.
 */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BatondError } from '../errors.js';
import { CATALOG_FILE, removeCatalog } from './catalog.js';
import { installedServices, ownUnits, refuseEditedUnits } from './installed-units.js';
import { systemctl } from './systemctl.js';
import { type Scope, unitDirectories } from './unit-files.js';

export interface UninstallOptions {
  readonly scope: Scope;
  readonly name: string;
  /** Also the state directory with all that is in it. */
  readonly purge: boolean;
  /** Also units that were edited. */
  readonly force: boolean;
}

export interface Uninstalled {
  readonly removed: readonly string[];
  /** Each with the reason. */
  readonly kept: readonly { readonly path: string; readonly why: string }[];
}

/** Throws UNIT_NOT_INSTALLED, UNIT_EDITED (unless `force`), UNIT_NOT_WRITABLE and SYSTEMCTL_FAILED. */
export function uninstallUnits({ scope, name, purge, force }: UninstallOptions): Uninstalled {
  const units = ownUnits(scope, name);
  if (units.length === 0) throw new BatondError('UNIT_NOT_INSTALLED', { name });
  if (!force) refuseEditedUnits(name, units);
  const names = units.map(({ unit }) => unit);
  // The socket first, or the next connection starts the service again.
  systemctl(scope, ['stop', ...[...names].reverse()]);
  systemctl(scope, ['disable', ...names]);
  const removed: string[] = [];
  const kept: { path: string; why: string }[] = [];
  for (const { path } of units) {
    rmSync(path);
    removed.push(path);
  }
  systemctl(scope, ['daemon-reload']);
  forgetFailures(scope, names);
  for (const { path } of units) {
    if (existsSync(`${path}.d`)) kept.push({ path: `${path}.d`, why: 'a drop-in of yours' });
  }
  const directories = unitDirectories(scope, name);
  for (const directory of [...directories.runtime, ...directories.cache]) removeAll(directory, removed);
  for (const directory of directories.state) {
    if (purge) removeAll(directory, removed);
    else removeState(directory, removed, kept);
  }
  // It is for all services of the machine.
  if (scope === 'system' && installedServices(scope).length === 0 && removeCatalog()) removed.push(CATALOG_FILE);
  // The deepest first; what has something in it by now stays, and nobody needs to hear of empty folders.
  for (const folder of [...units[0]!.folders].sort((a, b) => b.length - a.length)) removeEmpty(folder);
  return { removed, kept };
}

/** Each of them also with the ending of one that was being written. */
const OWN_FILES = [
  'state.json',
  'history.json',
  'last-good.json',
  'starts.json',
  'reports',
  'evidence',
  'crashes',
  'profiles',
  'diagnostics',
];

/** The records of releases and starts, and the reports, are batond's own; anything else there is an app's ($STATE_DIRECTORY). */
function removeState(directory: string, removed: string[], kept: { path: string; why: string }[]): void {
  if (!existsSync(directory)) return;
  for (const file of readdirSync(directory)) {
    const isOwn = OWN_FILES.some((own) => file === own || file.startsWith(`${own}.`));
    if (isOwn) rmSync(join(directory, file), { recursive: true });
  }
  if (!removeEmpty(directory)) kept.push({ path: directory, why: 'it holds files of the app (--purge removes them)' });
  else removed.push(directory);
  removeEmpty(dirname(directory));
}

/** With the folder of all services of batond, when this was the last one. */
function removeAll(directory: string, removed: string[]): void {
  if (existsSync(directory)) {
    rmSync(directory, { recursive: true });
    removed.push(directory);
  }
  removeEmpty(dirname(directory));
}

function removeEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false; // Somebody else has something in it, or it is not there.
  }
}

/** A unit that failed stays listed until it is forgotten; one that did not is unknown by now, which is as good. */
function forgetFailures(scope: Scope, names: readonly string[]): void {
  try {
    systemctl(scope, ['reset-failed', ...names]);
  } catch {
    // Nothing to forget.
  }
}
