/**
 * Seals a release: writes down what is in its folder, and signs that. Whatever is there is sealed, node_modules too,
 * since it is run; what may change (uploads, logs) has to be named, and the seal says so.
 */
import { realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BatondError } from '../errors.js';
import { Digester } from './digest.js';
import { readLink } from './links.js';
import { encodeSeal, isInner, SEAL_FILE, type SealedFile, SIGNATURE_FILE } from './seal-format.js';
import { signSeal } from './signature.js';
import { treeEntries } from './tree.js';

export interface SealOptions {
  /** A private key in PEM; null leaves the release unsigned. */
  readonly keyFile: string | null;
  /** Files and folders that are not part of the release, relative to it. */
  readonly without: readonly string[];
}

export interface Sealed {
  readonly directory: string;
  readonly files: number;
  readonly links: number;
  readonly bytes: number;
  readonly signed: boolean;
}

/** Throws RELEASE_NOT_SEALABLE, DIRECTORY_NOT_FOUND, KEY_UNUSABLE and NOT_WRITABLE; a seal of before is replaced. */
export function sealRelease(directory: string, { keyFile, without }: SealOptions): Sealed {
  const root = realRoot(directory);
  const outside = without.find((path) => !isInner(path));
  if (outside !== undefined) {
    throw refusal(root, `${outside} is no path inside of it: write it relative to the release, as "uploads"`);
  }
  const files = new Map<string, SealedFile>();
  const links = new Map<string, string>();
  const digester = new Digester();
  try {
    for (const { path, kind } of treeEntries(root, without)) {
      if (kind === 'file') files.set(path, digester.digest(join(root, path)));
      else if (kind === 'link') links.set(path, innerTarget(root, path));
      else throw refusal(root, `${path} is neither a file nor a symlink`);
    }
  } catch (error) {
    throw error instanceof BatondError ? error : refusal(root, (error as Error).message, error);
  }
  const seal = Buffer.from(encodeSeal({ files, links, without }));
  const signature = keyFile === null ? null : signSeal(seal, keyFile);
  write(root, seal, signature);
  const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0);
  return { directory: root, files: files.size, links: links.size, bytes, signed: signature !== null };
}

function realRoot(directory: string): string {
  try {
    return realpathSync.native(directory);
  } catch (error) {
    throw new BatondError('DIRECTORY_NOT_FOUND', { directory }, error);
  }
}

function innerTarget(root: string, path: string): string {
  const { target, leadsOut } = readLink(root, path);
  if (leadsOut) throw refusal(root, `the symlink ${path} leads out of it, to ${target}: seal it without ${path}`);
  return target;
}

/** The old signature goes first: at no moment is a seal there with a signature of another. */
function write(root: string, seal: Buffer, signature: Buffer | null): void {
  const path = join(root, SEAL_FILE);
  const next = `${path}.${process.pid}`;
  try {
    rmSync(join(root, SIGNATURE_FILE), { force: true });
    writeFileSync(next, seal, { mode: 0o644 });
    renameSync(next, path);
    if (signature !== null) writeFileSync(join(root, SIGNATURE_FILE), signature, { mode: 0o644 });
  } catch (error) {
    rmSync(next, { force: true });
    throw new BatondError('NOT_WRITABLE', { path, reason: (error as Error).message }, error);
  }
}

function refusal(directory: string, reason: string, cause?: unknown): BatondError {
  return new BatondError('RELEASE_NOT_SEALABLE', { directory, reason }, cause);
}
