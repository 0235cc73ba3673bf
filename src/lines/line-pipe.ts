/**
 * The end of a pipe that a worker writes its lines into. A line is looked at where it lies and taken out of the pipe only
 * once it has been delivered, so the pipe itself is the only buffer: whatever supervisor has the descriptor next begins
 * with the first line that nobody has delivered, and half a line waits in the kernel for its other half. A supervisor
 * that is killed between the two repeats that one line; none is lost.
 *
 *   worker -- write(2) --> [ pipe ] -- tee(2) --> [ scratch ] -- read(2) --> a line --> delivered --> read(2) of [ pipe ]
 */
import { readSync } from 'node:fs';
import { Descriptor } from '../inventory/descriptor.js';
import { type Fd, native } from '../native.js';

/** One turn of the loop takes at most so much out of one pipe, so that a flood of one starves nobody. */
const TURN_BYTES = 32 * 1024;
/** What is looked at first; nearly all lines are shorter. */
const GLANCE_BYTES = 64 * 1024;
/** How much waits in the kernel while no supervisor reads; /proc/sys/fs/pipe-max-size is this by default. */
export const PIPE_BYTES = 2 ** 20;

const NEWLINE = 10;

/** `more`: there is more to be read at once. `blocked`: what it leads to takes nothing now. `ended`: nobody writes. */
export type Turn = 'waits' | 'more' | 'blocked' | 'ended';

/** False where the line cannot be delivered now. `cut`: it is a part of one that was longer than the pipe can hold. */
export type Deliver = (line: string, cut: boolean) => boolean;

/** A pipe of its own that what is looked at is copied into; always empty between two calls. */
export class Scratch {
  readonly #from: Descriptor;
  readonly #to: Descriptor;
  readonly #buffer = Buffer.allocUnsafe(PIPE_BYTES);

  constructor() {
    const [from, to] = native().pipe();
    this.#from = new Descriptor(from);
    this.#to = new Descriptor(to);
    enlarge(from);
  }

  /** What lies in the pipe, lent until the next call: empty at its end, null where nothing is there. */
  glance(fd: Fd, maxBytes: number): Buffer | null {
    const count = native().tee(fd, this.#to.fd, maxBytes);
    if (count === null) return null;
    for (let read = 0; read < count; ) read += readSync(this.#from.fd, this.#buffer, read, count - read, null);
    return this.#buffer.subarray(0, count);
  }

  close(): void {
    this.#from.close();
    this.#to.close();
  }
}

export class LinePipe {
  readonly #descriptor: Descriptor;
  readonly #deliver: Deliver;
  /** A line that is longer is cut: a pipe of pages that are all half full holds no more. */
  readonly #longest: number;
  /** What comes next belongs to a line of which the beginning has been delivered. */
  #isCut = false;

  /** It owns the descriptor. */
  constructor(fd: Fd, deliver: Deliver) {
    this.#descriptor = new Descriptor(fd);
    this.#deliver = deliver;
    this.#longest = native().pipeSize(fd) / 2;
  }

  /** Lent. */
  get fd(): Fd {
    return this.#descriptor.fd;
  }

  turn(scratch: Scratch): Turn {
    let left = TURN_BYTES;
    // Of a pipe that nobody writes into any more, what has no newline at its end is a line too.
    let isLast = false;
    while (left > 0) {
      let seen = scratch.glance(this.fd, GLANCE_BYTES);
      if (seen === null) return 'waits';
      if (seen.length === 0) return 'ended';
      if (seen.length === GLANCE_BYTES && !seen.includes(NEWLINE)) seen = scratch.glance(this.fd, PIPE_BYTES)!;
      if (seen.includes(NEWLINE)) {
        const taken = this.#takeLines(seen, left);
        if (taken === null) return 'blocked';
        left -= taken;
      } else if (isLast || seen.length >= this.#longest) {
        if (!this.#take(seen, seen.length, !isLast)) return 'blocked';
        left -= seen.length;
      } else {
        isLast = this.#hasEnded();
        if (!isLast) return 'waits';
      }
    }
    return 'more';
  }

  close(): void {
    this.#descriptor.close();
  }

  /** How many bytes were taken, about `most` at most; null where a line could not be delivered. */
  #takeLines(seen: Buffer, most: number): number | null {
    let start = 0;
    for (let end = seen.indexOf(NEWLINE); end !== -1 && start < most; end = seen.indexOf(NEWLINE, start)) {
      if (!this.#take(seen.subarray(start, end), end + 1 - start, false)) return null;
      start = end + 1;
    }
    return start;
  }

  #take(line: Buffer, bytes: number, cut: boolean): boolean {
    const text = line.toString('utf8').trimEnd();
    if (text !== '' && !this.#deliver(text, cut || this.#isCut)) return false;
    this.#isCut = cut;
    for (let left = bytes; left > 0; ) left -= readSync(this.fd, SINK, 0, Math.min(left, SINK.length), null);
    return true;
  }

  #hasEnded(): boolean {
    return native().poll(this.fd, { readable: false, writable: false }, 0)?.hangup === true;
  }
}

/** Where what has been delivered goes. */
const SINK = Buffer.allocUnsafe(64 * 1024);

/** Beyond what the machine, or the user's share of it, allows, it stays as it was made: 64 KiB. */
export function enlarge(fd: Fd): void {
  try {
    native().setPipeSize(fd, PIPE_BYTES);
  } catch {
    // EPERM.
  }
}
