/**
 * The catalog of the journal: what `journalctl -x` says of our entries. One file for all services of the machine, which
 * is put in place with the first of them and goes with the last. There is none of a user: journalctl knows only the
 * folders of the system. Without it nothing is missing but the explanations, so it never keeps a service from anything.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { updateCatalog } from './systemctl.js';
import type { Scope } from './unit-files.js';

/** That of what is installed by hand: /usr/lib/systemd/catalog belongs to the packages of the distribution. */
export const CATALOG_FILE = '/usr/local/lib/systemd/catalog/batond.catalog';

/** As against what this batond would write. */
export type CatalogState = 'missing' | 'different' | 'same';

export interface CatalogPlan {
  readonly path: string;
  readonly change: 'made' | 'changed' | 'unchanged';
}

export function catalogText(): string {
  return readFileSync(new URL('../../units/batond.catalog', import.meta.url), 'utf8');
}

export function catalogState(file: string = CATALOG_FILE): CatalogState {
  try {
    return readFileSync(file, 'utf8') === catalogText() ? 'same' : 'different';
  } catch {
    return 'missing';
  }
}

/** Null for a service of a user. */
export function planCatalog(scope: Scope): CatalogPlan | null {
  if (scope === 'user') return null;
  const change = { missing: 'made', different: 'changed', same: 'unchanged' } as const;
  return { path: CATALOG_FILE, change: change[catalogState()] };
}

/** Null, or why it could not be done. */
export function putCatalog({ path, change }: CatalogPlan): string | null {
  if (change === 'unchanged') return null;
  const temporary = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporary, catalogText());
    chmodSync(temporary, 0o644);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    return (error as Error).message;
  }
  return updateCatalog();
}

/** Whether there was one. What cannot be removed stays: it speaks only of entries that are there still. */
export function removeCatalog(file: string = CATALOG_FILE): boolean {
  try {
    rmSync(file);
  } catch {
    return false;
  }
  try {
    for (const folder of [dirname(file), dirname(dirname(file))]) rmdirSync(folder);
  } catch {
    // Somebody else has something in it.
  }
  updateCatalog();
  return true;
}
