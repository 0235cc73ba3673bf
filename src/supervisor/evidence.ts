/**
 * Evidence of candidates that fail, where upgrade.on_failure asks for it. The verdict names the folder and does not wait
 * for what comes into it; a takeover or a stop does not either: what is there by then is kept.
 *
 * Nothing is gathered where nothing has failed: a client that went away, a stop, a supervisor that died. A start has no
 * incumbent to fall back on, and whoever starts the service again is not to wait.
 */
import type { EvidenceConfig } from '../config/config.js';
import type { BatondError } from '../errors.js';
import { evidenceName } from '../inventory/evidence-files.js';
import type { Generation } from '../inventory/generation.js';
import type { EvidenceReport } from '../inventory/report.js';
import type { Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../process/monotonic.js';
import { describeExit, type Exit } from '../process/process.js';
import type { Ended, Gathering } from './gathering.js';
import type { RollRequest } from './roller.js';

const NOT_ITS_FAULT: ReadonlySet<string> = new Set(['CLIENT_GONE', 'STOPPING', 'SUPERVISOR_DIED']);

export interface EvidenceHost {
  readonly config: EvidenceConfig | undefined;
  readonly stateDirectory: string;
  readonly log: Log;
  readonly stopping: () => boolean;
  /** The worker may be told to end. */
  release(worker: Worker): void;
  gathered(generation: number, report: EvidenceReport): void;
}

type Tools = Awaited<ReturnType<typeof load>>;

async function load(stateDirectory: string, { maxBytes }: EvidenceConfig) {
  const [{ Gathering }, { EvidenceFiles }] = await Promise.all([
    import('./gathering.js'),
    import('../inventory/evidence-files.js'),
  ]);
  return { Gathering, files: new EvidenceFiles(stateDirectory, maxBytes) };
}

export class Evidence {
  readonly #host: EvidenceHost;
  #tools: Tools | null = null;
  /** By generation: those of a candidate that ended before its roll was taken back. */
  readonly #ended = new Map<number, Ended[]>();
  readonly #gatherings = new Map<number, Gathering>();

  constructor(host: EvidenceHost) {
    this.#host = host;
  }

  /** This supervisor acts from here on: it gets ready, long before the first candidate can fail. */
  activate(): void {
    if (this.#config === null || this.#tools !== null) return;
    const config = this.#config;
    void load(this.#host.stateDirectory, config).then((tools) => {
      if (this.#config?.maxBytes !== config.maxBytes) return;
      this.#tools = tools;
      try {
        tools.files.sweep();
      } catch (error) {
        this.#host.log.warn({ event: 'evidence', err: error }, 'evidence that was not completed cannot be removed');
      }
    });
  }

  /** As the configuration now says. */
  reconfigure(): void {
    this.#tools = null;
    this.activate();
  }

  /** A candidate is to be taken back; what becomes of the evidence, for the end of the verdict, or null. */
  failed(candidate: Generation, cause: BatondError | null, kind: RollRequest['kind']): string | null {
    const ended = this.#ended.get(candidate.number) ?? [];
    this.#ended.delete(candidate.number);
    const config = this.#config;
    if (this.#tools === null || config === null || kind === 'start' || cause === null || NOT_ITS_FAULT.has(cause.code))
      return null;
    if (ended.length === 0 && candidate.workers.size === 0) return null;
    const { Gathering, files } = this.#tools;
    const { number } = candidate;
    const name = evidenceName(new Date(), number);
    const gathering = new Gathering(name, candidate, cause, ended, {
      files,
      config,
      release: (worker) => this.#host.release(worker),
      done: (report) => {
        this.#gatherings.delete(number);
        this.#tell(number, report);
      },
    });
    this.#gatherings.set(number, gathering);
    gathering.begin();
    return `evidence is kept in ${files.pathOf(name)}`;
  }

  /** Whether a worker that is to be told to end is still needed. */
  holds(worker: Worker): boolean {
    const gathering = this.#gatherings.get(worker.generation);
    if (gathering === undefined) return false;
    if (!this.#host.stopping()) return gathering.holds(worker);
    gathering.cut('the service stopped');
    return false;
  }

  /** A worker of a candidate, or of one that was taken back, has ended. */
  exited(worker: Worker, exit: Exit): void {
    if (this.#config === null) return;
    const ended: Ended = {
      worker: worker.id,
      pid: worker.process.pid,
      how: describeExit(exit),
      fatal: worker.fatal,
      aliveMs: Math.round(monotonicMs() - worker.startedAtMs),
      listening: [...worker.listening],
    };
    const gathering = this.#gatherings.get(worker.generation);
    if (gathering !== undefined) gathering.exited(worker, ended);
    else this.#ended.set(worker.generation, [...(this.#ended.get(worker.generation) ?? []), ended]);
  }

  /** The generation is no candidate any more: it serves, or nothing is left of it. */
  forget(generation: Generation): void {
    this.#ended.delete(generation.number);
    this.#gatherings.get(generation.number)?.cut('it ended before');
  }

  /** Somebody else is about to act. */
  freeze(): void {
    for (const gathering of [...this.#gatherings.values()]) gathering.cut('another reload took over');
  }

  /** Null where nothing is to be kept. */
  get #config(): EvidenceConfig | null {
    const { config } = this.#host;
    return config !== undefined && config.onFailure.length > 0 ? config : null;
  }

  #tell(generation: number, report: EvidenceReport): void {
    const { folder, files, missing } = report;
    const had = files.map(({ name }) => name).join(', ') || 'nothing';
    const not = missing.map(({ what, reason }) => `${what} (${reason})`).join(', ');
    this.#host.log.warn(
      { event: 'evidence', generation, folder, files, missing },
      `evidence of generation ${generation} in ${folder}: ${had}${not === '' ? '' : `; not to be had: ${not}`}`,
    );
    this.#host.gathered(generation, report);
  }
}
