/**
 * Gathers the evidence of one candidate that failed. A profile begins at once, while the worker finishes what it has in
 * hand; report and heap snapshot, which block its event loop, wait until it has drained and nobody waits for it any more.
 * Only its SIGTERM waits for them, each with a deadline: neither the verdict nor the incumbent does.
 */
import type { EvidenceKind, Examined } from '../channel/messages.js';
import type { EvidenceConfig } from '../config/config.js';
import type { BatondError } from '../errors.js';
import type { EvidenceFiles } from '../inventory/evidence-files.js';
import type { Generation } from '../inventory/generation.js';
import type { EvidenceReport } from '../inventory/report.js';
import type { Worker } from '../inventory/worker.js';
import { availableMemoryBytes } from '../process/available-memory.js';
import { snapshotBytes, whyNoSnapshot } from '../process/snapshot-room.js';

/** Workers beyond that are not looked at: they run the same code. */
const MAX_EXAMINED = 4;
const REPORT_TIMEOUT_MS = 5_000;
/** Beyond the time that a profile lasts. */
const CPU_GRACE_MS = 5_000;
const HEAP_TIMEOUT_MS = 60_000;

const ENDINGS: Record<EvidenceKind, string> = { heap: 'heapsnapshot', report: 'report.json', cpu: 'cpuprofile' };

/** What is known of a worker that has ended by itself. */
export interface Ended {
  readonly worker: string;
  readonly pid: number;
  /** "exited with status 1". */
  readonly how: string;
  /** The exception that nobody caught. */
  readonly fatal: string | null;
  readonly aliveMs: number;
  readonly listening: readonly string[];
}

export interface GatheringHost {
  readonly files: EvidenceFiles;
  readonly config: EvidenceConfig;
  readonly memoryBytes?: () => number | null;
  /** The worker is needed no more. */
  release(worker: Worker): void;
  done(report: EvidenceReport): void;
}

export class Gathering {
  readonly #name: string;
  readonly #host: GatheringHost;
  readonly #candidate: { readonly generation: number; readonly release: string };
  readonly #cause: { readonly code: string; readonly message: string };
  /** Who is still needed. */
  readonly #workers: Set<Worker>;
  readonly #profiles = new Map<Worker, Promise<unknown>>();
  readonly #examined = new Set<Worker>();
  readonly #ended: Ended[];
  readonly #files = new Set<string>();
  readonly #missing: { what: string; reason: string }[] = [];
  #heapTaken = false;
  #over = false;

  constructor(name: string, candidate: Generation, cause: BatondError, ended: readonly Ended[], host: GatheringHost) {
    this.#name = name;
    this.#host = host;
    this.#candidate = { generation: candidate.number, release: candidate.release.label };
    this.#cause = { code: cause.code, message: cause.message };
    this.#ended = [...ended];
    const living = [...candidate.workers.values()].filter(({ hasChannel }) => hasChannel);
    this.#workers = new Set(living.sort((a, b) => a.slot - b.slot).slice(0, MAX_EXAMINED));
  }

