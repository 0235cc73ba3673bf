/** What is installed already of a service: only batond's own units may be changed, and only while nobody edited them. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BatondError } from '../errors.js';
import { otherUnitPaths, type Scope, unitPath } from './unit-files.js';
import { readStamp, type Stamp } from './unit-stamp.js';

export interface InstalledUnit extends Stamp {
  readonly unit: string;
  readonly path: string;
  /** With its stamp. */
  readonly text: string;
}

/** Those of the service and its socket that batond made; null stands for one that is not there. */
export function ownUnits(scope: Scope, name: string): InstalledUnit[] {
  return [`${name}.service`, `${name}.socket`].flatMap((unit) => {
    const path = unitPath(scope, unit);
    const text = readText(path);
    const stamp = text === null ? null : readStamp(text);
    return text === null || stamp === null ? [] : [{ ...stamp, unit, path, text }];
  });
}

/** The services whose unit batond made. What cannot be read is not known. */
export function installedServices(scope: Scope): string[] {
  const folder = dirname(unitPath(scope, 'any.service'));
  try {
    return readdirSync(folder).flatMap((unit) => {
      if (!unit.endsWith('.service') || readStamp(readText(join(folder, unit)) ?? '') === null) return [];
      return [unit.slice(0, -'.service'.length)];
    });
  } catch {
    return [];
  }
}

/** Throws UNIT_EXISTS for a unit of that name that somebody else made, wherever systemd would find it. */
export function refuseForeignUnit(scope: Scope, unit: string): void {
  const own = unitPath(scope, unit);
  const text = readText(own);
  if (text !== null && readStamp(text) === null) throw new BatondError('UNIT_EXISTS', { path: own });
  const other = otherUnitPaths(scope, unit).find(isThere);
  if (other !== undefined) throw new BatondError('UNIT_EXISTS', { path: other });
}

/** Throws UNIT_EDITED. */
export function refuseEditedUnits(name: string, units: readonly InstalledUnit[]): void {
  const edited = units.find(({ intact }) => !intact);
  if (edited !== undefined) throw new BatondError('UNIT_EDITED', { path: edited.path, name });
}

/** A link, such as the one of `systemctl mask`, is there too, and it is none of ours. */
function readText(path: string): string | null {
  if (!isThere(path)) return null;
  return lstatSync(path).isFile() ? readFileSync(path, 'utf8') : '';
}

const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
