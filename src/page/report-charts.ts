/** What the generations did while a reload went on, as charts: of the series of a report. Pure. */
import type { Report } from '../inventory/report.js';
import type { GenerationSeries, Series } from '../inventory/series.js';
import { type Chart, chart, type Line, type Mark } from './chart.js';
import { type Html, html } from './html.js';
import { count, duration, mebibytes } from './words.js';

export function reportCharts(report: Report, toMs: number): Html | null {
  const { series } = report;
  if (series === undefined || series.generations.length === 0) return null;
  const atMs = [...new Set(series.generations.flatMap((one) => one.atMs))].sort((a, b) => a - b);
  const frame = { atMs, marks: marksOf(report, toMs), fromMs: 0, toMs };
  const lines = (label: string, of: (one: GenerationSeries) => readonly (number | null)[], faint = false): Line[] =>
    series.generations.map((one, i) => ({
      label: `${label}generation ${one.generation}`,
      tone: toneOf(report, one.generation, i),
      faint,
      values: placed(atMs, one.atMs, of(one)),
    }));
  const failures = lines('', (one) => ratesOf(one.atMs, one.failed));
  const isClean = failures.every(({ values }) => values.every((value) => value === null || value === 0));
  const charts: Chart[] = [
    {
      ...frame,
      title: 'Requests a second',
      about: 'Requests a second of each generation over the time of the reload',
      lines: lines('', (one) => ratesOf(one.atMs, one.requests)),
      show: (value) => (value >= 10 ? count(Math.round(value)) : value.toFixed(1)),
    },
    {
      ...frame,
      title: 'Latency: p99, and p50 dashed',
      about: 'The 50th and 99th percentile of latency of each generation over the time of the reload',
      lines: [...lines('p99 ', ({ p99Ms }) => p99Ms), ...lines('p50 ', ({ p50Ms }) => p50Ms, true)],
      show: duration,
    },
    ...(isClean
      ? []
      : [
          {
            ...frame,
            title: 'Failures a second',
            about: 'Answers of 5xx and broken requests a second of each generation over the time of the reload',
            lines: failures,
            show: (value: number) => value.toFixed(1),
          },
        ]),
    {
      ...frame,
      title: 'Open connections',
      about: 'Connections that are open with each generation over the time of the reload',
      lines: lines('', ({ connections }) => connections),
      show: (value) => count(Math.round(value)),
    },
    {
      ...frame,
      title: 'Memory of all workers',
      about: 'Resident memory of the workers of each generation over the time of the reload',
      lines: lines('', ({ rssBytes }) => rssBytes),
      show: mebibytes,
      unit: 2 ** 20,
    },
  ];
  return html`${isClean ? html`<p class="quiet">No request has failed while anybody looked.</p>` : null}<div class="charts">
${charts.map(
  (one) => html`${chart(one)}
`,
)}</div>`;
}

/** What served is grey, what comes is blue, whatever else there is has what is left. */
function toneOf({ from, to }: Report, generation: number, i: number): number {
  if (generation === from) return 0;
  return generation === to ? 1 : 2 + (i % 2);
}

/** What is told of more than one has to have room for it. */
function marksOf({ phases, durationMs }: Report, toMs: number): Mark[] {
  const at = phases.findIndex(({ phase }) => phase === 'switch' || phase === 'rollback');
  const begun = phases.slice(0, Math.max(0, at)).reduce((all, { ms }) => all + ms, 0);
  const isLate = durationMs !== null && durationMs > toMs * 0.8;
  const isNear = isLate && durationMs - begun < toMs * 0.25;
  return [
    ...(at < 0 ? [] : [{ atMs: begun, label: isNear ? '' : phases[at]!.phase, side: 'left' } as const]),
    ...(durationMs === null ? [] : [{ atMs: durationMs, label: 'verdict', side: isLate ? 'left' : 'right' } as const]),
  ];
}

/** Since the look before; null where the count has become smaller, or is not known. */
export function ratesOf(atMs: readonly number[], counts: Series['generations'][number]['requests']): (number | null)[] {
  return counts.map((value, i) => {
    const before = counts[i - 1] ?? null;
    const ms = (atMs[i] as number) - (atMs[i - 1] ?? Number.NaN);
    if (value === null || before === null || value < before || !(ms > 0)) return null;
    return Math.round(((value - before) / ms) * 100_000) / 100;
  });
}

/** The values at the places that all lines have. */
function placed(all: readonly number[], own: readonly number[], values: readonly (number | null)[]): (number | null)[] {
  const byTime = new Map(own.map((ms, i) => [ms, values[i] ?? null]));
  // Before its first look and after its last it has none; between them a place without one is another generation's.
  return all.map((ms) => byTime.get(ms) ?? null);
}
