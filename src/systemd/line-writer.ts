/**
 * Lines to a descriptor that somebody else may have stopped reading: a pipe, a terminal under Ctrl-S, journald's stream.
 * It waits for them a little and then gives up, says later how much was lost, and never throws: no log is worth a
 * supervisor that hangs.
 */
import { writeSync } from 'node:fs';
import { type Fd, native } from '../native.js';

/** Once; while the reader stays away nothing is waited for again. */
const PATIENCE_MS = 500;
/** When poll(2) says writable, so much goes into a pipe without blocking, pipe(7), PIPE_BUF. */
const CHUNK_BYTES = 4_096;

export class LineWriter {
  readonly #fd: Fd;
  #stalled = false;
  #lost = 0;
  /** What was written last has no newline yet. */
  #isCut = false;

  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** Whether a line would go now or within `patienceMs`, or be lost in any case. */
  ready(patienceMs: number): boolean {
    try {
      return native().poll(this.#fd, { readable: false, writable: true }, patienceMs) !== null;
    } catch {
      return true;
    }
  }

  /** Text that ends with a newline. */
  write(text: string): void {
    const end = this.#isCut ? '\n' : '';
    const notice = this.#lost === 0 ? '' : `${end}(${this.#lost} lines before this were lost: nobody read them)\n`;
    if (this.#write(Buffer.from(notice + text))) this.#lost = 0;
    else this.#lost++;
  }

  #write(bytes: Buffer): boolean {
    const deadline = performance.now() + (this.#stalled ? 0 : PATIENCE_MS);
    try {
      let written = 0;
      while (written < bytes.length) {
        const left = Math.max(0, Math.ceil(deadline - performance.now()));
        const ready = native().poll(this.#fd, { readable: false, writable: true }, left);
        const count = ready === null ? 0 : this.#writeChunk(bytes.subarray(written, written + CHUNK_BYTES));
        // A socket may be writable and yet have no room for this chunk: then the deadline ends it too.
        this.#stalled = count === 0 && (ready === null || left === 0);
        if (this.#stalled) return false;
        written += count;
        this.#isCut = written < bytes.length;
      }
      return true;
    } catch {
      return false; // Closed at the other end (EPIPE), or no descriptor at all: nobody is there to tell.
    }
  }

  #writeChunk(chunk: Buffer): number {
    try {
      return writeSync(this.#fd, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
      throw error;
    }
  }
}
