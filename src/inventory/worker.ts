/**
 * One worker as the supervisor knows it: its process, its channel or notify socket, and how far it has come.
 *
 *   booting -> ready -> trusted -> opening -> open -> pausing -> paused -> draining -> stopping
 *                                     ^----------------------------+
 *
 * Each answer moves the phase; nobody waits for a particular answer, so a worker can change hands between two messages.
 */
import type { CheckResult } from '../channel/checks.js';
import { decodeFromWorker } from '../channel/decode.js';
import type { Diversion } from '../channel/diversion.js';
import type {
  Accepts,
  DrainTally,
  EvidenceKind,
  Examined,
  FromWorker,
  Holdings,
  Idle,
  ListenAddress,
  Measures,
  Standing,
  StateAbility,
  StateAnswer,
  ToWorker,
} from '../channel/messages.js';
import { PacketSocket } from '../channel/packet-socket.js';
import type { Cause } from '../healing/rules.js';
import { type Credentials, type Fd, native } from '../native.js';
import { monotonicMs } from '../process/monotonic.js';
import { NotifyListener } from '../process/notify-listener.js';
import { type Exit, Process } from '../process/process.js';
import { statusAssignment } from '../systemd/notify-message.js';
import { Questions } from './questions.js';

export type Phase =
  | 'booting'
  | 'ready'
  | 'trusted'
  | 'opening'
  | 'open'
  | 'pausing'
  | 'paused'
  | 'draining'
  | 'drained'
  | 'stopping';

/** What of a worker travels to the next supervisor beside its descriptors. */
export interface WorkerRecord {
  readonly id: string;
  readonly generation: number;
  readonly slot: number;
  readonly pid: number;
  readonly phase: Phase;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly startedAtMs: number;
  readonly listening: readonly string[];
  /** The exception that it reported before it ended. */
  readonly fatal: string | null;
  /** Absent, as all below, in what an older supervisor wrote. */
  readonly state?: StateAbility;
  /** See `Worker.heldBack`. */
  readonly heldBack?: boolean;
  /** See `Worker.said`. */
  readonly said?: string | null;
  /** The checks that its app has registered. */
  readonly checks?: readonly string[];
  /** Why a supervisor killed it. */
  readonly killedBy?: Cause | null;
  /** It can accept on a second socket of a listener. Absent, as below, in what an older supervisor wrote. */
  readonly canaries?: boolean;
  /** What it was told last to accept on; absent is 'all'. */
  readonly accepts?: Accepts;
  /** Its output comes through pipes that the supervisor reads: `out.<id>` and `err.<id>`. */
  readonly piped?: boolean;
}

/** The ends that are read of the pipes that are a worker's standard output and error. */
export interface WorkerPipes {
  readonly out: Fd;
  readonly err: Fd;
}

/** Who reads the lines of a worker, and owns its pipes. */
export interface LineReader {
  /** Lent. */
  readonly fds: WorkerPipes;
  /** What it said last, the oldest first; a supervisor that has just begun to read knows of nothing. */
  readonly last: readonly string[];
  /** It has ended: what it has said is read at once, and the pipes when nobody writes into them any more. */
  ended(): void;
}

export interface WorkerEvents {
  /** Takes the pipes of a worker. */
  readonly readLines: (
    worker: Pick<WorkerRecord, 'id' | 'generation' | 'slot' | 'pid'>,
    pipes: WorkerPipes,
  ) => LineReader;
  readonly onPhase: (worker: Worker) => void;
  readonly onListen: (worker: Worker, id: number, address: ListenAddress, backlog: number) => void;
  readonly onListening: (worker: Worker, name: string) => void;
  readonly onUnlisten: (worker: Worker, name: string) => void;
  /** Somebody else spoke on its notify socket, and was not listened to. */
  readonly onForeign: (worker: Worker, sender: Credentials) => void;
  /** The handler owns the descriptor. */
  readonly onState: (worker: Worker, answer: StateAnswer, file: Fd | null) => void;
  readonly onExit: (worker: Worker, exit: Exit) => void;
}

export interface WorkerDescriptors {
  readonly pidfd: Fd;
  /** Exactly one of the two: a Node program has a channel, any other a notify socket. */
  readonly channel: Fd | null;
  readonly notify: { readonly fd: Fd; readonly path: string } | null;
  /** Null where its output goes somewhere without us. */
  readonly pipes: WorkerPipes | null;
}

export interface Measured {
  readonly measures: Measures;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly atMs: number;
}