  begin(): void {
    try {
      this.#host.files.begin(this.#name);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    if (this.#wants('cpu')) {
      for (const worker of this.#workers) {
        this.#profiles.set(worker, this.#take(worker, 'cpu', this.#host.config.cpuMs + CPU_GRACE_MS));
      }
    }
    if (this.#workers.size === 0) this.#finish();
  }

  /** The worker would be told to end now; true where it is still needed. */
  holds(worker: Worker): boolean {
    if (this.#over || !this.#workers.has(worker)) return false;
    if (!this.#examined.has(worker)) {
      this.#examined.add(worker);
      void this.#examine(worker);
    }
    return true;
  }

  exited(worker: Worker, ended: Ended): void {
    if (this.#over || !this.#workers.has(worker)) return;
    this.#ended.push(ended);
    if (!this.#examined.has(worker)) {
      this.#missing.push({ what: worker.id, reason: `it ${ended.how}` });
      this.#leave(worker);
    }
  }

  /** There is no more time for it: what is there is kept. */
  cut(reason: string): void {
    if (this.#over) return;
    for (const { id } of this.#workers) this.#missing.push({ what: id, reason });
    this.#workers.clear();
    this.#finish();
  }

  async #examine(worker: Worker): Promise<void> {
    await this.#profiles.get(worker);
    if (this.#wants('report')) await this.#take(worker, 'report', REPORT_TIMEOUT_MS);
    if (this.#wants('heap')) await this.#takeHeap(worker);
    this.#leave(worker);
  }

  /** Of the first worker that can be asked: theirs are alike. */
  async #takeHeap(worker: Worker): Promise<void> {
    const measures = await worker.measure();
    if (this.#heapTaken || this.#over) return;
    if (measures === null) {
      this.#miss(worker, 'heap', null);
      return;
    }
    const bytes = snapshotBytes(measures.heapUsedBytes);
    const memory = (this.#host.memoryBytes ?? availableMemoryBytes)();
    const left = this.#host.files.leftBytes(this.#name);
    const refused = whyNoSnapshot(bytes, left, 'evidence.max or the disk', memory);
    if (refused !== null) {
      this.#miss(worker, 'heap', refused);
      return;
    }
    this.#heapTaken = true;
    this.#host.files.makeRoom(this.#name, bytes);
    await this.#take(worker, 'heap', HEAP_TIMEOUT_MS);
  }

  async #take(worker: Worker, what: EvidenceKind, timeoutMs: number): Promise<void> {
    const { files, config } = this.#host;
    const file = `${worker.id}.${ENDINGS[what]}`;
    const bounds = { maxBytes: files.leftBytes(this.#name), durationMs: config.cpuMs, timeoutMs };
    const answer = await worker.examine(what, files.pathFor(this.#name, file), bounds);
    if (this.#over) return;
    if (answer === null || answer.bytes === null) {
      files.remove(this.#name, file);
      this.#miss(worker, what, answer, timeoutMs);
      return;
    }
    this.#files.add(file);
    files.makeRoom(this.#name, 0);
    if (files.leftBytes(this.#name) > 0) return;
    // Larger than was reckoned with: the bound holds.
    this.#files.delete(file);
    files.remove(this.#name, file);
    this.#miss(worker, what, `it had ${answer.bytes} bytes, which is more than evidence.max or the disk has room for`);
  }

  #miss(worker: Worker, what: EvidenceKind, answer: Examined | string | null, timeoutMs = 1_000): void {
    const silent = worker.process.alive
      ? `no answer within ${timeoutMs / 1_000} s: its event loop is blocked`
      : 'it ended before';
    const reason = typeof answer === 'string' ? answer : (answer?.reason ?? silent);
    this.#missing.push({ what: `${what} of ${worker.id}`, reason });
  }

  #leave(worker: Worker): void {
    if (!this.#workers.delete(worker)) return;
    if (this.#workers.size === 0) this.#finish();
    this.#host.release(worker);
  }

  #finish(): void {
    this.#over = true;
    const { files } = this.#host;
    const note = (file: string, value: unknown) => {
      this.#files.add(file);
      files.write(this.#name, file, value);
    };
    try {
      if (this.#ended.length > 0) note('exit.json', this.#ended);
      note('evidence.json', { ...this.#candidate, ...this.#cause, missing: this.#missing });
      const kept = files.complete(this.#name, this.#files);
      this.#host.done({ folder: files.pathOf(this.#name), files: kept, missing: this.#missing });
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** A disk that fails is said, and stops nothing. */
  #fail({ message }: Error): void {
    this.#over = true;
    this.#workers.clear();
    const missing = [...this.#missing, { what: 'the folder', reason: message }];
    this.#host.done({ folder: this.#host.files.pathOf(this.#name), files: [], missing });
  }

  #wants(kind: EvidenceKind): boolean {
    return this.#host.config.onFailure.includes(kind);
  }
}
