/**
 * What the supervisor tells systemd, sd_notify(3): datagrams to $NOTIFY_SOCKET, in order. Outside systemd every method
 * does nothing. It must never block the loop and never throw for what systemd does or fails to do.
 *
 * A socket a message, as sd_notify itself does it: there is no connection to lose when systemd re-executes itself.
 * Where systemd's queue is full (net.unix.max_dgram_qlen is 10 in a container), messages wait here in their order and
 * go out by a timer, because neither a full queue of an unconnected peer nor ENOBUFS can be waited for by poll(2).
 */
import { Descriptor } from '../inventory/descriptor.js';
import { type Fd, native } from '../native.js';
import {
  type Assignment,
  encodeMessage,
  fdNameAssignment,
  reloadingAssignments,
  statusAssignment,
} from './notify-message.js';

const RETRY_MS = 20;
/** As many fds as the kernel passes in one message, unix(7). */
const MAX_FDS = 253;
/** Beyond this systemd is long dead; what is older matters more than what is newer. */
const MAX_QUEUED = 1_024;

interface Message {
  readonly data: Buffer;
  readonly fds: readonly Descriptor[];
}

export class Notifier {
  /** Null outside systemd; an abstract name begins with a NUL. */
  readonly #address: string | null;
  readonly #queue: Message[] = [];
  #retry: NodeJS.Timeout | null = null;
  readonly #onSent: (() => void)[] = [];

  private constructor(address: string | null) {
    this.#address = address;
  }

  /** AF_VSOCK addresses (a virtual machine's manager, not a unit's) are none of ours. */
  static fromEnvironment(env: NodeJS.ProcessEnv): Notifier {
    const given = env.NOTIFY_SOCKET;
    if (given === undefined || !/^[/@]./.test(given)) return new Notifier(null);
    return new Notifier(given.startsWith('@') ? `\0${given.slice(1)}` : given);
  }

  /** Whether anybody is told anything. */
  get active(): boolean {
    return this.#address !== null;
  }

  // Each of the following returns whether systemd has the message now; false also where it waits in our queue.

  /** The start, or the reload, is over. */
  ready(status?: string): boolean {
    return this.#send([['READY', 1], ...(status === undefined ? [] : [statusAssignment(status)])]);
  }

  /** One sentence for `systemctl status`. */
  status(text: string): boolean {
    return this.#send([statusAssignment(text)]);
  }

  reloading(): boolean {
    return this.#send(reloadingAssignments(process.hrtime.bigint()));
  }

  stopping(): boolean {
    return this.#send([['STOPPING', 1]]);
  }

  /** From here on systemd listens to `pid` and no more to us (NotifyAccess=main). */
  mainPid(pid: number): boolean {
    return this.#send([['MAINPID', pid]]);
  }

  watchdog(): boolean {
    // A stale sign of life is worth nothing: it does not wait in the queue.
    return this.#queue.length === 0 && this.#send([['WATCHDOG', 1]]);
  }

  /** Moves the deadline of the start, reload or stop under way to `microseconds` from now. */
  extendTimeout(microseconds: number): boolean {
    return this.#send([['EXTEND_TIMEOUT_USEC', Math.max(0, Math.trunc(microseconds))]]);
  }

  /**
   * Puts duplicates of descriptors into the unit's fd store. Without `poll` systemd keeps one whose peer has hung up,
   * which is what a channel or a pidfd looks like when it is needed most.
   */
  fdStore(name: string, fds: readonly Fd[], { poll }: { readonly poll: boolean }): boolean {
    let delivered = true;
    for (let i = 0; i < fds.length; i += MAX_FDS) {
      const assignments: Assignment[] = [['FDSTORE', 1], fdNameAssignment(name)];
      if (!poll) assignments.push(['FDPOLL', 0]);
      delivered = this.#send(assignments, fds.slice(i, i + MAX_FDS)) && delivered;
    }
    return delivered;
  }

  /** Drops every descriptor of that name. */
  fdStoreRemove(name: string): boolean {
    return this.#send([['FDSTOREREMOVE', 1], fdNameAssignment(name)]);
  }

  /**
   * Resolves when systemd has processed all that was said before, which it tells by closing what comes with BARRIER=1;
   * and after `timeoutMs` as well, since nobody could then do anything but go on. The message goes alone with one
   * descriptor, or systemd takes it for an ordinary one.
   */
  async barrier(timeoutMs: number): Promise<void> {
    if (this.#address === null) return;
    try {
      await this.#passBarrier(timeoutMs);
    } catch {
      // Out of descriptors: there is no barrier then, and the messages before it are in systemd's queue all the same.
    }
  }

  /** Resolves when systemd has been sent all that was said, or after `timeoutMs`. */
  async sent(timeoutMs: number): Promise<void> {
    if (this.#queue.length === 0) return;
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(resolve, timeoutMs);
      this.#onSent.push(() => {
        clearTimeout(deadline);
        resolve();
      });
    });
  }

  async #passBarrier(timeoutMs: number): Promise<void> {
    const [ours, theirs] = native().socketpair('stream');
    using mine = new Descriptor(ours);
    const end = new Descriptor(theirs);
    try {
      this.#send([['BARRIER', 1]], [end.fd]);
    } finally {
      end.close();
    }
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(deadline);
        watcher.close();
        resolve();
      };
      const watcher = native().watch(mine.fd, { readable: true, writable: false }, done);
      const deadline = setTimeout(done, timeoutMs);
    });
  }

  #send(assignments: readonly Assignment[], fds: readonly Fd[] = []): boolean {
    const data = encodeMessage(assignments);
    if (this.#address === null) return false;
    if (this.#queue.length === 0) {
      const outcome = deliver(this.#address, data, fds);
      if (outcome !== 'full') return outcome === 'sent';
    }
    if (this.#queue.length >= MAX_QUEUED) return false;
    // The caller may close its own as soon as this returns.
    this.#queue.push({ data, fds: fds.map((fd) => new Descriptor(native().dup(fd))) });
    this.#retry ??= setTimeout(() => this.#flush(), RETRY_MS);
    return false;
  }

  #flush(): void {
    this.#retry = null;
    for (let message = this.#queue[0]; message !== undefined; message = this.#queue[0]) {
      const fds = message.fds.map(({ fd }) => fd);
      if (deliver(this.#address!, message.data, fds) === 'full') {
        this.#retry = setTimeout(() => this.#flush(), RETRY_MS);
        return;
      }
      for (const descriptor of message.fds) descriptor.close();
      this.#queue.shift();
    }
    for (const told of this.#onSent.splice(0)) told();
  }
}

/** 'full' passes; 'failed' does not: nobody is there, or we may not speak to them. */
function deliver(address: string, data: Buffer, fds: readonly Fd[]): 'sent' | 'full' | 'failed' {
  using socket = new Descriptor(native().unixSocket('dgram'));
  try {
    return native().send(socket.fd, data, { fds, to: address }) === null ? 'full' : 'sent';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ETOOMANYREFS: too many descriptors are on their way to systemd just now, unix(7).
    return code === 'ENOBUFS' || code === 'ENOMEM' || code === 'ETOOMANYREFS' ? 'full' : 'failed';
  }
}
