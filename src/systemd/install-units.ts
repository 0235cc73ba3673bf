/**
 * Puts the units of a service in place, or brings those that batond put there up to date. Everything that can be
 * refused is refused before anything is written; what fails afterwards, until systemd knows the units, is taken back.
 */
import { chmodSync, existsSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BatondError } from '../errors.js';
import { type CatalogPlan, planCatalog, putCatalog } from './catalog.js';
import { type InstalledUnit, ownUnits, refuseEditedUnits, refuseForeignUnit } from './installed-units.js';
import { lineDiff } from './line-diff.js';
import { activeState, lastWords, scopeFlags, systemctl, systemdVersion, verifyUnits } from './systemctl.js';
import { renderUnits, type Scope, type UnitFile, type UnitRequest, unitDirectories } from './unit-files.js';
import { stampUnit } from './unit-stamp.js';

export interface InstallPlan {
  readonly scope: Scope;
  readonly name: string;
  readonly files: readonly (UnitFile & {
    /** As against what is installed; null for a new file, empty for one that stays as it is. */
    readonly diff: readonly string[] | null;
  })[];
  /** Units of an earlier install that this one has no use for. */
  readonly obsolete: readonly InstalledUnit[];
  readonly installed: readonly InstalledUnit[];
  /** What `journalctl -x` explains our entries with; null for a service of a user. */
  readonly catalog: CatalogPlan | null;
  readonly wasActive: boolean;
  /** False where systemd-analyze is not installed. */
  readonly verified: boolean;
  /** The arguments of systemctl, in turn. */
  readonly before: readonly (readonly string[])[];
  readonly after: readonly (readonly string[])[];
  readonly start: readonly (readonly string[])[];
}

/** Throws UNIT_EXISTS, UNIT_EDITED (unless `force`) and UNIT_INVALID; changes nothing. */
export function planInstall(request: UnitRequest, { now, force }: { now: boolean; force: boolean }): InstallPlan {
  const { scope } = request;
  const { name } = request.config;
  const units = renderUnits(request, systemdVersion());
  const installed = ownUnits(scope, name);
  for (const { unit } of units) refuseForeignUnit(scope, unit);
  if (!force) refuseEditedUnits(name, installed);
  const verified = verifyUnits(scope, units);
  const files = units.map((file) => {
    const old = installed.find(({ unit }) => unit === file.unit);
    return { ...file, diff: old === undefined ? null : lineDiff(old.body, file.body) };
  });
  const names = units.map(({ unit }) => unit);
  const obsolete = installed.filter(({ unit }) => !names.includes(unit));
  const wasActive = activeState(scope, `${name}.service`) === 'active';
  const before = obsolete.map(({ unit }) => ['disable', '--now', unit]);
  const after = [['daemon-reload'], ['enable', ...names]];
  const changed = obsolete.length > 0 || files.some(({ diff }) => diff === null || diff.length > 0);
  const start = now ? startCommands(files, { wasActive, changed }) : [];
  const catalog = planCatalog(scope);
  return { scope, name, files, obsolete, installed, catalog, wasActive, verified, before, after, start };
}

/** systemd opens no socket for a service that runs already: that one has to stop first. */
function startCommands(
  files: readonly { readonly unit: string; readonly diff: readonly string[] | null }[],
  { wasActive, changed }: { wasActive: boolean; changed: boolean },
): string[][] {
  const [service, socket] = files.map(({ unit }) => unit) as [string, string?];
  if (!wasActive) return [['start', ...(socket === undefined ? [] : [socket]), service]];
  if (!changed) return [];
  const newSocket = socket !== undefined && files[1]?.diff === null;
  return newSocket
    ? [
        ['stop', service],
        ['start', socket, service],
      ]
    : // The restart is for batond, whose workers live on; the reload gives them what has changed.
      [
        ['restart', service],
        ['reload', service],
      ];
}

/** As a person would type it. */
export function commandText(scope: Scope, args: readonly string[]): string {
  return ['systemctl', ...scopeFlags(scope), ...args].join(' ');
}

/**
 * Throws UNIT_NOT_WRITABLE, SYSTEMCTL_FAILED and SERVICE_NOT_STARTED; after the last one the units stay in place. Null, or
 * why the catalog could not be put there, which nothing else depends on.
 */
export function carryOut(plan: InstallPlan): string | null {
  const { scope, name, files, installed, obsolete } = plan;
  const folder = dirname(files[0]!.path);
  const made = missingFolders(folder);
  const folders = installed[0]?.folders ?? [...made, ...foldersOfSystemd(scope, name)];
  makeFolder(folder);
  try {
    for (const args of plan.before) systemctl(scope, args);
    for (const { path } of obsolete) rmSync(path);
    for (const { path, body } of files) replaceFile(path, stampUnit(body, folders));
    for (const args of plan.after) systemctl(scope, args);
  } catch (error) {
    takeBack(plan, made);
    throw permissionError(error, folder);
  }
  const unexplained = plan.catalog === null ? null : putCatalog(plan.catalog);
  try {
    for (const args of plan.start) systemctl(scope, args);
  } catch (error) {
    const reason = lastWords(scope, `${name}.service`) || (error as Error).message;
    throw new BatondError('SERVICE_NOT_STARTED', { name, reason }, error);
  }
  return unexplained;
}

function takeBack({ scope, files, installed }: InstallPlan, made: readonly string[]): void {
  for (const { path } of files) rmSync(path, { force: true });
  for (const { path, text } of installed) replaceFile(path, text);
  for (const folder of [...made].reverse()) rmdirSync(folder);
  try {
    systemctl(scope, ['daemon-reload']);
  } catch {
    // It is most likely what has failed before: the first cause is told.
  }
}

/** A user's first service makes folders such as ~/.local/state, which uninstall is to know of. */
function foldersOfSystemd(scope: Scope, name: string): string[] {
  const { state, cache } = unitDirectories(scope, name);
  return [...state, ...cache].flatMap((directory) => missingFolders(dirname(directory)));
}

/** What is not there of a path, the outermost first. */
function missingFolders(folder: string): string[] {
  const missing: string[] = [];
  for (let path = folder; !existsSync(path); path = dirname(path)) missing.unshift(path);
  return missing;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw permissionError(error, folder);
  }
}

/** By rename: systemd never reads half a unit. */
function replaceFile(path: string, text: string): void {
  const temporary = join(dirname(path), `.${process.pid}.batond-install`);
  try {
    writeFileSync(temporary, text);
    // Whatever the umask is: systemd complains of units that are writable or unreadable for others.
    chmodSync(temporary, 0o644);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function permissionError(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const denied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return denied ? new BatondError('UNIT_NOT_WRITABLE', { path }, error) : error;
}
