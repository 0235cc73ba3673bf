/**
 * Reads the lines of all workers in one epoll set, a little of each in turn, and gives them to one outlet. A pipe is there
 * until nobody writes into it: longer than its worker, where that has left children behind.
 */
import { Descriptor } from '../inventory/descriptor.js';
import type { NamedFds } from '../inventory/inventory.js';
import { factsOf, pipeName } from '../inventory/stored-names.js';
import type { LineReader, WorkerPipes } from '../inventory/worker.js';
import { type Fd, native, type Watcher } from '../native.js';
import { LinePipe, Scratch } from './line-pipe.js';
import type { Outlet } from './outlets.js';
import { type Origin, said } from './said.js';

/** As in the streams of the journal: see JournalStreamOptions. */
const PRIORITIES = { out: 6, err: 4 } as const;
/** Nothing tells when journald, or whoever reads our standard output, takes something again. */
const RETRY_MS = 10;
/** Pipes that workers have left to their children. The oldest is closed when there are more. */
const MAX_LEFT = 64;
/** Of a worker that has ended: what a pipe can hold twice over, since its children may go on writing. */
const TURNS_AT_THE_END = 64;
/** Of each worker, for whoever wants to know what it said before it ended. */
const LAST_LINES = 20;
const LAST_LINE_LENGTH = 1_000;

interface Known {
  readonly pipe: LinePipe;
  /** Its name in the fd store. */
  readonly stored: string;
  /** The worker has ended, or nothing is known of it. */
  left: boolean;
}

/** Who said it; the name of the process is asked for when there is something to deliver. */
export interface Speaker extends Omit<Origin, 'process'> {
  readonly id: string;
  readonly process: () => string | null;
}

export class LineReading {
  readonly #outlet: Outlet;
  readonly #epoll = new Descriptor(native().epollCreate());
  readonly #scratch = new Scratch();
  readonly #watcher: Watcher;
  readonly #pipes = new Map<Fd, Known>();
  /** Those of which there may be something to read. */
  readonly #ready = new Set<Known>();
  /** Takes back what is to run again. */
  #cancel: (() => void) | null = null;
  #frozen = false;
  #whenEmpty: () => void = () => {};

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
    this.#watcher = native().watch(this.#epoll.fd, { readable: true, writable: false }, () => this.#arrived());
  }

  /** Takes the descriptors. */
  read(speaker: Speaker, pipes: WorkerPipes): LineReader {
    const last: string[] = [];
    const known = (['out', 'err'] as const).map((kind) => this.#add(kind, pipes[kind], speaker, last));
    const [out, err] = known as [Known, Known];
    return {
      fds: { out: out.pipe.fd, err: err.pipe.fd },
      last,
      ended: () => {
        for (const one of known) this.#leave(one);
      },
    };
  }

  /** Goes on with pipes whose worker has ended, or is not known, by their stored names. */
  takeLeft(fds: NamedFds): void {
    for (const [stored, fd] of fds) {
      const { kind, id, generation, pid } = factsOf(stored)!;
      const slot = Number(/s(\d+)$/.exec(id)?.[1] ?? 0);
      const speaker = { id, generation: generation ?? 0, slot, pid: pid ?? 0, process: () => null };
      this.#add(kind === 'err' ? 'err' : 'out', fd, speaker, []).left = true;
    }
  }

  /** Lent, by their stored names. */
  get left(): NamedFds {
    const left = [...this.#pipes.values()].filter((one) => one.left);
    return new Map(left.map(({ stored, pipe }) => [stored, pipe.fd]));
  }

  /** Reads nothing more: what comes waits in the pipes. */
  freeze(): void {
    this.#frozen = true;
    this.#watcher.update({ readable: false, writable: false });
    this.#forget();
  }

  thaw(): void {
    this.#frozen = false;
    this.#watcher.update({ readable: true, writable: false });
    this.#run();
  }

  /** Resolves when there is nothing left to be read, or after `timeoutMs`. */
  emptied(timeoutMs: number): Promise<void> {
    if (this.#ready.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#whenEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #add(kind: 'out' | 'err', fd: Fd, speaker: Speaker, last: string[]): Known {
    const { id, generation, slot, pid } = speaker;
    const usual = PRIORITIES[kind];
    const pipe = new LinePipe(fd, (line, cut) => {
      const what = said(line, usual);
      const origin = { generation, slot, process: speaker.process(), pid };
      if (!this.#outlet.put(cut ? { ...what, message: line, record: null } : what, line, origin, cut)) return false;
      last.push(line.slice(0, LAST_LINE_LENGTH));
      if (last.length > LAST_LINES) last.shift();
      return true;
    });
    const known = { pipe, stored: pipeName(kind, id, pid), left: false };
    this.#pipes.set(fd, known);
    native().epollAddArrivals(this.#epoll.fd, fd);
    return known;
  }

  /** Reads what its worker has said until its end; what its children say later is read as long as they are there. */
  #leave(known: Known): void {
    known.left = true;
    for (let turns = 0; turns < TURNS_AT_THE_END && !this.#frozen; turns++) {
      const turn = known.pipe.turn(this.#scratch);
      if (turn === 'ended') {
        this.#close(known);
        return;
      }
      if (turn !== 'more') break;
    }
    this.#ready.add(known);
    this.#soon();
    const left = [...this.#pipes.values()].filter((one) => one.left);
    for (const one of left.slice(0, -MAX_LEFT)) this.#close(one);
  }

  #arrived(): void {
    for (const fd of native().epollWait(this.#epoll.fd)) {
      const known = this.#pipes.get(fd);
      if (known !== undefined) this.#ready.add(known);
    }
    this.#run();
  }

  /** A turn of each that has something. Where the outlet takes nothing, none of them gets any further. */
  #run(): void {
    this.#forget();
    if (this.#frozen) return;
    for (const known of [...this.#ready]) {
      const turn = known.pipe.turn(this.#scratch);
      if (turn === 'blocked') {
        const timer = setTimeout(() => this.#run(), RETRY_MS);
        this.#cancel = () => clearTimeout(timer);
        return;
      }
      if (turn === 'more') continue;
      this.#ready.delete(known);
      if (turn === 'ended') this.#close(known);
    }
    this.#soon();
  }

  #soon(): void {
    if (this.#ready.size === 0) this.#whenEmpty();
    if (this.#ready.size === 0 || this.#cancel !== null) return;
    const immediate = setImmediate(() => this.#run());
    this.#cancel = () => clearImmediate(immediate);
  }

  #forget(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** Of a worker that lives and has closed its output, the descriptor stays with the worker until that ends. */
  #close(known: Known): void {
    this.#ready.delete(known);
    if (!known.left) return;
    const { fd } = known.pipe;
    this.#pipes.delete(fd);
    // Others have the same pipe open, so its close would not take it out of the set.
    native().epollRemove(this.#epoll.fd, fd);
    known.pipe.close();
  }
}
