/**
 * One end of an AF_UNIX SEQPACKET pair on the event loop: a packet is one JSON object with its descriptors.
 *
 * It owns its descriptor. It never interprets a message, and it never blocks: what the other side does not read waits
 * in a bounded queue, and a side that lets it overflow is treated as gone.
 */
import { Descriptor } from '../inventory/descriptor.js';
import { type Credentials, type Fd, native, type Watcher } from '../native.js';
import { MAX_PACKET_BYTES } from './messages.js';

/** unix(7): SCM_MAX_FD. */
export const MAX_FDS_PER_PACKET = 253;

const MAX_QUEUED_PACKETS = 1_000;
/** One turn of the loop reads at most so many packets, so that one noisy worker cannot starve the others. */
const MAX_PACKETS_PER_TURN = 64;

export interface PacketHandlers {
  /** The handler owns the descriptors. `sender` is known only after `setPassCredentials` of the descriptor. */
  readonly onPacket: (message: unknown, fds: Fd[], sender: Credentials | null) => void;
  /**
   * The other end is closed, or speaks in a way that cannot be followed. Called once. `ended`: all that it ever sent has
   * been read.
   */
  readonly onClose: (reason: string, ended: boolean) => void;
}

interface Queued {
  readonly data: Buffer;
  readonly fds: Descriptor[];
}

export class PacketSocket implements Disposable {
  readonly #descriptor: Descriptor;
  readonly #queue: Queued[] = [];
  readonly #handlers: PacketHandlers;
  #watcher: Watcher | null;
  #reading = true;

  constructor(fd: Fd, handlers: PacketHandlers) {
    this.#descriptor = new Descriptor(fd);
    this.#handlers = handlers;
    this.#watcher = native().watch(fd, { readable: true, writable: false }, (ready) => this.#turn(ready));
  }

  /** The number, lent: to be passed on in a takeover. */
  get fd(): Fd {
    return this.#descriptor.fd;
  }

  get closed(): boolean {
    return this.#watcher === null;
  }

  /** Packets that the other side has not read yet and that only this process holds. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Sends a message; the descriptors passed are duplicated by the kernel and stay the caller's. False where it is known
   * already that nobody will read it.
   */
  send(message: object, fds: readonly Fd[] = []): boolean {
    if (this.#watcher === null) return false;
    const data = Buffer.from(JSON.stringify(message));
    if (data.length > MAX_PACKET_BYTES) throw new RangeError(`a packet of ${data.length} bytes`);
    const sent = this.#queue.length === 0 ? this.#sendNow(data, fds) : 'later';
    if (sent !== 'later') return sent === 'sent';
    if (this.#queue.length >= MAX_QUEUED_PACKETS) {
      this.#fail('it does not read what it is sent');
      return false;
    }
    this.#queue.push({ data, fds: fds.map((fd) => new Descriptor(native().dup(fd))) });
    this.#listen();
    return true;
  }

  /** It no longer keeps the event loop alive. */
  unref(): void {
    this.#watcher?.unref();
  }

  /** Stops reading: what comes waits in the socket for whoever holds it next. */
  pause(): void {
    this.#reading = false;
    this.#listen();
  }

  resume(): void {
    this.#reading = true;
    this.#listen();
  }

  /** Reads what already lies in the socket, without waiting for the loop: the last words of a process that has ended. */
  drainReads(): void {
    this.#reading = true;
    this.#read();
  }

  close(): void {
    this.#stop();
    this.#descriptor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #listen(): void {
    this.#watcher?.update({ readable: this.#reading, writable: this.#queue.length > 0 });
  }

  #turn(ready: { readable: boolean; writable: boolean; hangup: boolean }): void {
    if (ready.writable) this.#flush();
    if (this.#reading && (ready.readable || ready.hangup)) this.#read();
  }

  #read(): void {
    for (let n = 0; n < MAX_PACKETS_PER_TURN && this.#watcher !== null && this.#reading; n++) {
      let received: ReturnType<ReturnType<typeof native>['receive']>;
      try {
        received = native().receive(this.#descriptor.fd, MAX_PACKET_BYTES, MAX_FDS_PER_PACKET);
      } catch (error) {
        // It closed with something of ours unread (unix(7)). That is told once; what it said before is still to come.
        if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') continue;
        this.#fail((error as Error).message);
        return;
      }
      if (received === null) return;
      const fds = [...received.fds];
      if (received.data.length === 0) {
        for (const fd of fds) native().close(fd);
        this.#fail('it closed its end', true);
        return;
      }
      const message = received.truncated || received.fdsTruncated ? undefined : parse(received.data);
      if (message === undefined) {
        for (const fd of fds) native().close(fd);
        this.#fail(
          received.fdsTruncated ? 'descriptors were lost on the way: too many open files' : 'it sent no message',
        );
        return;
      }
      this.#handlers.onPacket(message, fds, received.credentials);
    }
  }

  #flush(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const fds = next.fds.map((fd) => fd.fd);
      if (this.#sendNow(next.data, fds) === 'later') return;
      if (this.#watcher === null) return;
      this.#queue.shift();
      for (const fd of next.fds) fd.close();
    }
    this.#listen();
  }

  /**
   * `nobody`: the other end is closed, or has just been given up. A closed peer is not reported from here: what it said
   * last still waits to be read, and the end of the socket follows that.
   */
  #sendNow(data: Buffer, fds: readonly Fd[]): 'sent' | 'later' | 'nobody' {
    try {
      return native().send(this.#descriptor.fd, data, fds.length > 0 ? { fds } : {}) === null ? 'later' : 'sent';
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'EPIPE' && code !== 'ECONNRESET') this.#fail(message);
      return 'nobody';
    }
  }

  /**
   * The descriptor stays open until its owner closes it: a worker whose channel has ended is still in the inventory
   * until its exit is seen, and a takeover in between has to hand over what is there.
   */
  #fail(reason: string, ended = false): void {
    if (this.#watcher === null) return;
    this.#stop();
    this.#handlers.onClose(reason, ended);
  }

  #stop(): void {
    this.#watcher?.close();
    this.#watcher = null;
    for (const { fds } of this.#queue.splice(0)) for (const fd of fds) fd.close();
  }
}

function parse(data: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(data.toString('utf8'));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
