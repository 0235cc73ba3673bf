/**
 * The socket of journald's native protocol: a datagram an entry, connected on first use and again where journald was
 * started anew. It never throws, and it waits only as long as it is told, once, until journald has read again.
 */
import { writeSync } from 'node:fs';
import { Descriptor } from '../inventory/descriptor.js';
import { type Fd, native } from '../native.js';

export const JOURNAL_SOCKET = '/run/systemd/journal/socket';

/** What became of an entry: 'full' where journald does not read, 'gone' where nobody does. */
export type Sent = 'sent' | 'full' | 'gone';

export class JournalSocket {
  readonly #path: string;
  /** Connected, since only then poll(2) tells when journald reads again. */
  #socket: Descriptor | null = null;
  #stalled = false;

  constructor(path: string = JOURNAL_SOCKET) {
    this.#path = path;
  }

  send(entry: Buffer, patienceMs: number): Sent {
    try {
      const outcome = this.#attempt((fd) => native().send(fd, entry), patienceMs);
      return outcome === 'too-big' ? this.#sendBig(entry, patienceMs) : outcome;
    } catch {
      return 'gone';
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  /**
   * An entry beyond the socket's send buffer goes as a file: an empty datagram with one descriptor of a memfd, sealed,
   * or journald would have to trust us not to change it while it reads.
   */
  #sendBig(entry: Buffer, patienceMs: number): Sent {
    using file = new Descriptor(native().memfdCreate('batond-journal-entry'));
    for (let written = 0; written < entry.length; ) written += writeSync(file.fd, entry, written);
    native().memfdSeal(file.fd);
    const outcome = this.#attempt((fd) => native().send(fd, new Uint8Array(0), { fds: [file.fd] }), patienceMs);
    return outcome === 'too-big' ? 'gone' : outcome;
  }

  /** A journald that was restarted is behind the same path but another socket: it is tried twice. */
  #attempt(send: (fd: Fd) => number | null, patienceMs: number): Sent | 'too-big' {
    const outcome = this.#try(send, patienceMs);
    if (outcome !== 'gone') return outcome;
    this.close();
    return this.#try(send, patienceMs);
  }

  #try(send: (fd: Fd) => number | null, patienceMs: number): Sent | 'too-big' {
    try {
      const fd = this.#connected();
      if (send(fd) !== null) return this.#went();
      const ready = native().poll(fd, { readable: false, writable: true }, this.#stalled ? 0 : patienceMs);
      if (ready?.writable === true && send(fd) !== null) return this.#went();
      this.#stalled = true;
      return 'full';
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EMSGSIZE' || code === 'ENOBUFS') return 'too-big';
      return 'gone';
    }
  }

  #went(): Sent {
    this.#stalled = false;
    return 'sent';
  }

  #connected(): Fd {
    if (this.#socket === null) {
      const socket = new Descriptor(native().unixSocket('dgram'));
      try {
        native().connectUnix(socket.fd, this.#path);
      } catch (error) {
        socket.close();
        throw error;
      }
      this.#socket = socket;
    }
    return this.#socket.fd;
  }
}
