/**
 * The fd store of the host, as systemd's (service_add_fd_store): descriptors by name, kept for the next supervisor while
 * the service lives. Names may be shared; the same open file is kept once. One that hangs up is dropped, unless it came
 * with FDPOLL=0.
 */
import { fstatSync, readlinkSync } from 'node:fs';
import { Descriptor } from '../inventory/descriptor.js';
import type { Log } from '../log.js';
import { type Fd, native, type Watcher } from '../native.js';
import type { FdStoreRequest } from './fd-store-message.js';

/** As the units of `batond install` have it: FileDescriptorStoreMax=. */
export const FD_STORE_MAX = 512;

export interface StoredFd {
  readonly name: string;
  readonly descriptor: Descriptor;
  /** Whether it is dropped when it hangs up. */
  readonly polled: boolean;
}

export class FdStore {
  readonly #max: number;
  readonly #log: Log;
  readonly #hangups = new Descriptor(native().epollCreate());
  readonly #watcher: Watcher;
  #stored: StoredFd[] = [];

  /** `max` is FileDescriptorStoreMax= of a unit. */
  constructor(max: number, log: Log) {
    this.#max = max;
    this.#log = log;
    this.#watcher = native().watch(this.#hangups.fd, { readable: true, writable: false }, () => this.#dropHangups());
  }

  get size(): number {
    return this.#stored.length;
  }

  /** The descriptors stay the store's: who starts a supervisor passes duplicates. */
  get all(): readonly StoredFd[] {
    return this.#stored;
  }

  /** Does what a message asks for; `fds` are taken, whatever becomes of them. */
  take(request: FdStoreRequest, fds: readonly Fd[]): void {
    const descriptors = fds.map((fd) => new Descriptor(fd));
    try {
      if (request.kind === 'remove') this.#remove(request.name);
      else this.#addAll(request, descriptors);
    } finally {
      const kept = new Set(this.#stored.map(({ descriptor }) => descriptor));
      for (const descriptor of descriptors) if (!kept.has(descriptor)) descriptor.close();
    }
  }

  /** Drops everything, for good. */
  close(): void {
    if (!this.#hangups.open) return;
    this.#drop(() => true);
    this.#watcher.close();
    this.#hangups.close();
  }

  #addAll({ name, poll, nameRefused }: FdStoreRequest & { kind: 'store' }, descriptors: readonly Descriptor[]): void {
    if (!this.#hangups.open) return;
    if (nameRefused)
      this.#log.warn({ event: 'fd-store' }, `FDSTORE=1 with a FDNAME= that is not valid: stored as ${name}`);
    for (const descriptor of descriptors) {
      if (this.#stored.length >= this.#max) {
        const message = `FDSTORE=1: cannot store more than ${this.#max} descriptors, closing the rest of ${name}`;
        this.#log.warn({ event: 'fd-store', fdName: name, max: this.#max }, message);
        return;
      }
      if (this.#stored.some((one) => isSameFile(one.descriptor.fd, descriptor.fd))) continue;
      const polled = poll && native().epollAdd(this.#hangups.fd, descriptor.fd);
      this.#stored.push({ name, descriptor, polled });
    }
  }

  #remove(name: string | null): void {
    if (name === null) {
      this.#log.warn({ event: 'fd-store' }, 'FDSTOREREMOVE=1 without a FDNAME= that is valid: ignored');
      return;
    }
    this.#drop((one) => one.name === name);
  }

  #dropHangups(): void {
    const hungUp = new Set(native().epollWait(this.#hangups.fd));
    this.#drop(({ polled, descriptor }) => polled && hungUp.has(descriptor.fd));
  }

  #drop(isDropped: (one: StoredFd) => boolean): void {
    const dropped = this.#stored.filter(isDropped);
    this.#stored = this.#stored.filter((one) => !dropped.includes(one));
    for (const { descriptor, polled } of dropped) {
      if (polled) native().epollRemove(this.#hangups.fd, descriptor.fd);
      descriptor.close();
    }
  }
}

/**
 * Where the kernel does not tell, the inode does, as in systemd's same_fd(); but pidfds, eventfds and their like may all
 * be of one anonymous inode, and losing one of them is worse than keeping it twice.
 */
function isSameFile(first: Fd, second: Fd): boolean {
  const told = native().sameFile(first, second);
  if (told !== null) return told;
  const [a, b] = [fstatSync(first), fstatSync(second)];
  return a.dev === b.dev && a.ino === b.ino && !readlinkSync(`/proc/self/fd/${first}`).startsWith('anon_inode:');
}
