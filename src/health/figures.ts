/** Numbers of a trial, for the report and for sentences. Pure. */

/** As the report has them; null is what could not be told. */
export interface TrialFigures {
  readonly requests: number;
  readonly failed: number;
  /** Of so many it is known how they went. */
  readonly ended: number;
  readonly p99Ms: number | null;
  readonly delayP99Ms: number | null;
  readonly delayMaxMs: number | null;
  /** Of the largest worker. */
  readonly rssBytes: number | null;
  /** Bytes a second, of the worker that grows fastest. */
  readonly growth: number | null;
}

/** "1,204 requests, 0.0 % errors, p99 12 ms (before 11 ms)". */
export function describeFigures(own: TrialFigures, before: TrialFigures): string {
  const parts = [`${number(own.requests)} ${own.requests === 1 ? 'request' : 'requests'}`];
  if (own.ended > 0) parts.push(`${percent(own.failed / own.ended)} errors`);
  if (own.p99Ms !== null) {
    parts.push(`p99 ${time(own.p99Ms)}${before.p99Ms === null ? '' : ` (before ${time(before.p99Ms)})`}`);
  }
  return parts.join(', ');
}

/** "0.4 %", "12 %". */
export function percent(ratio: number): string {
  const hundredths = (Number.isFinite(ratio) ? ratio : 0) * 100;
  return `${hundredths >= 10 ? Math.round(hundredths) : hundredths.toFixed(1)} %`;
}

/** "1,204". */
export const number = (count: number): string => count.toLocaleString('en-US');

/** "0.4 ms", "12 ms", "1.2 s". */
export function time(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${ms >= 10 ? Math.round(ms) : ms.toFixed(1)} ms`;
}

export const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
