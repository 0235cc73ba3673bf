/**
 * The standard output and error of workers. As text, each has journal streams of its own, so that the journal knows its
 * pid; elsewhere it shares ours. As JSON (log.workers) it has pipes that this supervisor reads, with what src/lines has
 * for that, which is loaded only where there is such a pipe: also one of a config that was in use before.
 */
import { Descriptor } from '../inventory/descriptor.js';
import type { NamedFds } from '../inventory/inventory.js';
import type { LineReader, WorkerPipes } from '../inventory/worker.js';
import type { LineReading, Speaker } from '../lines/line-reading.js';
import { type Fd, native } from '../native.js';
import { isJournalStream, openJournalStream } from '../systemd/journal-stream.js';

export interface WorkerLinesOptions {
  /** The service. */
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  readonly json: boolean;
}

/** What becomes descriptors 1 and 2 of a worker, and the ends of them that are ours to read. */
export interface WorkerStreams extends Disposable {
  readonly stdout: Fd;
  readonly stderr: Fd;
  /** Null where nothing of them is ours; moved out, so they are asked for once. */
  takePipes(): WorkerPipes | null;
}

/** In a takeover, of pipes whose worker has ended. */
const LEFT = 'left.';

export class WorkerLines {
  readonly #options: WorkerLinesOptions;
  readonly #underJournal: boolean;
  #reading: LineReading | null = null;
  #enlarge: (fd: Fd) => void = () => {};

  constructor(options: WorkerLinesOptions) {
    this.#options = options;
    this.#underJournal = isJournalStream(options.env);
  }

  /** Whether what they print gets into the journal. */
  get underJournal(): boolean {
    return this.#underJournal;
  }

  /** `names` are those of the descriptors that were inherited, as a snapshot or as the store names them. */
  async load(names: Iterable<string>): Promise<void> {
    if (!this.#options.json && ![...names].some((name) => /(^|\.)(out|err|left)\./.test(name))) return;
    const [{ LineReading }, { enlarge }, { JournalOutlet, TextOutlet }] = await Promise.all([
      import('../lines/line-reading.js'),
      import('../lines/line-pipe.js'),
      import('../lines/outlets.js'),
    ]);
    const { name, env } = this.#options;
    this.#enlarge = enlarge;
    this.#reading ??= new LineReading(this.#underJournal ? new JournalOutlet(name) : new TextOutlet(name, env));
  }

  open(): WorkerStreams {
    const owned: Descriptor[] = [];
    const own = (fd: Fd) => {
      const descriptor = new Descriptor(fd);
      owned.push(descriptor);
      return descriptor;
    };
    const dispose = () => {
      for (const descriptor of owned) descriptor.close();
    };
    try {
      if (this.#options.json) return this.#pipes(own, dispose);
      const [stdout, stderr] = [own(this.#stream(1)), own(this.#stream(2))];
      return { stdout: stdout.fd, stderr: stderr.fd, takePipes: () => null, [Symbol.dispose]: dispose };
    } catch (error) {
      dispose();
      throw error;
    }
  }

  /** Takes the pipes. */
  read(speaker: Speaker, pipes: WorkerPipes): LineReader {
    if (this.#reading === null) throw new Error('the lines of a worker are to be read, and nothing is loaded for that');
    return this.#reading.read(speaker, pipes);
  }

  /** Takes what a predecessor gave of workers that have ended, out of all that it gave. */
  takeGiven(fds: NamedFds): void {
    const left = [...fds].filter(([name]) => name.startsWith(LEFT));
    for (const [name] of left) fds.delete(name);
    this.takeLeft(new Map(left.map(([name, fd]) => [name.slice(LEFT.length), fd])));
  }

  /** The same by their stored names. */
  takeLeft(fds: NamedFds): void {
    if (fds.size > 0) this.#reading?.takeLeft(fds);
  }

  /** Adds them to what the next supervisor is given. */
  give(fds: NamedFds): void {
    for (const [stored, fd] of this.#reading?.left ?? []) fds.set(LEFT + stored, fd);
  }

  freeze(): void {
    this.#reading?.freeze();
  }

  thaw(): void {
    this.#reading?.thaw();
  }

  /** Resolves when all that was said is delivered, or after `timeoutMs`. */
  delivered(timeoutMs: number): Promise<void> {
    return this.#reading?.emptied(timeoutMs) ?? Promise.resolve();
  }

  #stream(fd: 1 | 2): Fd {
    if (!this.#underJournal) return native().dup(fd);
    return openJournalStream({ identifier: this.#options.name, priority: fd === 1 ? 6 : 4 });
  }

  #pipes(own: (fd: Fd) => Descriptor, dispose: () => void): WorkerStreams {
    const [out, err] = [0, 1].map(() => {
      const [from, to] = native().pipe();
      this.#enlarge(from);
      return { from: own(from), to: own(to) };
    }) as [{ from: Descriptor; to: Descriptor }, { from: Descriptor; to: Descriptor }];
    return {
      stdout: out.to.fd,
      stderr: err.to.fd,
      takePipes: () => ({ out: out.from.take(), err: err.from.take() }),
      [Symbol.dispose]: dispose,
    };
  }
}