/** The number of what nobody asks: others begin with 1. */
const STARTUP = 0;
const MEASURE_TIMEOUT_MS = 1_000;
/** Beyond what its checks may take: until its answer is here. */
const CHECK_GRACE_MS = 1_000;
/** Ours waits for each answer before it asks again. */
const MAX_UNANSWERED = 64;
/** As many as a service may have listeners: names beyond that are no listeners of ours. */
const MAX_LISTENING = 256;

/** As systemd shows it: bounded, and without what moves the cursor of who reads it. */
const oneLine = (text: string) => String(statusAssignment(text)[1]);

export class Worker {
  readonly id: string;
  readonly generation: number;
  readonly slot: number;
  readonly startedAtMs: number;
  readonly listening: Set<string>;
  readonly process: Process;
  /** It does not accept because its readiness probe fails, not because of a roll. */
  heldBack: boolean;
  /** When it last said WATCHDOG=1 to this supervisor, milliseconds of CLOCK_MONOTONIC. */
  #lastSignMs: number | null = null;
  /** STATUS= of a program that is not Node. */
  #said: string | null;
  #phase: Phase;
  #fatal: string | null;
  #stack: string | null = null;
  #tally: DrainTally | null = null;
  #measured: Measured | null = null;
  #state: StateAbility;
  #checks: ReadonlySet<string>;
  #killedBy: Cause | null;
  #canaries: boolean;
  #accepts: Accepts;
  #nextId = 1;
  /** A heap snapshot is being written, and stops it; milliseconds of CLOCK_MONOTONIC. */
  #standsStill = false;
  #stillUntilMs = Number.NEGATIVE_INFINITY;
  /** Of its requests to listen. */
  #unanswered = 0;
  readonly #events: WorkerEvents;
  readonly #channel: PacketSocket | null;
  readonly #notify: NotifyListener | null;
  readonly #lines: LineReader | null;
  readonly #measuring = new Questions<Measures>();
  readonly #holding = new Questions<Holdings>();
  readonly #examining = new Questions<Examined>();
  readonly #checking = new Questions<readonly CheckResult[]>();

