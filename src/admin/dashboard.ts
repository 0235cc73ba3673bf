/**
 * The pages of admin.listen: how the service is now, and the reloads before. Loaded by the first request for one. What is
 * told here is for whoever reaches the address: no environment, no arguments of commands, and of a verdict its code
 * alone, since a message may hold what an app threw.
 */
import { createHash } from 'node:crypto';
import type { Status } from '../control/messages.js';
import { Looks, type WorkerLook } from '../inventory/looks.js';
import { type OpenReport, type Report, totals } from '../inventory/report.js';
import { dashboardPage, type Reading, type ReloadRow, SCRIPT } from '../page/dashboard-page.js';
import { reportPage } from '../page/report-page.js';
import { STYLE } from '../page/style.js';
import { monotonicMs } from '../process/monotonic.js';
import { VERSION } from '../version.js';
import type { Answer, Route } from './routes.js';

export interface DashboardSource {
  status(): Promise<Status>;
  /** Of the reports on record, ascending. */
  numbers(): readonly number[];
  /** Null where there is none. */
  report(number: number): Report | null;
  /** Those that are not complete. */
  readonly open: readonly OpenReport[];
}

/** However many watch, it is looked no more often. */
const LOOK_EVERY_MS = 1_000;
/** So far the charts go back, where somebody was watching. */
const WINDOW_MS = 300_000;
const MAX_READINGS = 300;
const RELOADS = 8;

const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    `style-src ${hash(STYLE)}`,
    `script-src ${hash(SCRIPT)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

const HTML = 'text/html; charset=utf-8';

export class Dashboard {
  readonly #source: DashboardSource;
  readonly #looks = new Looks();
  #readings: Reading[] = [];
  #status: { readonly atMs: number; readonly is: Promise<Status> } | null = null;
  /** Complete ones, which change no more. */
  readonly #rows = new Map<number, ReloadRow>();

  constructor(source: DashboardSource) {
    this.#source = source;
  }

  /** The page of now. */
  readonly now: Route = async () => {
    const status = await this.#look();
    const nowMs = monotonicMs();
    const running = this.#source.open.find(({ report }) => report.verdict === null) ?? null;
    const body = dashboardPage({
      status,
      readings: this.#readings,
      nowMs,
      running:
        running === null
          ? null
          : { report: running.report, phase: running.phase?.name ?? null, elapsedMs: nowMs - running.sinceMs },
      reloads: this.#reloads(),
      version: VERSION,
    });
    return page(200, body);
  };

  /** The page of the reload that `number` says. */
  readonly reload: Route = async (query) => {
    const text = query.get('number') ?? '';
    const report = /^[1-9]\d{0,14}$/.test(text) ? this.#source.report(Number(text)) : null;
    if (report === null) return { status: 404, body: { code: 'NO_REPORT', number: text.slice(0, 20) } };
    const { name } = await this.#look();
    return page(200, reportPage(forEverybody(report), name, VERSION));
  };

  #look(): Promise<Status> {
    const nowMs = monotonicMs();
    if (this.#status !== null && nowMs - this.#status.atMs < LOOK_EVERY_MS) return this.#status.is;
    const is = this.#source.status().then((status) => {
      this.#read(status, nowMs);
      return status;
    });
    this.#status = { atMs: nowMs, is };
    return is;
  }

  #read({ generations }: Status, atMs: number): void {
    const workers = generations.flatMap(({ number, workers: own }) =>
      own.map(({ slot, pid, rssBytes, measures }): WorkerLook => {
        return { process: `${number}.${slot}.${pid}`, generation: number, rssBytes, measures };
      }),
    );
    const last = this.#readings.at(-1);
    if (last !== undefined && atMs <= last.atMs) return;
    this.#readings.push({ atMs, looks: this.#looks.take(workers) });
    this.#readings = this.#readings.filter((one) => atMs - one.atMs <= WINDOW_MS).slice(-MAX_READINGS);
  }

  /** The newest first. */
  #reloads(): ReloadRow[] {
    const numbers = this.#source.numbers().slice(-RELOADS).reverse();
    for (const known of this.#rows.keys()) if (!numbers.includes(known)) this.#rows.delete(known);
    return numbers.flatMap((number) => {
      const known = this.#rows.get(number);
      if (known !== undefined) return known;
      const report = this.#source.report(number);
      if (report === null) return [];
      const row = rowOf(report);
      if (row.drainMs !== null) this.#rows.set(number, row);
      return row;
    });
  }
}

function page(status: number, body: string): Answer {
  return { status, body, type: HTML, headers: HEADERS };
}

function rowOf(report: Report): ReloadRow {
  const { number, startedAt, from, to, verdict, durationMs, drains } = report;
  const isOver = drains.every(({ ms }) => ms !== null);
  const drainMs = isOver ? Math.max(0, ...drains.map(({ ms }) => ms ?? 0)) : null;
  const { moved, cut } = totals(report);
  return {
    number,
    startedAt,
    from,
    to,
    ok: verdict?.ok ?? null,
    code: verdict?.code ?? null,
    durationMs,
    drainMs,
    moved,
    cut,
  };
}

/** What may be told to anybody who asks. */
function forEverybody(report: Report): Report {
  const { evidence: _, verdict, ...rest } = report;
  if (verdict === null) return { ...rest, verdict };
  const { ok, code } = verdict;
  const message = ok ? 'It serves.' : `It was refused with ${code}; batond report ${report.number} says why.`;
  return { ...rest, verdict: { ok, code, message } };
}
