/**
 * The worker's end of the channel: messages in and out, and one question that blocks the app until it is answered.
 *
 * The supervisor may stop reading for a while (a takeover, its crash and restart), so nothing here waits for it but
 * `ask`; what cannot be sent is queued. It is not taken for gone until the socket says so, because the other end lives
 * on in systemd's fd store when the supervisor dies, and its successor reads on.
 */
import { decodeToWorker, descriptorsOf } from '../channel/decode-to-worker.js';
import { type FromWorker, MAX_PACKET_BYTES, type ToWorker } from '../channel/messages.js';
import type { Descriptor } from '../inventory/descriptor.js';
import { type Fd, native, type Watcher } from '../native.js';
import { monotonicMs } from '../process/monotonic.js';

/** Packets that may wait for a supervisor that does not read. */
const MAX_QUEUED = 1000;

/** Packets handled in one turn of the loop, so that a flood cannot starve the app. */
const MAX_PER_TURN = 64;

/** How long the app's `listen` waits for its answer. A takeover or a restarted supervisor takes far less. */
const ASK_TIMEOUT_MS = 30_000;

export interface Packet {
  readonly message: ToWorker;
  readonly fd: Fd | null;
}

type OnMessage = (message: ToWorker, fd: Fd | null) => void;

export class Channel {
  readonly #fd: Fd;
  readonly #outgoing: { readonly data: Buffer; readonly file: Descriptor | null }[] = [];
  readonly #incoming: Packet[] = [];
  #watcher: Watcher | null = null;
  #onMessage: OnMessage = () => {};
  #onGone = (): void => {};
  readonly #holders = new Set<object>();
  #gone = false;
  #lastId = 0;

  constructor(fd: Fd) {
    this.#fd = fd;
  }

  start(onMessage: OnMessage, onGone: () => void): void {
    this.#onMessage = onMessage;
    this.#onGone = onGone;
    this.#watcher = native().watch(this.#fd, { readable: true, writable: false }, (ready) => {
      if (ready.writable) this.#flush();
      if (ready.readable || ready.hangup) this.#handleArrived();
    });
    this.#watcher.unref();
  }

  /** Whether the channel keeps the process alive, in place of a gated handle that would; for as long as one holder says so. */
  keepAlive(on: boolean, holder: object): void {
    if (on) this.#holders.add(holder);
    else this.#holders.delete(holder);
    if (this.#holders.size > 0) this.#watcher?.ref();
    else this.#watcher?.unref();
  }

  /** It takes the descriptor, which is closed when it has been sent or never will be. */
  send(message: FromWorker, file: Descriptor | null = null): void {
    if (this.#gone || (this.#outgoing.length >= MAX_QUEUED && isDroppable(message))) {
      file?.close();
      return;
    }
    this.#outgoing.push({ data: Buffer.from(JSON.stringify(message)), file });
    this.#flush();
  }

  /** Blocks until the answer with the message's id is here; `null` when none comes. Other messages keep their order. */
  ask(question: (id: number) => FromWorker): Packet | null {
    if (this.#gone) return null;
    const id = ++this.#lastId;
    const deadline = monotonicMs() + ASK_TIMEOUT_MS;
    this.send(question(id));
    while (!this.#gone) {
      const writable = this.#outgoing.length > 0;
      const ready = native().poll(this.#fd, { readable: true, writable }, Math.max(0, deadline - monotonicMs()));
      if (ready === null) return null;
      if (ready.writable) this.#flush();
      if (!ready.readable && !ready.hangup) continue;
      const packet = this.#receive();
      if (packet === null) continue;
      if ((packet.message.type === 'listener' || packet.message.type === 'refused') && packet.message.id === id) {
        return packet;
      }
      // Another supervisor, and the one before may have read the question without answering it. Two answers do no harm.
      if (packet.message.type === 'attend') this.send(question(id));
      // The watcher does not see what has been read here, so the queue gets its own turn.
      if (this.#incoming.push(packet) === 1) setImmediate(() => this.#handleArrived());
    }
    return null;
  }

  #handleArrived(): void {
    for (let i = 0; i < MAX_PER_TURN; i++) {
      const packet = this.#incoming.shift() ?? this.#receive();
      if (packet === null) return;
      try {
        this.#onMessage(packet.message, packet.fd);
      } catch {
        // No answer is the answer: the supervisor's deadline finds it. The app must not die of it.
      }
    }
    if (this.#incoming.length > 0) setImmediate(() => this.#handleArrived());
  }

  /** The next packet that can be understood, `null` where nothing is there (or nothing will ever be). */
  #receive(): Packet | null {
    while (!this.#gone) {
      let received: ReturnType<ReturnType<typeof native>['receive']>;
      try {
        received = native().receive(this.#fd, MAX_PACKET_BYTES, 4);
      } catch {
        // ECONNRESET: the other end closed with something of ours unread.
        this.#end();
        return null;
      }
      if (received === null) return null;
      if (received.data.length === 0 && received.fds.length === 0) {
        this.#end();
        return null;
      }
      const packet = parse(received.data, received.fds);
      if (packet !== null) return packet;
    }
    return null;
  }

  #flush(): void {
    while (this.#outgoing.length > 0) {
      const { data, file } = this.#outgoing[0]!;
      try {
        if (native().send(this.#fd, data, file === null ? {} : { fds: [file.fd] }) === null) break;
      } catch {
        // EPIPE is followed by the end of the readable side, which is where it is dealt with.
      }
      this.#outgoing.shift();
      file?.close();
    }
    this.#watcher?.update({ readable: true, writable: this.#outgoing.length > 0 });
  }

  #end(): void {
    this.#gone = true;
    for (const { file } of this.#outgoing.splice(0)) file?.close();
    this.#watcher?.close();
    this.#watcher = null;
    native().close(this.#fd);
    // Not from within an `ask` of the app: what follows closes handles and may end the process.
    setImmediate(this.#onGone);
  }
}

const DROPPABLE: ReadonlySet<FromWorker['type']> = new Set(['measures', 'listening', 'unlisten', 'checks']);

/**
 * Beyond the limit only what answers a question of the supervisor, or is said once, still gets in: that is bounded by
 * nature. A lost `unlisten` costs the supervisor a descriptor until this worker ends, and a lost measure nothing; the
 * names of checks are said again to a supervisor that takes over after one that died.
 */
function isDroppable(message: FromWorker): boolean {
  return DROPPABLE.has(message.type);
}

function parse(data: Buffer, fds: readonly Fd[]): Packet | null {
  let value: unknown = null;
  try {
    value = JSON.parse(data.toString());
  } catch {
    // Below.
  }
  const message = decodeToWorker(value, fds.length);
  const own = message === null ? 0 : descriptorsOf(message);
  for (const fd of fds.slice(own)) native().close(fd);
  return message === null ? null : { message, fd: own === 0 ? null : fds[0]! };
}
