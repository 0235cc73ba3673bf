/**
 * The notify socket of one worker that is not a Node program: it is told READY=1 there, never on systemd's own, where a
 * worker's STOPPING=1 would stop the whole unit.
 *
 * Only the worker's own session is listened to: the kernel vouches for the sender's pid, /proc for its session. That is
 * between NotifyAccess=main, which programs with a launcher could not use, and =all: a process that has left the session,
 * as a daemon does, does not speak for the worker, whose exit is what counts.
 */
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { Descriptor } from '../inventory/descriptor.js';
import { type Credentials, type Fd, native, type Watcher } from '../native.js';

const MAX_MESSAGE_BYTES = 8_192;
/** One turn of the loop reads at most so many, so that a worker that talks without end cannot keep it. */
const MAX_MESSAGES_PER_TURN = 64;

export interface NotifyListenerHandlers {
  readonly onReady: () => void;
  /** WATCHDOG=1. */
  readonly onSign: () => void;
  /** STATUS=, as it was said. */
  readonly onStatus: (text: string) => void;
  /** Somebody else spoke. */
  readonly onForeign: (sender: Credentials) => void;
}

export class NotifyListener {
  readonly path: string;
  readonly #descriptor: Descriptor;
  readonly #pid: number;
  readonly #handlers: NotifyListenerHandlers;
  readonly #watcher: Watcher;

  constructor(fd: Fd, path: string, pid: number, handlers: NotifyListenerHandlers) {
    this.path = path;
    this.#descriptor = new Descriptor(fd);
    this.#pid = pid;
    this.#handlers = handlers;
    this.#watcher = native().watch(fd, { readable: true, writable: false }, () => this.#read());
  }

  /** Binds the socket where the worker will be told to find it. A file left there by a crashed run is replaced. */
  static bind(path: string): Fd {
    rmSync(path, { force: true });
    const fd = native().bind({
      type: 'dgram',
      address: { family: 'unix', path },
      reuseAddress: false,
      reusePort: false,
      ipv6Only: false,
    });
    // The worker runs as our user; whatever the umask says, nobody else has a word here.
    chmodSync(path, 0o600);
    native().setPassCredentials(fd, true);
    return fd;
  }

  get fd(): Fd {
    return this.#descriptor.fd;
  }

  pause(): void {
    this.#watcher.update({ readable: false, writable: false });
  }

  resume(): void {
    this.#watcher.update({ readable: true, writable: false });
  }

  close(): void {
    this.#watcher.close();
    if (!this.#descriptor.open) return;
    this.#descriptor.close();
    rmSync(this.path, { force: true });
  }

  #read(): void {
    for (let n = 0; n < MAX_MESSAGES_PER_TURN && this.#descriptor.open; n++) {
      const received = native().receive(this.#descriptor.fd, MAX_MESSAGE_BYTES, 16);
      if (received === null) return;
      // BARRIER=1 carries a descriptor whose closing is the answer; others have no meaning here.
      for (const fd of received.fds) native().close(fd);
      const sender = received.credentials;
      if (sender === null) continue;
      if (sender.pid !== this.#pid && sessionOf(sender.pid) !== this.#pid) this.#handlers.onForeign(sender);
      else this.#hear(received.data.toString('utf8'));
    }
  }

  #hear(message: string): void {
    for (const line of message.split('\n')) {
      if (line === 'READY=1') this.#handlers.onReady();
      else if (line === 'WATCHDOG=1') this.#handlers.onSign();
      else if (line.startsWith('STATUS=')) this.#handlers.onStatus(line.slice('STATUS='.length));
    }
  }
}

/** The session of a process, proc_pid_stat(5) field 6; 0 where it is gone. */
function sessionOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
  } catch {
    return 0;
  }
}
