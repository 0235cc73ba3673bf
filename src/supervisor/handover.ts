/**
 * Hands the inventory to the next supervisor: carries out what the table in src/takeover/predecessor.ts says.
 *
 * The successor is cloned with CLONE_PARENT, so that systemd (or the host) is its parent and notices its death from the
 * first moment, whatever of this generation still lives.
 */
import { openSync, writeSync } from 'node:fs';
import { PacketSocket } from '../channel/packet-socket.js';
import { BatondError } from '../errors.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { NamedFds, Snapshot } from '../inventory/inventory.js';
import type { Log } from '../log.js';
import { Runner } from '../machine/runner.js';
import { type Credentials, type Fd, native, type Spawned, type SpawnOptions } from '../native.js';
import { catchesSignal } from '../process/catches-signal.js';
import { describeExit, Process } from '../process/process.js';
import { decodeFromSuccessor, FDS_PER_BATCH, TAKEOVER_ENVIRONMENT, TAKEOVER_VERSION } from '../takeover/messages.js';
import {
  PREDECESSOR,
  type PredecessorEffect,
  type PredecessorEvent,
  type PredecessorState,
} from '../takeover/predecessor.js';
import { Progress } from './progress.js';

export interface SuccessorCommand {
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export interface HandoverHost {
  readonly log: Log;
  readonly timeoutMs: number;
  command(): SuccessorCommand;
  /** From here on nothing of the inventory may change, until `thaw`. Resolves when nothing is half done. */
  freeze(): Promise<void>;
  thaw(): void;
  snapshot(): { readonly state: Snapshot; readonly fds: NamedFds };
  /** systemd is told who the main process is. Resolves when it has that message. */
  announceMain(pid: number): Promise<void>;
  /** Resolves when systemd has processed all that was said. */
  barrier(): Promise<void>;
  failed(cause: BatondError): void;
  /** The successor serves: this process ends without touching anything. */
  exit(): void;
}

export class Handover {
  readonly #host: HandoverHost;
  readonly #runner: Runner<PredecessorState, PredecessorEvent, PredecessorEffect, 'BUSY'>;
  #successor: Process | null = null;
  #channel: PacketSocket | null = null;
  #deadline: NodeJS.Timeout | null = null;
  readonly #progress = new Progress();
  #batches: [string, Fd][][] = [];
  /** Null until the inventory is sent: nothing that the successor says before can mean that it took it. */
  #total: number | null = null;

  constructor(host: HandoverHost) {
    this.#host = host;
    this.#runner = new Runner(PREDECESSOR, 'idle', {
      effects: {
        startSuccessor: () => this.#start(),
        freeze: () => {},
        sendInventory: () => void this.#sendInventory(),
        sendBatch: () => this.#sendBatch(),
        yield: () => void this.#yield(),
        exit: () => host.exit(),
        endSuccessor: () => this.#end(),
        thaw: () => host.thaw(),
        reportFailed: () => host.failed(this.#runner.cause ?? new BatondError('SUCCESSOR_EXITED', { how: 'ended' })),
      },
      refused: (code) => {
        throw new BatondError(code, {});
      },
      moved: (from, event, to) => {
        if (to === 'idle') this.#progress.rest();
        else if (from !== to) this.#progress.allow(host.timeoutMs);
        host.log.debug({ event: 'takeover', from, on: event, to }, `takeover: ${to}`);
      },
      ignored: (state, event, why) =>
        host.log.debug({ event: 'takeover-ignored', state, on: event }, `takeover: ${event} ignored: ${why}`),
    });
  }

  get idle(): boolean {
    return this.#runner.state === 'idle';
  }

  get state(): PredecessorState {
    return this.#runner.state;
  }

  /** Whether nothing will end the state that it is in. */
  get stuck(): boolean {
    return this.#progress.stuck;
  }

  /** True from the moment the successor is the main process. */
  get yielding(): boolean {
    return this.#runner.state === 'yielding';
  }

  /** A signal that was meant for the main process and reached this one too late. */
  passOn(signal: NodeJS.Signals): void {
    this.#successor?.signal(signal);
  }

  /** Of SIGUSR1 too, which Node itself catches in one that does not listen to it. */
  successorCatches(signal: NodeJS.Signals): boolean {
    const pid = this.#successor?.pid;
    return pid !== undefined && catchesSignal(pid, 'SIGUSR2') && catchesSignal(pid, signal);
  }

  begin(): void {
    this.#runner.forget();
    this.#runner.post('begin');
  }

  abort(cause: BatondError): void {
    this.#runner.post('aborted', cause);
  }