  constructor(record: WorkerRecord, descriptors: WorkerDescriptors, events: WorkerEvents) {
    this.id = record.id;
    this.generation = record.generation;
    this.slot = record.slot;
    this.startedAtMs = record.startedAtMs;
    this.listening = new Set(record.listening);
    this.#phase = record.phase;
    this.#fatal = record.fatal;
    this.heldBack = record.heldBack ?? false;
    this.#said = record.said ?? null;
    this.#state = record.state ?? { saves: false, restores: null };
    this.#checks = new Set(record.checks);
    this.#killedBy = record.killedBy ?? null;
    this.#canaries = record.canaries ?? false;
    this.#accepts = record.accepts ?? 'all';
    this.#events = events;
    this.#lines = descriptors.pipes === null ? null : events.readLines(record, descriptors.pipes);
    this.#channel =
      descriptors.channel === null
        ? null
        : new PacketSocket(descriptors.channel, {
            onPacket: (message, fds) => this.#receive(message, fds),
            // What it means is told by the exit that follows; a worker that only closed its channel is of no use.
            onClose: (_reason, ended) => (ended ? this.process.kill() : this.killFor('channel')),
          });
    this.#notify =
      descriptors.notify === null
        ? null
        : new NotifyListener(descriptors.notify.fd, descriptors.notify.path, record.pid, {
            onReady: () => {
              if (this.#phase === 'booting') this.#move('ready');
            },
            onSign: () => {
              this.#lastSignMs = monotonicMs();
            },
            onStatus: (text) => {
              this.#said = oneLine(text);
            },
            onForeign: (sender) => this.#events.onForeign(this, sender),
          });
    this.process = new Process(record.pid, descriptors.pidfd, (exit) => this.#exited(exit));
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The exception that nobody caught, as the worker reported it before it ended. */
  get fatal(): string | null {
    return this.#fatal;
  }

  /** Its stack, as far as this supervisor has heard of it. */
  get stack(): string | null {
    return this.#stack;
  }

  get lastSignMs(): number | null {
    return this.#lastSignMs;
  }

  /** What it says of itself, on one line; null where it has said nothing. */
  get said(): string | null {
    return this.#said;
  }

  /** What became of its connections, once it has drained; a program without a channel does not say. */
  get tally(): DrainTally | null {
    return this.#tally;
  }

  /** What it has said last of what it counts, whoever asked; null where it has said nothing to this supervisor. */
  get measured(): Measured | null {
    return this.#measured;
  }

  /** Why we have killed it, if we have: what its exit does not say. */
  get killedBy(): Cause | null {
    return this.#killedBy;
  }

  /** SIGKILL, for a reason that the rules of healing know; the first one stands. */
  killFor(cause: Cause): void {
    if (!this.process.alive) return;
    this.#killedBy ??= cause;
    this.process.kill();
  }

  /** What its app has registered. */
  get state(): StateAbility {
    return this.#state;
  }

  /** The names of the checks that its app has registered. */
  get checks(): ReadonlySet<string> {
    return this.#checks;
  }

  /** Whether it can accept on a second socket of a listener: one that an older batond started cannot. */
  get canaries(): boolean {
    return this.#canaries;
  }

  /** What it was told last to accept on. */
  get accepts(): Accepts {
    return this.#accepts;
  }

  get record(): WorkerRecord {
    return {
      id: this.id,
      generation: this.generation,
      slot: this.slot,
      pid: this.process.pid,
      phase: this.#phase,
      startedAtMs: this.startedAtMs,
      listening: [...this.listening],
      fatal: this.#fatal,
      state: this.#state,
      heldBack: this.heldBack,
      said: this.#said,
      checks: [...this.#checks],
      killedBy: this.#killedBy,
      canaries: this.#canaries,
      accepts: this.#accepts,
      ...(this.#lines === null ? {} : { piped: true }),
    };
  }

  /** The last lines of its output, the oldest first; null where they do not come through us. */
  get lastLines(): readonly string[] | null {
    return this.#lines?.last ?? null;
  }

  /** The descriptors, lent. */
  get descriptors(): WorkerDescriptors {
    return {
      pidfd: this.process.pidfd,
      channel: this.#channel?.fd ?? null,
      notify: this.#notify === null ? null : { fd: this.#notify.fd, path: this.#notify.path },
      pipes: this.#lines?.fds ?? null,
    };
  }

  /** Whether it can only be told to drain by being told to go. */
  get drainsBySignal(): boolean {
    return this.#channel === null;
  }

  /** Packets that wait only in this process: a takeover has to wait for them. */
  get queued(): number {
    return this.#channel?.queued ?? 0;
  }

  /** Asks whether its loop turns; it becomes `trusted` by answering. A program without a channel is taken at its word. */
  ping(): void {
    if (this.#channel === null) this.#move('trusted');
    else this.#send({ type: 'ping', id: this.#nextId++ });
  }

  /** Gives it a connection as if it had accepted it. The descriptor stays the caller's. */
  inject(fd: Fd): void {
    this.#channel?.send({ type: 'inject', id: this.#nextId++ } satisfies ToWorker, [fd]);
  }

  /** Whether it speaks the protocol of the channel. */
  get hasChannel(): boolean {
    return this.#channel !== null;
  }

  /**
   * Gives it its end of a direct channel to another worker. The descriptor stays the caller's. `takes`: it is one of a
   * candidate, for new connections alone.
   */
  link(peer: string, fd: Fd, takes = false): void {
    this.#channel?.send({ type: 'link', peer, ...(takes && { takes }) } satisfies ToWorker, [fd]);
  }

  /** It hands these new connections of these listeners to the peers that take, until it is told otherwise. */
  divert(diversion: Diversion, listeners: readonly string[]): void {
    this.#send({ type: 'divert', diversion, listeners });
  }

  trust(): void {
    if (this.#phase === 'ready') this.#move('trusted');
  }

  /** It accepts on these sockets and no others; `open` once it says so. */
  open(on: Accepts = 'all'): void {
    this.#accepts = on;
    if (this.#channel === null) this.#move('open');
    else {
      this.#move('opening');
      this.#send({ type: 'open', id: this.#nextId++, on });
    }
  }

  /** Gives it the second socket of a listener. The descriptor stays the caller's. */
  giveCanary(name: string, fd: Fd): void {
    this.#channel?.send({ type: 'canary', name } satisfies ToWorker, [fd]);
  }

  pause(): void {
    if (this.#channel === null) this.#move('paused');
    else {
      this.#move('pausing');
      this.#send({ type: 'pause', id: this.#nextId++ });
    }
  }

  /** No new connection; `drained` when the last one is gone. A program without a channel drains by SIGTERM. */
  drain(idle: Idle, timeoutMs: number): void {
    if (this.#phase === 'stopping') return;
    if (this.#channel === null) this.#move('drained');
    else {
      this.#move('draining');
      this.#send({ type: 'drain', id: this.#nextId++, idle, timeoutMs });
    }
  }

  /** Asks for what its app gives to that generation; the answer comes as `onState`. */
  save(to: number, maxBytes: number): void {
    this.#send({ type: 'save', to, maxBytes });
  }

  /** Gives it what another generation's worker, that of this place among `slots`, saved. The descriptor stays the caller's. */
  restore({ slot, generation }: Pick<Worker, 'slot' | 'generation'>, slots: number, file: Fd): void {
    this.#channel?.send({ type: 'restore', from: slot, generation, slots } satisfies ToWorker, [file]);
  }

  /** SIGTERM, and SIGKILL to its group after the deadline. */
  stop(killTimeoutMs: number, onKill?: () => void): void {
    if (this.#phase !== 'stopping') this.#move('stopping');
    this.process.stop(killTimeoutMs, onKill);
  }

  /** The same, for a reason that the rules of healing know; the first one stands. */
  endFor(cause: Cause, killTimeoutMs: number, onKill?: () => void): void {
    this.#killedBy ??= cause;
    this.stop(killTimeoutMs, onKill);
  }

  giveTicketSecret(secret: string): void {
    this.#send({ type: 'tickets', secret });
  }

  answerListen(id: number, name: string, fd: Fd): void {
    this.#unanswered--;
    this.#channel?.send({ type: 'listener', id, name } satisfies ToWorker, [fd]);
  }

  refuseListen(id: number, code: string): void {
    this.#unanswered--;
    this.#send({ type: 'refused', id, code });
  }

  /** Asks where it stands, after a supervisor that died: what that one had read and not recorded is lost. */
  attend(): void {
    this.#send({ type: 'attend', id: this.#nextId++ });
  }

  /** What it counts, or null where it does not say in time. With `delay` its event loop is watched for a while. */
  measure({ delay = false, scraped = false } = {}): Promise<Measures | null> {
    if (this.#channel === null || this.#channel.closed) return Promise.resolve(null);
    const id = this.#nextId++;
    const question: ToWorker = { type: 'measure', id, ...(delay && { delay }), ...(scraped && { scraped }) };
    return this.#measuring.ask(id, MEASURE_TIMEOUT_MS, () => this.#send(question));
  }

  /** What keeps it alive and what its app holds, or null where it does not say in time. */
  holdings(): Promise<Holdings | null> {
    if (this.#channel === null || this.#channel.closed) return Promise.resolve(null);
    const id = this.#nextId++;
    return this.#holding.ask(id, MEASURE_TIMEOUT_MS, () => this.#send({ type: 'resources', id }));
  }

  /**
   * What the checks of its app give, those with these names or all; null where it does not say in time. An app that has
   * registered none is not asked.
   */
  check(names: readonly string[] | null, timeoutMs: number): Promise<readonly CheckResult[] | null> {
    if (this.#channel === null || this.#channel.closed) return Promise.resolve(null);
    if (this.#checks.size === 0) return Promise.resolve([]);
    const id = this.#nextId++;
    const question: ToWorker = { type: 'check', id, timeoutMs, names };
    return this.#checking.ask(id, timeoutMs + CHECK_GRACE_MS, () => this.#send(question));
  }

  /**
   * Has it write what is named into that file; null where it does not say in time, for its event loop is blocked.
   * A profile ends before its time when the signal is aborted.
   */
  async examine(
    what: EvidenceKind,
    path: string,
    { maxBytes, durationMs, timeoutMs }: { maxBytes: number; durationMs: number; timeoutMs: number },
    signal?: AbortSignal,
  ): Promise<Examined | null> {
    if (this.#channel === null || this.#channel.closed) return null;
    const id = this.#nextId++;
    const question: ToWorker = { type: 'examine', id, what, path, maxBytes, durationMs };
    signal?.addEventListener('abort', () => this.#send({ type: 'enough', id }), { once: true });
    if (what === 'heap') this.#standsStill = true;
    try {
      return await this.#examining.ask(id, timeoutMs, () => this.#send(question));
    } finally {
      if (what === 'heap') {
        this.#standsStill = false;
        this.#stillUntilMs = monotonicMs();
      }
    }
  }

  /** What came of the profile of its start, which it makes unasked; null where it does not say in time. */
  startup(timeoutMs: number): Promise<Examined | null> {
    return this.#examining.ask(STARTUP, timeoutMs, () => {});
  }

  /** Whether it has stood still since then, because it was told to: what it did not answer says nothing of how it is. */
  stoodStillSince(ms: number): boolean {
    return this.#standsStill || this.#stillUntilMs >= ms;
  }

  /** Stops and starts reading what it says, around a takeover. */
  freeze(): void {
    this.#channel?.pause();
    this.#notify?.pause();
    this.process.pause();
  }

  thaw(): void {
    this.#channel?.resume();
    this.#notify?.resume();
    this.process.resume();
  }

  #send(message: ToWorker): void {
    this.#channel?.send(message);
  }

  #move(phase: Phase): void {
    this.#phase = phase;
    this.#events.onPhase(this);
  }

  #receive(value: unknown, fds: readonly Fd[]): void {
    const message = decodeFromWorker(value);
    const known = message === 'unknown' ? null : message;
    const file = known?.type === 'saved' ? (fds[0] ?? null) : null;
    for (const fd of fds) if (fd !== file) native().close(fd);
    if (known !== null) this.#handle(known, file);
    else if (message === null) this.killFor('channel');
  }

  #handle(message: FromWorker, file: Fd | null): void {
    switch (message.type) {
      case 'hello':
        this.#canaries = message.canaries === true;
        return;
      case 'listen':
        if (this.#unanswered >= MAX_UNANSWERED) this.#send({ type: 'refused', id: message.id, code: 'EMFILE' });
        else {
          this.#unanswered++;
          this.#events.onListen(this, message.id, message.address, message.backlog);
        }
        return;
      case 'listening':
        if (this.listening.size >= MAX_LISTENING && !this.listening.has(message.name)) {
          this.killFor('channel');
          return;
        }
        this.listening.add(message.name);
        this.#events.onListening(this, message.name);
        return;
      case 'unlisten':
        this.listening.delete(message.name);
        this.#events.onUnlisten(this, message.name);
        return;
      case 'ready':
        if (this.#phase === 'booting') this.#move('ready');
        return;
      case 'fatal':
        this.#fatal = message.message;
        this.#stack = message.stack ?? null;
        return;
      case 'pong':
        this.trust();
        return;
      case 'opened':
        // An answer to what it was told before is not one to what it was told last.
        if (this.#phase === 'opening' && (message.on ?? this.#accepts) === this.#accepts) this.#move('open');
        return;
      case 'paused':
        if (this.#phase === 'pausing') this.#move('paused');
        return;
      case 'drained':
        if (this.#phase !== 'draining') return;
        this.#tally = message.tally;
        this.#move('drained');
        return;
      case 'state':
        this.#state = { saves: message.saves, restores: message.restores };
        return;
      case 'saved':
      case 'unsaved':
      case 'restored':
      case 'unrestored':
        this.#events.onState(this, message, file);
        return;
      case 'standing':
        this.#stands(message);
        return;
      case 'measures':
        this.#measured = { measures: contentOf(message), atMs: monotonicMs() };
        this.#measuring.answer(message.id, this.#measured.measures);
        return;
      case 'holdings':
        this.#holding.answer(message.id, contentOf(message));
        return;
      case 'examined':
        this.#examining.answer(message.id, message);
        return;
      case 'checks':
        this.#checks = new Set(message.names);
        return;
      case 'checked':
        this.#checking.answer(message.id, message.results);
        return;
    }
  }

  /** Makes up for what was said to a supervisor that died. What is told to it now comes after, and is answered. */
  #stands({ ready, open, on, listening }: Standing): void {
    for (const name of listening) {
      if (this.listening.has(name)) continue;
      this.listening.add(name);
      this.#events.onListening(this, name);
    }
    for (const name of [...this.listening]) {
      if (listening.includes(name)) continue;
      this.listening.delete(name);
      this.#events.onUnlisten(this, name);
    }
    if (this.#phase === 'booting' && ready) this.#move('ready');
    else if (this.#phase === 'open' && (!open || (on ?? this.#accepts) !== this.#accepts)) this.#move('ready');
  }

  #exited(exit: Exit): void {
    this.#measuring.end();
    this.#holding.end();
    this.#checking.end();
    this.#examining.end();
    // What it said last may still wait in the socket: the reason of the exit above all.
    this.#channel?.drainReads();
    this.#channel?.close();
    this.#notify?.close();
    this.#lines?.ended();
    this.#events.onExit(this, exit);
  }
}

/** A message without what makes it one: it ends up in a status, or in a report. */
function contentOf<Message extends FromWorker & { readonly id: number }>({ type: _, id: __, ...content }: Message) {
  return content;
}
