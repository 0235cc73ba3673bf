/**
 * Profiles of workers that serve, for whoever asks. The worker makes the file itself, in its process, and the supervisor
 * only names it; a summary is the business of who asked. Loaded by the first request for one.
 *
 * A reload, a stop or a drain ends a CPU profile before its time, and what there is by then is kept. A heap snapshot
 * cannot be ended: who waits for it is told that nobody will see it through.
 */
import type { EvidenceKind, Examined } from '../channel/messages.js';
import type { LineStream } from '../control/line-stream.js';
import type { ProfileFile, ProfileLine, ProfileOptions } from '../control/profile-messages.js';
import { BatondError } from '../errors.js';
import type { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';
import { type ProfileFiles, profileName } from '../inventory/profile-files.js';
import type { Phase, Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { availableMemoryBytes } from '../process/available-memory.js';
import { monotonicMs } from '../process/monotonic.js';
import { snapshotBytes, whyNoSnapshot } from '../process/snapshot-room.js';
import type { StartupProfile } from './startup-profile.js';

/** Beyond the time that a profile lasts. */
const CPU_GRACE_MS = 10_000;
/** From the word that it is enough to the file. */
const ENOUGH_MS = 2_000;
const HEAP_MS = 30_000;
/** A worker needs about a second for so much of its heap. */
const HEAP_BYTES_A_SECOND = 100 * 2 ** 20;
/** A machine may be so much slower than that. */
const SLOW = 5;

const ENDINGS: Record<WorkersKind, string> = { cpu: 'cpuprofile', heap: 'heapsnapshot' };

/** One in any other may not turn its loop yet, or is about to end. */
const PROFILED: ReadonlySet<Phase> = new Set(['ready', 'trusted', 'opening', 'open', 'pausing', 'paused']);

/** What workers that serve are asked for. */
type WorkersKind = Exclude<ProfileOptions['kind'], 'startup'>;

export interface ProfilingHost {
  readonly inventory: Inventory;
  readonly files: ProfileFiles;
  readonly log: Log;
  readonly memoryBytes?: () => number | null;
  /** The worker may be told to end. */
  release(worker: Worker): void;
  /** One more worker, profiled while it starts. Throws PROFILE_REFUSED. */
  startup(slot: number | null): Promise<StartupProfile>;
}

type Stream = Pick<LineStream<ProfileLine>, 'line' | 'onGone'>;

/** What one request is about. */
interface Request {
  readonly kind: WorkersKind;
  readonly durationMs: number;
  readonly stream: Stream;
  readonly sinceMs: number;
  gone: boolean;
}

interface Running {
  readonly kind: EvidenceKind;
  readonly worker: Worker;
  /** Aborted: what there is is enough. */
  readonly enough: AbortController;
  /** Nobody waits for it any more. */
  cut(reason: string): void;
  readonly isCut: Promise<never>;
  /** Why it ended before its time. */
  cause: string | null;
}

export class Profiling {
  readonly #host: ProfilingHost;
  readonly #running = new Map<Worker, Running>();
  #starting: StartupProfile | null = null;

  constructor(host: ProfilingHost) {
    this.#host = host;
  }

  /** Resolves when it is under way; `done` is told its code, or null. Throws PROFILE_REFUSED and PROFILE_BUSY. */
  async begin(options: ProfileOptions, stream: Stream, done: (code: string | null) => void): Promise<void> {
    const { kind, durationMs } = options;
    if (kind === 'startup') {
      void this.#startup(await this.#another(options.slot), stream).then(done);
      return;
    }
    const workers = kind === 'heap' && options.slot === null ? [await this.#idlest()] : this.#chosen(options);
    const all = workers.map((worker) => this.#claim(worker, kind));
    const request: Request = { kind, durationMs, stream, sinceMs: monotonicMs(), gone: false };
    stream.onGone = () => {
      request.gone = true;
      for (const running of all) this.#isEnough(running, 'the client went away');
    };
    void this.#all(all, request).then(done);
  }

  /** CPU profiles end with what there is; of one generation, or of all. */
  enough(reason: string, generation: Generation | null = null): void {
    for (const running of this.#running.values()) {
      if (generation === null || generation.number === running.worker.generation) this.#isEnough(running, reason);
    }
    // Half a start says nothing.
    this.#starting?.end(reason);
  }

  /** Whether a worker that is to be told to end has half a profile to finish; never for long. */
  holds(worker: Worker): boolean {
    return this.#running.get(worker)?.kind === 'cpu';
  }

  /** Nobody hears the workers any more. */
  freeze(): void {
    for (const { cut } of [...this.#running.values()]) cut('another supervisor takes over');
    this.#starting?.end('another supervisor takes over');
  }

  async #another(slot: number | null): Promise<StartupProfile> {
    if (this.#starting !== null) throw new BatondError('PROFILE_BUSY', { worker: this.#starting.worker });
    const starting = await this.#host.startup(slot);
    if (this.#starting !== null) throw new BatondError('PROFILE_BUSY', { worker: starting.worker });
    this.#starting = starting;
    return starting;
  }

  /** Never rejects: the code of the verdict, or null. */
  async #startup(starting: StartupProfile, stream: Stream): Promise<string | null> {
    const sinceMs = monotonicMs();
    const { worker } = starting;
    const { log } = this.#host;
    stream.onGone = () => starting.end('the client went away');
    let failure: BatondError | null = null;
    try {
      const file = await starting.run((pid) => {
        const message = `starting one more worker (${worker}, pid ${pid}), which listens and accepts nothing`;
        stream.line({ event: 'step', message, atMs: 0 });
      });
      log.info(
        { event: 'profile', kind: 'startup', path: file.path, bytes: file.bytes },
        `profiled a start: ${file.path}`,
      );
      stream.line({ event: 'file', ...file });
    } catch (error) {
      const reason = (error as Error).message;
      log.warn({ event: 'profile', kind: 'startup', err: error }, `there is no profile of a start: ${reason}`);
      stream.line({ event: 'missing', worker, reason });
      failure = new BatondError('PROFILE_FAILED', { what: 'startup', worker, reason });
    } finally {
      this.#starting = null;
    }
    this.#verdict(stream, failure, '1 of 1', sinceMs);
    return failure?.code ?? null;
  }

  #verdict(stream: Stream, failure: BatondError | null, message: string, sinceMs: number): void {
    stream.line(
      {
        event: 'verdict',
        ok: failure === null,
        code: failure?.code ?? null,
        message: failure?.message ?? message,
        exitStatus: failure?.exitStatus ?? 0,
        durationMs: Math.round(monotonicMs() - sinceMs),
      },
      true,
    );
  }

  #serving(): Worker[] {
    const { incumbent } = this.#host.inventory;
    if (incumbent === null) throw new BatondError('PROFILE_REFUSED', { reason: 'nothing serves' });
    const workers = [...incumbent.workers.values()].sort((a, b) => a.slot - b.slot);
    const able = workers.filter(({ hasChannel, phase }) => hasChannel && PROFILED.has(phase));
    if (able.length > 0) return able;
    const reason = workers.some(({ hasChannel }) => hasChannel) ? 'no worker is ready' : 'no worker is a Node program';
    throw new BatondError('PROFILE_REFUSED', { reason });
  }

  #chosen({ slot, all }: ProfileOptions): readonly Worker[] {
    const able = this.#serving();
    if (all) return able;
    if (slot === null) return able.slice(0, 1);
    const worker = able.find((one) => one.slot === slot);
    if (worker !== undefined) return [worker];
    const known = able.map((one) => one.slot).join(', ');
    throw new BatondError('PROFILE_REFUSED', {
      reason: `slot ${slot} is none of ${known}, which run Node and are ready`,
    });
  }

  /** The one of the main program that is missed least while it stands still. */
  async #idlest(): Promise<Worker> {
    const { incumbent } = this.#host.inventory;
    const able = this.#serving().filter((one) => !this.#running.has(one));
    const main = able.filter(({ slot }) => incumbent?.isMain(slot));
    const asked = main.length > 0 ? main : able;
    const looks = await Promise.all(asked.map(async (worker) => ({ worker, measures: await worker.measure() })));
    const heard = looks.flatMap(({ worker, measures }) => (measures === null ? [] : { worker, ...measures }));
    heard.sort((a, b) => a.inFlight - b.inFlight || a.connections - b.connections);
    const found = heard[0]?.worker ?? asked[0];
    if (found === undefined) throw new BatondError('PROFILE_BUSY', { worker: 'every worker' });
    return found;
  }

  #claim(worker: Worker, kind: EvidenceKind): Running {
    if (this.#running.has(worker)) throw new BatondError('PROFILE_BUSY', { worker: `worker ${worker.id}` });
    let cut = (_reason: string): void => {};
    const isCut = new Promise<never>((_resolve, reject) => {
      cut = (reason) => reject(new Error(reason));
    });
    // It may come when nobody waits any more.
    isCut.catch(() => {});
    const running: Running = { kind, worker, enough: new AbortController(), cut, isCut, cause: null };
    this.#running.set(worker, running);
    return running;
  }

  #isEnough(running: Running, reason: string): void {
    if (running.kind !== 'cpu' || running.enough.signal.aborted) return;
    running.cause = reason;
    running.enough.abort();
    setTimeout(() => running.cut(`${reason}, and it gave nothing within ${ENOUGH_MS / 1_000} s`), ENOUGH_MS).unref();
  }

  /** Never rejects: the code of the verdict, or null. */
  async #all(all: readonly Running[], request: Request): Promise<string | null> {
    const { stream, kind } = request;
    const outcomes = await Promise.all(all.map((running) => this.#one(running, request)));
    const reasons = outcomes.flatMap((outcome) => (typeof outcome === 'string' ? outcome : []));
    const got = outcomes.length - reasons.length;
    const failure =
      got > 0
        ? null
        : new BatondError('PROFILE_FAILED', { what: kind, worker: all[0]!.worker.id, reason: reasons.join('; ') });
    this.#verdict(stream, failure, `${got} of ${outcomes.length}`, request.sinceMs);
    return failure?.code ?? null;
  }

  /** Its file, or why there is none. */
  async #one(running: Running, request: Request): Promise<ProfileFile | string> {
    const { worker } = running;
    const { stream, kind } = request;
    const { files, log } = this.#host;
    const name = profileName(new Date(), worker.id, ENDINGS[kind]);
    const fields = { event: 'profile', kind, generation: worker.generation, slot: worker.slot };
    try {
      const path = files.begin(name);
      const answer = await Promise.race([this.#ask(running, request, path), running.isCut]);
      if (answer.bytes === null) throw new Error(answer.reason);
      if (request.gone) throw new Error('the client went away');
      const bytes = files.complete(name);
      const { pid } = worker.process;
      const file = { worker: worker.id, process: this.#processOf(worker), pid, name, path: files.pathOf(name), bytes };
      if (running.cause !== null) this.#step(request, `the profile of ${worker.id} is shorter: ${running.cause}`);
      log.info({ ...fields, path: file.path, bytes }, `worker ${worker.id} has written ${file.path}`);
      stream.line({ event: 'file', ...file });
      return file;
    } catch (error) {
      const reason = (error as Error).message;
      files.discard(name);
      log.warn({ ...fields, err: error }, `there is no profile of worker ${worker.id}: ${reason}`);
      stream.line({ event: 'missing', worker: worker.id, reason });
      return reason;
    } finally {
      this.#running.delete(worker);
      this.#host.release(worker);
    }
  }

  async #ask(running: Running, request: Request, path: string): Promise<Examined> {
    const { worker } = running;
    const { kind, durationMs } = request;
    const bounds = kind === 'heap' ? await this.#prepareHeap(running, request) : this.#prepareCpu(running, request);
    const answer = await worker.examine(kind, path, { ...bounds, durationMs }, running.enough.signal);
    if (answer !== null) return answer;
    if (!worker.process.alive)
      throw new Error(running.cause === null ? 'it ended before' : `it ended: ${running.cause}`);
    throw new Error(`no answer within ${Math.round(bounds.timeoutMs / 1_000)} s: its event loop is blocked`);
  }

  #prepareCpu({ worker }: Running, request: Request): { maxBytes: number; timeoutMs: number } {
    const { files } = this.#host;
    const maxBytes = files.leftBytes();
    files.makeRoom(0);
    const seconds = request.durationMs / 1_000;
    this.#step(request, `profiling ${this.#describe(worker)} for ${seconds} s`);
    return { maxBytes, timeoutMs: request.durationMs + CPU_GRACE_MS };
  }

  /** Throws where there is no room for it. */
  async #prepareHeap({ worker }: Running, request: Request): Promise<{ maxBytes: number; timeoutMs: number }> {
    const { files, memoryBytes = availableMemoryBytes } = this.#host;
    const measures = await worker.measure();
    if (measures === null) throw new Error('no answer within 1 s: its event loop is blocked');
    const { heapUsedBytes } = measures;
    const bytes = snapshotBytes(heapUsedBytes);
    const maxBytes = files.leftBytes();
    const refused = whyNoSnapshot(bytes, maxBytes, 'what profiles may have, or the disk', memoryBytes());
    if (refused !== null) throw new Error(refused);
    files.makeRoom(bytes);
    const seconds = Math.ceil(heapUsedBytes / HEAP_BYTES_A_SECOND);
    const megabytes = Math.round(heapUsedBytes / 2 ** 20);
    const still = `it stands still for about ${seconds} s`;
    this.#step(request, `${this.#describe(worker)} writes its heap of ${megabytes} MiB: ${still}`);
    return { maxBytes, timeoutMs: HEAP_MS + seconds * SLOW * 1_000 };
  }

  #step({ stream, sinceMs }: Request, message: string): void {
    stream.line({ event: 'step', message, atMs: Math.round(monotonicMs() - sinceMs) });
  }

  #describe(worker: Worker): string {
    return `worker ${worker.id} (${this.#processOf(worker)}, pid ${worker.process.pid})`;
  }

  #processOf({ generation, slot }: Worker): string {
    return this.#host.inventory.generations.get(generation)?.processOf(slot).name ?? 'main';
  }
}
