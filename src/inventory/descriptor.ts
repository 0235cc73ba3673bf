/**
 * One owner for one file descriptor. The number is lent by `fd`, moved away by `take`, ended by `close`; whoever forgets
 * both leaks it, whoever uses it afterwards gets a crash instead of somebody else's file.
 */
import { type Fd, native } from '../native.js';

export class Descriptor implements Disposable {
  #fd: Fd | null;

  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** The number, lent for the length of one call. */
  get fd(): Fd {
    if (this.#fd === null) throw new Error('the descriptor is closed or was taken');
    return this.#fd;
  }

  get open(): boolean {
    return this.#fd !== null;
  }

  /** Moves the number out: from here on the caller closes it. */
  take(): Fd {
    const fd = this.fd;
    this.#fd = null;
    return fd;
  }

  /** close(2), once. */
  close(): void {
    if (this.#fd === null) return;
    native().close(this.take());
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
