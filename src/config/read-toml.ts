/**
 * The config file: read, decoded and parsed. The parser is loaded here and not at the top, by require because that
 * takes half the time of an import: a service that is configured by flags alone never pays for it.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as SmolToml from 'smol-toml';
import { BatondError } from '../errors.js';
import { type Path, type Place, refuse } from './problem.js';
import { TomlPositions } from './toml-positions.js';

export interface TomlDocument {
  /** As the user names it, for messages. */
  readonly file: string;
  readonly root: Readonly<Record<string, unknown>>;
  /** Where a key stands, or the nearest table around it. */
  placeOf(path: Path): Place;
}

/** More than a config can need, and too little to keep a start busy. */
const MAX_BYTES = 256 * 1024;
const MAX_DEPTH = 32;

/** Null where there is no such file. Throws CONFIG_UNREADABLE, or CONFIG_INVALID for what is not TOML. */
export function readToml(path: string, file: string): TomlDocument | null {
  const text = readText(path, file);
  if (text === null) return null;
  const root = parse(text, file);
  let positions: TomlPositions | null = null;
  const placeOf = (key: Path): Place => {
    positions ??= new TomlPositions(text);
    const { line, column } = positions.find(key) ?? { line: null, column: null };
    return { kind: 'file', file, line, column };
  };
  return { file, root, placeOf };
}

function readText(path: string, file: string): string | null {
  let bytes: Buffer;
  try {
    bytes = readLimited(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new BatondError('CONFIG_UNREADABLE', { file, reason: REASONS[code ?? ''] ?? message }, error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new BatondError('CONFIG_UNREADABLE', { file, reason: 'it is not UTF-8' }, error);
  }
}

function readLimited(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    // A pipe has no size; what a shell puts into one for us is its own affair.
    if (fstatSync(fd).size > MAX_BYTES) throw Object.assign(new Error('too large'), { code: 'EFBIG' });
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'its symbolic links lead in a circle',
  EFBIG: `it is larger than ${MAX_BYTES / 1024} KiB`,
};

function parse(text: string, file: string): Readonly<Record<string, unknown>> {
  const toml = createRequire(import.meta.url)('smol-toml') as typeof SmolToml;
  try {
    // An integer beyond 2^53 is reported as out of the range of its key, not as a matter of representation.
    return toml.parse(text, { integersAsBigInt: 'asNeeded', maxDepth: MAX_DEPTH });
  } catch (error) {
    if (!(error instanceof toml.TomlError)) throw error;
    const { line, column, codeblock } = error;
    const [summary = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    const place: Place = { kind: 'file', file, line, column };
    refuse([{ place, key: null, text: `${summary}${frame(codeblock)}` }]);
    throw error;
  }
}

/** The lines around a syntax error with a caret below; left out where a line would wrap. */
function frame(codeblock: string): string {
  const lines = codeblock.trimEnd().split('\n');
  return lines.every((line) => line.length <= 100) ? `\n${lines.join('\n')}` : '';
}
