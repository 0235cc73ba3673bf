/**
 * The seal of a release: what is in it, as text. Its lines are those of sha256sum(1), so that anybody can check the
 * contents without batond (`sha256sum --quiet -c .batond-seal`); what coreutils has no words for (size, executable bit,
 * symlinks, what is left out) stands in comment lines, which sha256sum passes over.
 *
 *   # batond seal 1
 *   #without <path>              a part of the release that may change
 *   #link <path>\t<target>
 *   #file <bytes> <x or ->       speaks of the line that follows
 *   <sha256>  <path>
 *
 * Pure. The order is that of the paths, so that the same files make the same bytes wherever they are sealed.
 */

export const SEAL_FILE = '.batond-seal';
/** 64 bytes of ed25519 over the bytes of the seal: what `openssl pkeyutl -verify -rawin` takes. */
export const SIGNATURE_FILE = '.batond-seal.sig';

export interface SealedFile {
  /** Lower case, hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** Whether anybody may execute it. */
  readonly executable: boolean;
}

/** Paths are relative to the root of the release, with "/" and without "./". */
export interface Seal {
  readonly files: ReadonlyMap<string, SealedFile>;
  /** By their path: what they hold, as written. */
  readonly links: ReadonlyMap<string, string>;
  /** Paths of files and folders that are not part of it. */
  readonly without: readonly string[];
}

const HEAD = '# batond seal 1';

export function encodeSeal({ files, links, without }: Seal): string {
  const lines = [HEAD, ...[...without].sort().map((path) => `#without ${escaped(path)}`)];
  for (const [path, target] of sorted(links)) lines.push(`#link ${escaped(path)}\t${escaped(target)}`);
  for (const [path, { sha256, bytes, executable }] of sorted(files)) {
    const written = path.replace(/[\\\n\r]/g, (character) => ESCAPES[character]!);
    lines.push(`#file ${bytes} ${executable ? 'x' : '-'}`, `${written === path ? '' : '\\'}${sha256}  ${written}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Throws an Error that names the line; a seal of which one line is not understood is none. */
export function decodeSeal(text: string): Seal {
  const files = new Map<string, SealedFile>();
  const links = new Map<string, string>();
  const without: string[] = [];
  let size: { bytes: number; executable: boolean } | null = null;
  const lines = text.split('\n');
  if (lines[0] !== HEAD) throw new Error(`line 1 is not "${HEAD}"`);
  if (lines.pop() !== '') throw new Error('its end is missing');
  for (const [index, line] of lines.entries()) {
    const [, linked, target] = /^#link ([^\t]+)\t(.+)$/s.exec(line) ?? [];
    const [, left] = /^#without (.+)$/s.exec(line) ?? [];
    const [, bytes, mode] = /^#file (\d{1,16}) ([x-])$/.exec(line) ?? [];
    const [, quoted, sha256, path] = /^(\\?)([0-9a-f]{64}) {2}(.+)$/s.exec(line) ?? [];
    if (index === 0) continue;
    if (size !== null && sha256 !== undefined) {
      files.set(safe(quoted === '' ? path! : unescaped(path!), index), { sha256, ...size });
      size = null;
    } else if (size === null && bytes !== undefined) size = { bytes: Number(bytes), executable: mode === 'x' };
    else if (size === null && target !== undefined) links.set(safe(unescaped(linked!), index), unescaped(target));
    else if (size === null && left !== undefined) without.push(safe(unescaped(left), index));
    else throw new Error(`line ${index + 1} is none of a seal`);
  }
  if (size !== null) throw new Error('its end is missing');
  return { files, links, without };
}

/** Whether a path is one of these, or below one of them. */
export function isWithout(path: string, without: readonly string[]): boolean {
  return without.some((left) => path === left || path.startsWith(`${left}/`));
}

/** Whether a path is relative and stays below where it begins, without detours. */
export function isInner(path: string): boolean {
  return path !== '' && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function safe(path: string, index: number): string {
  if (!isInner(path) || path.includes('\0')) throw new Error(`line ${index + 1} names a path outside of the release`);
  return path;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const escaped = (text: string) => text.replace(/[\\\n\r\t]/g, (character) => ESCAPES[character]!);

const unescaped = (text: string) =>
  text.replace(/\\([\\nrt])/g, (_, letter: string) => ({ '\\': '\\', n: '\n', r: '\r', t: '\t' })[letter]!);

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
