/**
 * Looks at the workers of all generations while a report is open, for its series. It is loaded when the first reload
 * begins, and has no timer while there is no report to write for.
 */
import { Looks } from '../inventory/looks.js';
import type { OpenReport } from '../inventory/report.js';
import { addLook, newSeries } from '../inventory/series.js';
import type { Worker } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import { residentBytes } from '../process/resident.js';

export interface SeriesHost {
  /** The reports that are not complete. */
  open(): readonly OpenReport[];
  workers(): readonly Worker[];
}

export class SeriesRecorder {
  readonly #host: SeriesHost;
  readonly #looks = new Looks();
  #timer: NodeJS.Timeout | null = null;
  #looking = false;
  #frozen = false;

  constructor(host: SeriesHost) {
    this.#host = host;
  }

  /** Looks from here on, until no report is open. */
  begin(): void {
    this.#frozen = false;
    if (this.#timer === null && !this.#looking) void this.#look();
  }

  /** Asks nobody any more, and takes no answer. */
  freeze(): void {
    this.#frozen = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #look(): Promise<void> {
    this.#timer = null;
    if (this.#host.open().length === 0) {
      this.#looks.forget();
      return;
    }
    this.#looking = true;
    const startedMs = monotonicMs();
    const workers = await Promise.all(
      this.#host.workers().map(async (worker) => {
        const { pid } = worker.process;
        const measures = await worker.measure();
        const { generation } = worker;
        return { process: `${worker.id}.${pid}`, generation, rssBytes: residentBytes(pid), measures };
      }),
    );
    this.#looking = false;
    if (this.#frozen) return;
    const looks = this.#looks.take(workers);
    let everyMs = Number.POSITIVE_INFINITY;
    for (const { report, sinceMs } of this.#host.open()) {
      report.series ??= newSeries();
      addLook(report.series, startedMs - sinceMs, looks);
      everyMs = Math.min(everyMs, report.series.everyMs);
    }
    if (everyMs === Number.POSITIVE_INFINITY) this.#looks.forget();
    else this.#timer = setTimeout(() => void this.#look(), Math.max(0, everyMs - (monotonicMs() - startedMs)));
  }
}
