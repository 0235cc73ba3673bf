/**
 * A file of two lines: a seal (version and checksum), and a text. What was cut off, written over or made by another
 * version is found out before anybody reads a word of it.
 */
import { createHash } from 'node:crypto';

interface Seal {
  readonly version: number;
  readonly sha256: string;
}

/** The text, or why it cannot be trusted. */
export type Unsealed = { readonly text: string } | { readonly text: null; readonly why: string };

export function sealText(version: number, text: string): string {
  const seal: Seal = { version, sha256: checksum(text) };
  return `${JSON.stringify(seal)}\n${text}`;
}

/** Never throws. */
export function unsealText(version: number, sealed: string): Unsealed {
  const end = sealed.indexOf('\n');
  const text = sealed.slice(end + 1);
  try {
    const seal = JSON.parse(sealed.slice(0, end)) as Seal;
    if (seal.version !== version) return { text: null, why: `its version is ${seal.version}` };
    return seal.sha256 === checksum(text) ? { text } : { text: null, why: 'its checksum is wrong' };
  } catch {
    return { text: null, why: 'it is damaged' };
  }
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
