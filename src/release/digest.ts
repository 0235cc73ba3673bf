/**
 * The SHA-256 of files, one after the other and in pieces, so that a big one costs no more memory than a small one.
 *
 * Synchronous on purpose: each asynchronous call goes through libuv's thread pool, three times a file, which takes three
 * times as long for the many small files of a node_modules. The supervisor does it in a thread (verify-beside.ts).
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { SealedFile } from './seal-format.js';

const PIECE_BYTES = 1 << 20;

export class Digester {
  readonly #piece = Buffer.allocUnsafe(PIECE_BYTES);
  readonly #onPiece: () => void;

  /** `onPiece` is called for each MiB that was read, and for what is left of a file. */
  constructor(onPiece: () => void = () => {}) {
    this.#onPiece = onPiece;
  }

  /**
   * Without `bytes`, or where the file has so many, all of it; else the hash is empty: it is another file anyway. Throws
   * what open(2) and read(2) do: ELOOP for a symlink.
   */
  digest(path: string, bytes?: number): SealedFile {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { size, mode } = fstatSync(fd);
      const executable = (mode & 0o111) !== 0;
      if (bytes !== undefined && size !== bytes) return { sha256: '', bytes: size, executable };
      const hash = createHash('sha256');
      let total = 0;
      for (;;) {
        const read = readSync(fd, this.#piece, 0, PIECE_BYTES, null);
        if (read === 0) return { sha256: hash.digest('hex'), bytes: total, executable };
        hash.update(this.#piece.subarray(0, read));
        total += read;
        this.#onPiece();
      }
    } finally {
      closeSync(fd);
    }
  }
}
