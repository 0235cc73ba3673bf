/**
 * Keeps what metrics count beyond the life of a worker and of a supervisor. Loaded when metrics are asked for first, and
 * from then on by each supervisor that follows; what asks the workers and writes the text is loaded by scrapes alone.
 */
import type { Answer } from '../admin/routes.js';
import type { Action, Ended } from '../healing/rules.js';
import type { AttemptKind } from '../inventory/attempt.js';
import { type Report, totals } from '../inventory/report.js';
import type { Worker } from '../inventory/worker.js';
import { countsOf, countsOfLength } from '../metrics/counts.js';
import type { MetricName } from '../metrics/families.js';
import { type Labels, Ledger, type LedgerRecord, type Living } from '../metrics/ledger.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Scrape, ScrapeHost } from './scrape.js';
import type { Situation } from './situation.js';

/** A counter that is there only once it has counted seems never to have grown. */
const FROM_ZERO: readonly (readonly [name: MetricName, labels: Labels])[] = [
  ['batond_supervisor_takeovers_total', {}],
  ['batond_supervisor_adoptions_total', {}],
  ['batond_reloads_total', { kind: 'reload', code: 'ok' }],
  ...['moved', 'finished', 'told', 'cut'].map((outcome) => ['batond_drain_connections_total', { outcome }] as const),
  ...['timed_out', 'killed', 'lost'].map((outcome) => ['batond_drain_workers_total', { outcome }] as const),
];

export interface Judged {
  readonly process: string;
  readonly rule: string;
  readonly ended: Ended;
  readonly action: Action;
}

export class Metrics {
  readonly ledger: Ledger;
  /** Since when this supervisor counts. */
  readonly sinceMs = monotonicMs();
  readonly #situation: Situation;
  readonly #host: ScrapeHost;
  #scrape: Promise<Scrape> | null = null;
  #isFrozen = false;
  #letOff: () => void = () => {};

  constructor(situation: Situation, host: ScrapeHost, record: LedgerRecord | null) {
    this.#situation = situation;
    this.#host = host;
    this.ledger = new Ledger(record);
    for (const [name, labels] of FROM_ZERO) this.ledger.count(name, labels, { times: 0 });
  }

  get record(): LedgerRecord {
    return this.ledger.record(new Set(this.#situation.inventory.generations.keys()));
  }

  get living(): Living[] {
    const { inventory } = this.#situation;
    return [...inventory.generations.values()].flatMap((generation) =>
      [...generation.workers.values()].map(({ slot, measured, hasChannel, phase }) => ({
        process: generation.processOf(slot).name,
        counts: measured === null ? null : countsOf(measured.measures),
        // One that boots has counted nothing; one that ends has, and says it when it exits.
        answers: hasChannel && phase !== 'booting',
      })),
    );
  }

  /** A worker is gone, and out of its generation. */
  ended({ generation, slot, measured }: Worker, process: string): void {
    if (measured !== null) this.ledger.ended(process, generation, slot, countsOf(measured.measures));
  }

  /** It was decided what becomes of the slot of a worker that ended unasked. */
  judged({ process, rule, ended, action }: Judged): void {
    const { cause, signal, status } = ended;
    const reason = cause ?? signal ?? (status === null ? 'unknown' : `status_${status}`);
    this.ledger.count('batond_worker_ends_total', { process, rule, reason, action });
  }

  verdict(kind: AttemptKind, code: string | null): void {
    this.ledger.count('batond_reloads_total', { kind, code: code ?? 'ok' });
  }

  /** A reload has its verdict. */
  reported({ phases, durationMs }: Report): void {
    if (durationMs !== null)
      this.ledger.count('batond_reload_duration_seconds', {}, countsOfLength(durationMs / 1_000));
    for (const { phase, ms } of phases) {
      this.ledger.count('batond_reload_phase_duration_seconds', { phase }, countsOfLength(ms / 1_000));
    }
  }

  /** Every generation that the reload sent away is gone. */
  drained(report: Report): void {
    for (const [outcome, times] of Object.entries(totals(report))) {
      this.ledger.count('batond_drain_connections_total', { outcome }, { times });
    }
    const workers = { timed_out: 0, killed: 0, lost: 0 };
    for (const { workers: of } of report.drains) {
      workers.timed_out += of.timedOut;
      workers.killed += of.killed;
      workers.lost += of.lost;
    }
    for (const [outcome, times] of Object.entries(workers)) {
      this.ledger.count('batond_drain_workers_total', { outcome }, { times });
    }
  }

  tookOver(): void {
    this.ledger.count('batond_supervisor_takeovers_total', {});
  }

  adopted(): void {
    this.ledger.count('batond_supervisor_adoptions_total', {});
  }

  /** Asks no worker from here on, also where an answer is waited for: the next supervisor would read it. */
  freeze(): void {
    this.#isFrozen = true;
    // Whoever is still answered is told what is known now.
    this.ledger.totals(this.living);
    this.#letOff();
  }

  thaw(): void {
    this.#isFrozen = false;
  }

  /** Resolves when everybody has answered, or nobody is asked any more. */
  async ask(questions: () => readonly Promise<unknown>[]): Promise<void> {
    if (this.#isFrozen) return;
    const letOff = new Promise<void>((resolve) => {
      this.#letOff = resolve;
    });
    await Promise.race([Promise.all(questions()), letOff]);
  }

  async scrape(accept: string | undefined): Promise<Answer> {
    this.#scrape ??= import('./scrape.js').then(({ Scrape }) => new Scrape(this.#situation, this, this.#host));
    const { type, text } = await (await this.#scrape).tell(accept);
    return { status: 200, type, body: text };
  }
}
