/**
 * A state on its way from one process to another: a memfd that is sealed, so that nobody changes it behind the reader.
 *
 *   "btdstate" | u32 format | u32 length of the head | head, JSON | what stands beside the clone | clone
 *
 * The clone begins with V8's own version of its format: an older Node refuses a newer one. There is no checksum: the
 * bytes never leave the kernel's memory, and the lengths must add up.
 */
import { fstatSync, readSync, write, writeSync } from 'node:fs';
import { Descriptor } from '../inventory/descriptor.js';
import { type Fd, native } from '../native.js';
import { availableMemoryBytes } from '../process/available-memory.js';
import { decode, type Encoded, encode, TooLargeError } from './state-codec.js';

const MAGIC = Buffer.from('btdstate');
const FORMAT = 1;
const PRELUDE_BYTES = MAGIC.length + 8;
const MAX_HEAD_BYTES = 4_096;

/** What is written or read with one system call: read(2) takes no more than 2 GiB. */
const CHUNK_BYTES = 16 * 2 ** 20;

interface Head {
  readonly version: number;
  /** Of the process that saved it, for messages. */
  readonly node: string;
  readonly besideBytes: number;
  readonly cloneBytes: number;
}

export interface SavedState {
  readonly file: Descriptor;
  /** Of the whole file. */
  readonly bytes: number;
}

/**
 * Copies the value in this turn of the loop, as far as the app could change it, and writes the rest beside the app.
 * Throws TooLargeError before anything is written, and an Error where the memory for it is not there.
 */
export async function writeState(value: unknown, version: number, maxBytes: number): Promise<SavedState> {
  const encoded = encode(value, maxBytes);
  const head = headOf(encoded, version);
  const bytes = head.length + encoded.bytes;
  if (bytes > maxBytes) throw new TooLargeError(bytes);
  requireMemory(bytes);
  const file = new Descriptor(native().memfdCreate('batond-state'));
  try {
    for (const part of [head, ...encoded.beside]) writeNow(file.fd, part);
    await writeLater(file.fd, encoded.clone);
    native().memfdSeal(file.fd);
    return { file, bytes };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Throws where it is no state, or none that this Node understands. The descriptor stays the caller's. */
export function readState(fd: Fd): { readonly value: unknown; readonly version: number } {
  const prelude = readAt(fd, Buffer.alloc(PRELUDE_BYTES), 0);
  if (!prelude.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('it is no state of batond');
  const format = prelude.readUInt32LE(MAGIC.length);
  if (format !== FORMAT) throw new Error(`it has format ${format}, this batond reads ${FORMAT}`);
  const headBytes = prelude.readUInt32LE(MAGIC.length + 4);
  if (headBytes > MAX_HEAD_BYTES) throw new Error(`its head has ${headBytes} bytes`);
  const head = JSON.parse(readAt(fd, Buffer.alloc(headBytes), PRELUDE_BYTES).toString()) as Head;
  const start = PRELUDE_BYTES + headBytes;
  const { besideBytes, cloneBytes, version, node } = head;
  if (start + besideBytes + cloneBytes !== fstatSync(fd).size) throw new Error('its length is not what its head says');
  const clone = readAt(fd, Buffer.allocUnsafeSlow(cloneBytes), start + besideBytes);
  try {
    return { version, value: decode(clone, (target, offset) => readAt(fd, target, start + offset)) };
  } catch (error) {
    throw new Error(`Node ${process.version} cannot read what ${node} wrote: ${(error as Error).message}`);
  }
}

function headOf({ clone, beside }: Encoded, version: number): Buffer {
  const besideBytes = beside.reduce((sum, { length }) => sum + length, 0);
  const head: Head = { version, node: process.version, besideBytes, cloneBytes: clone.length };
  const json = Buffer.from(JSON.stringify(head));
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(FORMAT, 0);
  numbers.writeUInt32LE(json.length, 4);
  return Buffer.concat([MAGIC, numbers, json]);
}

/** The pages of a memfd are charged to whoever writes them, and then there is what the other process makes of them. */
function requireMemory(bytes: number): void {
  const available = availableMemoryBytes();
  if (available === null || bytes * 2 <= available) return;
  const [needed, left] = [bytes * 2, available].map((amount) => `${Math.ceil(amount / 2 ** 20)} MB`);
  throw new Error(`to pass it on takes ${needed} of memory, and ${left} are left`);
}

function writeNow(fd: Fd, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at, Math.min(CHUNK_BYTES, data.length - at));
}

async function writeLater(fd: Fd, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length; ) {
    const length = Math.min(CHUNK_BYTES, data.length - at);
    at += await new Promise<number>((resolve, reject) => {
      write(fd, data, at, length, null, (error, written) => (error === null ? resolve(written) : reject(error)));
    });
  }
}

function readAt<Target extends Uint8Array>(fd: Fd, target: Target, position: number): Target {
  for (let at = 0; at < target.length; ) {
    const read = readSync(fd, target, at, Math.min(CHUNK_BYTES, target.length - at), position + at);
    if (read === 0) throw new Error('it ends too early');
    at += read;
  }
  return target;
}
