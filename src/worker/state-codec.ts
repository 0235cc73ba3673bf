/**
 * A value as bytes and back: V8's structured clone, but for large binary data, which is not copied into it. Such data
 * stands beside the clone, so that 200 MB of Buffers take no second 200 MB on their way, and their size is known before
 * anything is copied. Unlike with `v8.deserialize`, a restored Buffer does not keep the whole clone in memory.
 */
import { Deserializer, Serializer } from 'node:v8';

/** Binary data of so many bytes stands beside the clone. */
const BESIDE_BYTES = 64 * 1_024;

/** What a view is made again with; its index is in the format, so new ones are added at the end. */
const VIEWS = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
] as const;
const BUFFER = VIEWS.length;

/** The value takes more bytes than it may. */
export class TooLargeError extends Error {
  /** At least so many. */
  readonly bytes: number;

  constructor(bytes: number) {
    super(`at least ${bytes} bytes`);
    this.bytes = bytes;
  }
}

export interface Encoded {
  readonly clone: Buffer;
  /** The app's own memory, lent: it is to be written before the app runs again. */
  readonly beside: readonly Uint8Array[];
  /** Of both. */
  readonly bytes: number;
}

/** Throws what cannot be cloned (a function, a socket), and TooLargeError as soon as that is known. */
export function encode(value: unknown, maxBytes: number): Encoded {
  const writer = new Writer(maxBytes);
  writer.writeHeader();
  writer.writeValue(value);
  const clone = writer.releaseBuffer();
  const bytes = clone.length + writer.besideBytes;
  if (bytes > maxBytes) throw new TooLargeError(bytes);
  return { clone, beside: writer.beside, bytes };
}

/** `readBeside` fills a target with the bytes that stand beside the clone from an offset on. */
export function decode(clone: Buffer, readBeside: (target: Uint8Array, offset: number) => void): unknown {
  const reader = new Reader(clone, readBeside);
  reader.readHeader();
  return reader.readValue();
}

class Writer extends Serializer {
  readonly beside: Uint8Array[] = [];
  besideBytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    super();
    this.#maxBytes = maxBytes;
    (this as unknown as { _setTreatArrayBufferViewsAsHostObjects(on: boolean): void })
      // Without it V8 would write the whole memory that a view looks at a part of.
      ._setTreatArrayBufferViewsAsHostObjects(true);
  }

  /** Called by V8 for each view, once for each object: who is referred to twice stays one. */
  _writeHostObject(view: NodeJS.ArrayBufferView): void {
    const type = Buffer.isBuffer(view) ? BUFFER : VIEWS.findIndex((kind) => view instanceof kind);
    if (type < 0) throw new Error(`${Object.prototype.toString.call(view)} could not be cloned.`);
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const isBeside = bytes.length >= BESIDE_BYTES;
    this.writeUint32(isBeside ? 1 : 0);
    this.writeUint32(type);
    this.writeDouble(bytes.length);
    if (!isBeside) {
      this.writeRawBytes(bytes);
      return;
    }
    this.writeDouble(this.besideBytes);
    this.beside.push(bytes);
    this.besideBytes += bytes.length;
    if (this.besideBytes > this.#maxBytes) throw new TooLargeError(this.besideBytes);
  }
}

class Reader extends Deserializer {
  readonly #readBeside: (target: Uint8Array, offset: number) => void;

  constructor(clone: Buffer, readBeside: (target: Uint8Array, offset: number) => void) {
    super(clone);
    this.#readBeside = readBeside;
  }

  _readHostObject(): NodeJS.ArrayBufferView {
    const isBeside = this.readUint32() === 1;
    const type = this.readUint32();
    const length = this.readDouble();
    // Small Buffers come from Node's pool, which is faster; other views need memory of their own.
    const bytes = type === BUFFER ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
    if (isBeside) this.#readBeside(bytes, this.readDouble());
    else bytes.set(this.readRawBytes(length));
    if (type === BUFFER) return bytes;
    const View = VIEWS[type] as (new (memory: ArrayBuffer) => NodeJS.ArrayBufferView) | undefined;
    if (View === undefined) throw new Error(`binary data of the unknown kind ${type}`);
    return new View(bytes.buffer);
  }
}
