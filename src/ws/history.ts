/**
 * The last bytes that were decompressed on a connection: all that an inflater needs to go on where another has stopped,
 * because a message ends on a byte boundary (RFC 7692, 7.2.1). zlib calls it a dictionary.
 */
export class History {
  readonly #size: number;
  readonly #initial: Uint8Array;
  /** Made with the first message: a connection that compresses nothing costs nothing. */
  #ring: Buffer | null = null;
  #at = 0;
  #length = 0;

  /** `windowBits` as agreed with the client: no back-reference goes further. */
  constructor(windowBits: number, initial: Uint8Array = Buffer.alloc(0)) {
    this.#size = 2 ** windowBits;
    this.#initial = initial;
  }

  /** Copies it, because the app may write into its messages. */
  add(bytes: Uint8Array): void {
    if (this.#ring === null) {
      this.#ring = Buffer.allocUnsafeSlow(this.#size);
      this.#append(this.#ring, this.#initial);
    }
    this.#append(this.#ring, bytes);
  }

  /** Oldest first. */
  bytes(): Uint8Array {
    if (this.#ring === null) return this.#initial;
    if (this.#length < this.#size) return Buffer.from(this.#ring.subarray(0, this.#length));
    return Buffer.concat([this.#ring.subarray(this.#at), this.#ring.subarray(0, this.#at)]);
  }

  #append(ring: Buffer, bytes: Uint8Array): void {
    const tail = bytes.subarray(Math.max(0, bytes.length - this.#size));
    const first = Math.min(tail.length, this.#size - this.#at);
    ring.set(tail.subarray(0, first), this.#at);
    ring.set(tail.subarray(first), 0);
    this.#at = (this.#at + tail.length) % this.#size;
    this.#length = Math.min(this.#size, this.#length + tail.length);
  }
}
