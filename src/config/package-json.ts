/**
 * What the package.json around a program says of it. An unreadable or broken one counts as none: it is the program's
 * own affair, and Node complains about it where it matters.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A text field of the package.json in a directory; null where there is none. */
export function packageField(directory: string, field: 'name' | 'version' | 'main'): string | null {
  try {
    const content: unknown = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    const value = (content as Record<string, unknown> | null)?.[field];
    return typeof value === 'string' && value !== '' ? value : null;
  } catch {
    return null;
  }
}

/** From the nearest package.json upwards that has the field: the one in dist/ often says no more than its module type. */
export function nearestPackageField(from: string, field: 'name' | 'version'): string | null {
  for (let directory = from; ; directory = dirname(directory)) {
    const value = packageField(directory, field);
    if (value !== null || directory === dirname(directory)) return value;
  }
}
