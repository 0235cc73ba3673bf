/**
 * One journal entry as bytes, in the journal's native protocol:
 *
 *   NAME=value\n                                       where the value has no newline
 *   NAME\n <length: 64 bits, little-endian> value\n    where it has one
 *
 * https://systemd.io/JOURNAL_NATIVE_PROTOCOL
 */
import type { JournalField } from './journal-fields.js';

export function encodeEntry(fields: readonly JournalField[]): Buffer {
  return Buffer.concat(fields.flatMap(encodeField));
}

function encodeField([name, value]: JournalField): Buffer[] {
  if (!value.includes('\n')) return [Buffer.from(`${name}=${value}\n`)];
  const bytes = Buffer.from(`${value}\n`);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length - 1));
  return [Buffer.from(`${name}\n`), length, bytes];
}