  #start(): void {
    try {
      const [ours, theirs] = native().socketpair('seqpacket');
      using end = new Descriptor(theirs);
      const mine = new Descriptor(ours);
      try {
        // Before anybody can send: the kernel then notes the sender of each message.
        native().setPassCredentials(mine.fd, true);
        this.#successor = this.#spawn(end);
      } catch (error) {
        mine.close();
        throw error;
      }
      this.#channel = new PacketSocket(mine.take(), {
        onPacket: (message, fds, sender) => this.#receive(message, fds, sender),
        // Its exit says more than the end of the channel; one that only closes its end before it is main is of no use.
        onClose: (reason, ended) => {
          if (this.yielding) return;
          if (ended) this.#successor?.kill();
          else this.#runner.post('violated', new BatondError('INVENTORY_NOT_SENT', { reason }));
        },
      });
    } catch (error) {
      const { message } = error as Error;
      this.#runner.post('successorExited', new BatondError('SUCCESSOR_NOT_STARTED', { reason: message }, error));
      return;
    }
    const seconds = this.#host.timeoutMs / 1_000;
    this.#deadline = setTimeout(() => {
      this.#runner.post('timedOut', new BatondError('SUCCESSOR_TIMED_OUT', { seconds }));
    }, this.#host.timeoutMs);
  }

  #spawn(end: Descriptor): Process {
    using nothing = new Descriptor(openSync('/dev/null', 'r'));
    const { file, argv, env, cwd } = this.#host.command();
    const environment = { ...env, [TAKEOVER_ENVIRONMENT]: '3' };
    const spawned = spawnSibling({
      file,
      argv,
      env: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
      cwd,
      fds: [nothing.fd, 1, 2, end.fd],
      parent: 'sibling',
      newSession: true,
    });
    return new Process(spawned.pid, spawned.pidfd, (exit) => {
      this.#runner.post('successorExited', new BatondError('SUCCESSOR_EXITED', { how: describeExit(exit) }));
    });
  }

  /** Only the process that was cloned may speak, not whoever it might have let have its end. */
  #receive(value: unknown, fds: readonly Fd[], sender: Credentials | null): void {
    for (const fd of fds) native().close(fd);
    if (sender?.pid !== this.#successor?.pid) {
      this.#violated(`process ${sender?.pid ?? 'unknown'} spoke in its place`);
      return;
    }
    const message = decodeFromSuccessor(value);
    if (message === null) this.#violated('it sent a message that is none');
    else if (message.type === 'refused') {
      this.#runner.post(
        'refused',
        new BatondError('SUCCESSOR_REFUSED', { reason: message.message, code: message.code }),
      );
    } else if (message.type === 'hello' && message.version !== TAKEOVER_VERSION) {
      const facts = { theirs: message.version, ours: TAKEOVER_VERSION };
      this.#runner.post('violated', new BatondError('SUCCESSOR_SPEAKS_OTHERWISE', facts));
    } else if (message.type === 'took' && (message.fds !== this.#total || this.#batches.length > 0)) {
      this.#violated(`it took ${message.fds} descriptors of ${this.#total ?? 'none that were sent'}`);
    } else if (message.type === 'ack') this.#runner.post('acknowledged');
    else this.#runner.post(message.type);
  }

  #violated(reason: string): void {
    this.#runner.post('violated', new BatondError('SUCCESSOR_REFUSED', { reason }));
  }

  /** The freeze may outlast this takeover: what was begun for one successor must not reach the next. */
  async #sendInventory(): Promise<void> {
    const channel = this.#channel;
    try {
      await this.#host.freeze();
      if (channel === null || channel !== this.#channel) return;
      const { state, fds } = this.#host.snapshot();
      const entries = [...fds];
      this.#total = entries.length;
      this.#batches = [];
      for (let at = 0; at < entries.length; at += FDS_PER_BATCH) {
        this.#batches.push(entries.slice(at, at + FDS_PER_BATCH));
      }
      const data = Buffer.from(JSON.stringify(state));
      using memfd = new Descriptor(native().memfdCreate('batond-inventory'));
      for (let at = 0; at < data.length; ) at += writeSync(memfd.fd, data, at);
      native().memfdSeal(memfd.fd);
      channel.send({ type: 'inventory', version: state.version, bytes: data.length, fds: this.#total }, [memfd.fd]);
    } catch (error) {
      if (channel !== this.#channel) return;
      const { message } = error as Error;
      this.#runner.post(
        'violated',
        error instanceof BatondError ? error : new BatondError('INVENTORY_NOT_SENT', { reason: message }, error),
      );
    }
  }

  #sendBatch(): void {
    const batch = this.#batches.shift();
    if (batch === undefined) return;
    this.#channel?.send(
      { type: 'fds', names: batch.map(([name]) => name) },
      batch.map(([, fd]) => fd),
    );
  }

  /** systemd first: what the successor says before its MAINPID is known would be dropped (NotifyAccess=main). */
  async #yield(): Promise<void> {
    this.#disarm();
    await this.#host.announceMain(this.#successor!.pid);
    this.#channel!.send({ type: 'yours' });
    await this.#host.barrier();
    this.#runner.post('yielded');
  }

  #end(): void {
    this.#disarm();
    this.#successor?.kill();
    this.#successor = null;
    this.#channel?.close();
    this.#channel = null;
    this.#batches = [];
    this.#total = null;
  }

  #disarm(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
  }
}

/**
 * A process whose parent is ours. Where the kernel or a seccomp filter refuses the clone flags, a double fork: its
 * parent is then the nearest subreaper, which under systemd is systemd as soon as we are gone.
 */
function spawnSibling(options: SpawnOptions): Spawned {
  try {
    return native().spawn(options);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall !== 'clone' || (code !== 'EPERM' && code !== 'EINVAL' && code !== 'ENOSYS')) throw error;
    return native().spawn({ ...options, parent: 'orphan' });
  }
}
