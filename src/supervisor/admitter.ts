/**
 * Asks whether a reload may begin: reads the figures that the rules of src/admission/ go by, and makes a refusal an
 * error. What is refused has had no effect. A switch of release.current that is refused waits: it is looked at again
 * when the refusal says, and by the watch's own looks before that, so nothing hangs on the timer being right.
 */
import { type AskedFor, refusalOf } from '../admission/admission.js';
import type { Figures } from '../admission/room.js';
import { factsOf } from '../admission/words.js';
import { admissionOf } from '../config/admission.js';
import type { Config } from '../config/config.js';
import { BatondError } from '../errors.js';
import type { Level } from '../health/levels.js';
import type { Generation } from '../inventory/generation.js';
import type { Log } from '../log.js';
import { availableDescriptors, availableSystemFiles } from '../process/available-files.js';
import { availableMemory } from '../process/available-memory.js';
import { availableTasks } from '../process/available-tasks.js';
import { footprint, ofProcess } from '../process/footprint.js';
import { monotonicMs } from '../process/monotonic.js';
import { weekMs } from '../process/week-time.js';

export interface AdmitterHost {
  readonly config: Config;
  readonly log: Log;
  incumbent(): Generation | null;
  /** Of the service. */
  level(): Level;
  /** Something has changed that the status speaks of. */
  announce(): void;
}

/** What setTimeout of Node takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class Admitter {
  readonly #host: AdmitterHost;
  #waiting: { readonly identity: string; readonly text: string; readonly code: string } | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(host: AdmitterHost) {
    this.#host = host;
  }

  /** What waits to be admitted, for the status; null where nothing does. */
  get waiting(): string | null {
    return this.#waiting?.text ?? null;
  }

  /** Throws FROZEN, UNHEALTHY, TOO_SOON and NO_ROOM. */
  require(asked: AskedFor): void {
    const refusal = this.#ask(asked);
    if (refusal === null) return;
    const { error } = refusal;
    this.#host.log.warn({ event: 'not-admitted', code: error.code, asked }, `${asked} refused: ${error.message}`);
    throw error;
  }

  /** As `require`, for nobody who would hear of it: false where it has to wait, and then `again` is called. */
  admits(target: { readonly identity: string; readonly root: string }, again: () => void): boolean {
    const refusal = this.#ask('watch');
    this.#settle();
    if (refusal === null) return true;
    const { error, retryAfterMs } = refusal;
    const { code, message } = error;
    // It is looked at every few seconds, and said once.
    if (this.#waiting?.identity !== target.identity || this.#waiting.code !== code) {
      const { log } = this.#host;
      log.warn({ event: 'not-admitted', code, asked: 'watch', root: target.root }, `${target.root} waits: ${message}`);
    }
    this.#waiting = { identity: target.identity, code, text: `${target.root} waits: ${message}.` };
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        again();
        // It leads elsewhere by now, or nowhere.
        if (this.#timer === null) this.forget();
      },
      Math.min(retryAfterMs, MAX_TIMER_MS),
    );
    this.#timer.unref();
    this.#host.announce();
    return false;
  }

  /** Nothing waits any more. */
  forget(): void {
    this.#settle();
    if (this.#waiting === null) return;
    this.#waiting = null;
    this.#host.announce();
  }

  #settle(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #ask(asked: AskedFor): { readonly error: BatondError; readonly retryAfterMs: number } | null {
    const { freeze, minIntervalMs, state } = admissionOf(this.#host.config);
    const incumbent = this.#host.incumbent();
    const committedAtMs = incumbent?.committedAtMs ?? null;
    const refusal = refusalOf(
      asked,
      { freeze, minIntervalMs, state: state && incumbent !== null },
      {
        weekMs,
        sinceCommitMs: committedAtMs === null ? null : monotonicMs() - committedAtMs,
        level: this.#host.level(),
        figures: () => figuresOf(incumbent!),
      },
    );
    if (refusal === null) return null;
    return { error: new BatondError(refusal.code, factsOf(refusal)), retryAfterMs: refusal.retryAfterMs };
  }
}

/** Of an auxiliary process two generations never run at once: it needs no room beside the one that is there. */
function figuresOf({ coreSlots, coreWorkers }: Generation): Figures {
  return {
    slots: coreSlots.length,
    workers: coreWorkers.map(({ process: { pid } }) => footprint(pid)),
    supervisor: ofProcess(process.pid),
    memory: availableMemory(),
    tasks: availableTasks(),
    descriptors: availableDescriptors(),
    files: availableSystemFiles(),
  };
}
