/** Where the code of a frame comes from: its file, and whose it is. Pure. */
import { fileURLToPath } from 'node:url';

/** What of a frame of a .cpuprofile is looked at; lines count from 0, -1 is none. */
export interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

export const APP = 'app';
export const NODE = 'node';
export const BATOND = 'batond';

const MODULES = '/node_modules/';

/** The path of a file, or the name of what is none ("node:fs"). */
export function fileOf(url: string): string {
  if (!url.startsWith('file://')) return url;
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}

/** "src/a.js:12"; null where the engine itself is meant. */
export function placeOf({ url, lineNumber }: Frame): string | null {
  if (url === '') return null;
  return lineNumber < 0 ? fileOf(url) : `${fileOf(url)}:${lineNumber + 1}`;
}

/**
 * "app", "node" for what comes with Node, "batond", or "node_modules/x" by the innermost folder of that name; null for
 * what the engine does, which is its caller's. `ownFolder` is where batond is.
 */
export function ownerOf(url: string, ownFolder: string): string | null {
  if (url === '') return null;
  if (url.startsWith('node:')) return NODE;
  const file = fileOf(url);
  if (file.startsWith(`${ownFolder}/`)) return BATOND;
  const at = file.lastIndexOf(MODULES);
  if (at < 0) return APP;
  const [first = '', second = ''] = file.slice(at + MODULES.length).split('/');
  return `node_modules/${first.startsWith('@') ? `${first}/${second}` : first}`;
}

/** Whether it is the code of a module itself, which runs once, when it is loaded. */
export function isModule({ functionName, url, lineNumber, columnNumber }: Frame): boolean {
  return url !== '' && functionName === '' && lineNumber === 0 && columnNumber === 0;
}
