/**
 * The host's side of sd_notify(3): the socket that supervisors report to, as systemd's is. Only the main process is
 * listened to (NotifyAccess=main), and the kernel vouches for who speaks.
 */
import { chmodSync, rmSync } from 'node:fs';
import { Descriptor } from '../inventory/descriptor.js';
import { type Credentials, type Fd, native, type Watcher } from '../native.js';
import { type FdStoreRequest, parseFdStoreRequest } from './fd-store-message.js';

const MAX_MESSAGE_BYTES = 8_192;
const MAX_FDS = 253;
const MAX_MESSAGES_PER_TURN = 64;
/** More than the kernel lets wait in one socket (net.unix.max_dgram_qlen), where that is not raised. */
const MAX_LAST_WORDS = 1_024;

/** No kernel counts further than 2^22, proc(5): pid_max. */
const PID = /^[1-9]\d{0,6}$/;

export interface NotifyHandlers {
  /** The main process at this moment. */
  readonly mainPid: () => number;
  /** Somebody else spoke. */
  readonly onForeign: (sender: Credentials) => void;
  /** The main process has said something, whatever it is. */
  readonly onHeard: () => void;
  readonly onMainPid: (pid: number) => void;
  readonly onReady: () => void;
  readonly onStopping: () => void;
  readonly onStatus: (text: string) => void;
  readonly onWatchdog: () => void;
  /** The descriptors are given away. */
  readonly onFdStore: (request: FdStoreRequest, fds: readonly Fd[]) => void;
}

export class NotifySocket {
  readonly path: string;
  readonly #descriptor: Descriptor;
  readonly #watcher: Watcher;
  readonly #handlers: NotifyHandlers;

  constructor(path: string, handlers: NotifyHandlers) {
    rmSync(path, { force: true });
    this.path = path;
    this.#handlers = handlers;
    this.#descriptor = new Descriptor(
      native().bind({
        type: 'dgram',
        address: { family: 'unix', path },
        reuseAddress: false,
        reusePort: false,
        ipv6Only: false,
      }),
    );
    chmodSync(path, 0o600);
    native().setPassCredentials(this.#descriptor.fd, true);
    this.#watcher = native().watch(this.#descriptor.fd, { readable: true, writable: false }, () =>
      this.#read(MAX_MESSAGES_PER_TURN),
    );
  }

  /** Takes what lies in the socket: also before the exit of a main process is judged, whose last words may be there. */
  read(): void {
    this.#read(MAX_LAST_WORDS);
  }

  #read(limit: number): void {
    for (let n = 0; n < limit && this.#descriptor.open; n++) {
      const received = native().receive(this.#descriptor.fd, MAX_MESSAGE_BYTES, MAX_FDS);
      if (received === null) return;
      this.#take(received.data.toString('utf8'), received.credentials, received.fds);
    }
  }

  close(): void {
    this.#watcher.close();
    this.#descriptor.close();
    rmSync(this.path, { force: true });
  }

  /** Closing what came with BARRIER=1 is its answer; the order of messages on one socket does the rest. */
  #take(text: string, sender: Credentials | null, fds: readonly Fd[]): void {
    const trusted = sender !== null && sender.pid === this.#handlers.mainPid();
    const request = trusted ? parseFdStoreRequest(text) : null;
    if (request !== null) this.#handlers.onFdStore(request, fds);
    else for (const fd of fds) native().close(fd);
    if (sender === null) return;
    if (!trusted) {
      this.#handlers.onForeign(sender);
      return;
    }
    this.#handlers.onHeard();
    const fields = new Map(
      text
        .split('\n')
        .filter((line) => line.includes('='))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
    );
    const main = fields.get('MAINPID') ?? '';
    if (PID.test(main)) this.#handlers.onMainPid(Number(main));
    const status = fields.get('STATUS');
    if (status !== undefined) this.#handlers.onStatus(status);
    if (fields.get('READY') === '1') this.#handlers.onReady();
    if (fields.get('WATCHDOG') === '1') this.#handlers.onWatchdog();
    if (fields.get('STOPPING') === '1') this.#handlers.onStopping();
  }
}
