/**
 * Compares a release with its seal, and the seal with its signature. The signature comes first: nothing of an unsigned
 * seal is believed, not even what it leaves out.
 */
import { readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { BatondError } from '../errors.js';
import { Digester } from './digest.js';
import { readLink } from './links.js';
import { decodeSeal, SEAL_FILE, type Seal, SIGNATURE_FILE } from './seal-format.js';
import { isSignedBy } from './signature.js';
import { type TreeEntry, treeEntries } from './tree.js';

export interface VerifyOptions {
  /** A public key in PEM; null believes a seal without a signature. */
  readonly publicKey: string | null;
  /** Absolute, real: files that must be part of what was sealed, since they are what is run. */
  readonly required: readonly string[];
  /** Called for each file. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called while a big file is read, too. */
  readonly onPiece?: () => void;
}

export interface Verified {
  readonly files: number;
  readonly links: number;
  readonly signed: boolean;
}

/** So many differences are named, the others are counted; see the message of RELEASE_CHANGED. */
const NAMED = 3;

/** `root` is a real path. Throws RELEASE_NOT_SEALED, SIGNATURE_WRONG, RELEASE_CHANGED and KEY_UNUSABLE. */
export function verifyRelease(root: string, { publicKey, required, onProgress, onPiece }: VerifyOptions): Verified {
  const label = basename(root);
  const notSealed = (reason: string, cause?: unknown) =>
    new BatondError('RELEASE_NOT_SEALED', { release: label, reason }, cause);
  const bytes = read(join(root, SEAL_FILE), (reason) => notSealed(`${SEAL_FILE}: ${reason}`));
  if (publicKey !== null) {
    const signature = read(join(root, SIGNATURE_FILE), (reason) => notSealed(`${SIGNATURE_FILE}: ${reason}`));
    if (!isSignedBy(bytes, signature, publicKey))
      throw new BatondError('SIGNATURE_WRONG', { release: label, publicKey });
  }
  let seal: Seal;
  try {
    seal = decodeSeal(bytes.toString('utf8'));
  } catch (error) {
    throw notSealed(`${SEAL_FILE} cannot be understood: ${(error as Error).message}`, error);
  }
  for (const path of required) {
    const inside = relative(root, path);
    if (!seal.files.has(inside) && !seal.links.has(inside))
      throw notSealed(`${path}, which would be run, is not part of it`);
  }
  let differences: string[];
  try {
    differences = compare(root, seal, onProgress ?? (() => {}), new Digester(onPiece));
  } catch (error) {
    throw notSealed(`it cannot be read: ${(error as Error).message}`, error);
  }
  if (differences.length > 0) {
    const named = differences.slice(0, NAMED).join(', ');
    throw new BatondError('RELEASE_CHANGED', { release: label, count: differences.length, named });
  }
  return { files: seal.files.size, links: seal.links.size, signed: publicKey !== null };
}

/** "server.js (changed)", in the order of the paths. */
function compare(
  root: string,
  seal: Seal,
  onProgress: (done: number, total: number) => void,
  digester: Digester,
): string[] {
  const problems = new Map<string, string>();
  const seen = new Set<string>();
  const { size: total } = seal.files;
  let done = 0;
  for (const entry of treeEntries(root, seal.without)) {
    seen.add(entry.path);
    let problem: string | null;
    try {
      problem = problemOf(root, entry, seal, digester);
    } catch (error) {
      problem = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    }
    if (problem !== null) problems.set(entry.path, problem);
    if (entry.kind === 'file') onProgress(Math.min(++done, total), total);
  }
  for (const path of [...seal.files.keys(), ...seal.links.keys()]) if (!seen.has(path)) problems.set(path, 'missing');
  return [...problems].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, problem]) => `${path} (${problem})`);
}

function problemOf(root: string, { path, kind }: TreeEntry, seal: Seal, digester: Digester): string | null {
  const [file, link] = [seal.files.get(path), seal.links.get(path)];
  if (file === undefined && link === undefined) return 'not in the seal';
  if (kind === 'link') {
    if (link === undefined) return 'a symlink in place of a file';
    const { target, leadsOut } = readLink(root, path);
    if (leadsOut) return `leads out of the release, to ${target}`;
    return target === link ? null : `points to ${target}`;
  }
  if (kind === 'other' || file === undefined) return 'of another kind';
  const found = digester.digest(join(root, path), file.bytes);
  if (found.sha256 !== file.sha256 || found.bytes !== file.bytes) return 'changed';
  if (found.executable !== file.executable) return file.executable ? 'not executable any more' : 'executable';
  return null;
}

function read(path: string, refuse: (reason: string) => BatondError): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? 'there is none' : message);
  }
}
