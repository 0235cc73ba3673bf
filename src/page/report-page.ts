/** The report of one reload as a page that is a file: it can be sent to somebody, printed, and read without JavaScript. */
import { formatShare } from '../config/canary-steps.js';
import { roughSize } from '../config/size.js';
import { percent, type TrialFigures, time } from '../health/figures.js';
import { type DrainReport, type Report, totals } from '../inventory/report.js';
import { describeHoldings } from '../supervisor/holdings-words.js';
import { badge, document, facts } from './document.js';
import { type Html, html } from './html.js';
import { reportCharts } from './report-charts.js';
import { type Bar, timeline } from './timeline.js';
import { count, duration, mebibytes, plural, utc } from './words.js';

const KINDS: Readonly<Record<Report['kind'], string>> = {
  reload: 'Reload',
  rollback: 'Rollback',
  regret: 'Return to the last good release,',
};

/** `name` is that of the service; `version` of the batond that makes the page. */
export function reportPage(report: Report, name: string, version: string): string {
  const { number, kind } = report;
  return document(
    `${name}: ${KINDS[kind].toLowerCase()} ${number}`,
    html`<main>
${heading(report, name)}
${reportBody(report)}
</main>
<footer>Written by batond ${version}. Times are since the reload began.</footer>`,
  );
}

function heading(report: Report, name: string): Html {
  const { number, kind, from, to, release, startedAt, verdict } = report;
  return html`<header>
<h1>${KINDS[kind]} ${number} of ${name} ${verdictBadge(verdict)}</h1>
<p>Generation ${from ?? 'none'} → ${to ?? 'none was started'}${release === null ? null : html` (${release})`}<span class="quiet">, ${utc(startedAt)}</span></p>
${verdict === null ? null : html`<p class="${verdict.ok ? 'quiet' : 'reason'}">${verdict.message}</p>`}
</header>`;
}

export function verdictBadge(verdict: Report['verdict']): Html {
  if (verdict === null) return badge('warn', 'no verdict');
  return verdict.ok ? badge('good', 'done') : badge('bad', verdict.code ?? 'failed');
}

/** All of it but what it is called. */
export function reportBody(report: Report): Html {
  const { durationMs, drains, peak } = report;
  const bars = barsOf(report);
  const toMs = Math.max(
    ...bars.map(({ fromMs, ms }) => fromMs + (ms ?? 0)),
    ...(report.series?.generations ?? []).map(({ atMs }) => atMs.at(-1) ?? 0),
    durationMs ?? 0,
    1,
  );
  const { moved, finished, told, cut } = totals(report);
  const drainMs = drains.every(({ ms }) => ms !== null) ? Math.max(0, ...drains.map(({ ms }) => ms ?? 0)) : null;
  const amount = (value: number) => html`<span data-value="${value}">${count(value)}</span>`;
  return html`${facts([
    { name: 'until the verdict', value: durationMs === null ? '–' : duration(durationMs) },
    { name: 'drain', value: drains.length === 0 ? '–' : drainMs === null ? 'goes on' : duration(drainMs) },
    { name: 'connections moved', value: amount(moved) },
    { name: 'finished', value: amount(finished) },
    { name: 'told to go', value: amount(told) },
    { name: 'cut', value: html`<span class="${cut > 0 ? 'bad' : 'good'}" data-value="${cut}">${count(cut)}</span>` },
    { name: 'memory, at most', value: mebibytes(peak.rssBytes), more: 'supervisor and workers' },
    { name: 'descriptors, at most', value: amount(peak.fds) },
  ])}
<section><h2>What it took</h2>
${timeline(bars, toMs)}</section>
${section('While it went on', reportCharts(report, toMs))}
${section('Canary', canary(report))}
${section('On trial', trial(report))}
${section('State', state(report))}
${section('Evidence', evidence(report))}
${drains.map((drain) => section(`Generation ${drain.generation} drained`, drained(drain)))}`;
}

function section(title: string, body: Html | null): Html | null {
  return body === null
    ? null
    : html`<section><h2>${title}</h2>
${body}</section>
`;
}

/** The phases one after the other, and the drains. */
export function barsOf({ phases, drains, verdict }: Report): Bar[] {
  let fromMs = 0;
  const bars: Bar[] = phases.map(({ phase, ms }) => {
    const kind = phase === 'rollback' || (verdict?.ok === false && phase === phases.at(-1)?.phase) ? 'failed' : 'phase';
    const bar: Bar = { label: phase, fromMs, ms, kind };
    fromMs += ms;
    return bar;
  });
  return [
    ...bars,
    ...drains.map(({ generation, atMs, ms }): Bar => {
      return { label: `drain of ${generation}`, fromMs: atMs ?? fromMs, ms, kind: 'drain' };
    }),
  ];
}

function canary({ canary: steps }: Report): Html | null {
  if (steps === undefined || steps.length === 0) return null;
  const rows = steps.map(
    ({
      share,
      match,
      ms,
      candidate,
      incumbent,
    }) => html`<tr><th scope="row">${formatShare(share)}${match === null ? null : html` by ${match}`}</th><td>${duration(ms)}</td><td>${count(candidate.connections)}</td><td>${count(incumbent.connections)}</td><td>${count(candidate.requests)}</td><td>${count(incumbent.requests)}</td></tr>
`,
  );
  return html`<div class="scroll" tabindex="0"><table>
<thead><tr><th scope="col">share</th><th scope="col">for</th><th scope="col">connections, new</th><th scope="col">old</th><th scope="col">requests, new</th><th scope="col">old</th></tr></thead>
<tbody>
${rows}</tbody></table></div>`;
}

function trial({ soak, from, to }: Report): Html | null {
  if (soak === undefined) return null;
  const { forMs, ms, failed, candidate, incumbent } = soak;
  const known = (value: number | null, as: (value: number) => string) => (value === null ? '–' : as(value));
  const rows: [string, (figures: TrialFigures) => string][] = [
    ['requests', (one) => count(one.requests)],
    ['failed', (one) => (one.ended === 0 ? '–' : `${count(one.failed)} (${percent(one.failed / one.ended)})`)],
    ['p99', (one) => known(one.p99Ms, time)],
    ['loop late, p99', (one) => known(one.delayP99Ms, time)],
    ['loop late, at most', (one) => known(one.delayMaxMs, time)],
    ['largest worker', (one) => known(one.rssBytes, mebibytes)],
    ['grows a second by', (one) => known(one.growth, mebibytes)],
  ];
  const lasted = ms >= forMs ? duration(ms) : `${duration(ms)} of ${duration(forMs)}`;
  return html`<p>${lasted}${failed === null ? null : html`: <span class="bad">${failed}</span>`}</p>
<div class="scroll" tabindex="0"><table>
<thead><tr><th></th><th scope="col">generation ${to}</th><th scope="col">generation ${from}</th></tr></thead>
<tbody>
${rows.map(
  ([label, of]) => html`<tr><th scope="row">${label}</th><td>${of(candidate)}</td><td>${of(incumbent)}</td></tr>
`,
)}</tbody></table></div>`;
}

function state({ state: passed }: Report): Html | null {
  if (passed === undefined) return null;
  const { bytes, workers, saveMs, restoreMs, lost } = passed;
  const took = `saved in ${duration(saveMs)}, restored in ${duration(restoreMs)}`;
  return html`<p>${mebibytes(bytes)} of ${plural(workers, 'worker')}: ${took}.${lost === 0 ? null : html` <span class="bad">${count(lost)} could not be had: the new generation began without.</span>`}</p>`;
}

function evidence({ evidence: kept }: Report): Html | null {
  if (kept === undefined) return null;
  const { folder, files, missing } = kept;
  return html`<p>${folder}</p>
<ul>
${files.map(
  ({ name, bytes }) => html`<li>${name} <span class="quiet">${roughSize(bytes)}</span></li>
`,
)}${missing.map(
  ({ what, reason }) => html`<li class="quiet">not ${what}: ${reason}</li>
`,
)}</ul>`;
}

function drained({ generation, ms, moved, finished, told, cut, workers, held = [], remained }: DrainReport): Html {
  const said = [
    [moved, 'moved to the next generation'],
    [finished, 'finished'],
    [told, 'told to go'],
    [cut.idle, 'cut: closed while idle'],
    [cut.drainTimeout, 'cut: still open after upgrade.drain_timeout'],
    [cut.noOldAfter, 'cut: still open after --no-old-after'],
  ] as const;
  const ends = [
    [workers.timedOut, 'told to end before drained'],
    [workers.killed, 'killed'],
    [workers.lost, 'ended unasked: their counts are lost'],
  ] as const;
  const rows = [
    ...said.map(([n, what]) => ({ n, what: `connections ${what}` })),
    ...ends.filter(([n]) => n > 0).map(([n, what]) => ({ n, what: `workers ${what}` })),
  ];
  const left =
    remained === undefined
      ? []
      : (['resources', 'gauges', 'listeners'] as const).flatMap((sort) =>
          Object.entries(remained.left[sort]).map(([kind, n]) => `${kind}: ${n} of ${remained.before[sort][kind]}`),
        );
  return html`<p>${ms === null ? 'It still drains: these numbers will grow.' : `It was gone after ${duration(ms)}.`}</p>
<table><tbody>
${rows.map(
  ({ n, what }) => html`<tr><th scope="row">${what}</th><td data-value="${n}">${count(n)}</td></tr>
`,
)}</tbody></table>
${left.length === 0 ? null : html`<p>Left by ${plural(remained!.workers, 'worker')} that had drained: ${left.join(', ')}.</p>`}
${held.map(
  ({ slot, before, by }) => html`<p>Worker g${generation}s${slot} before ${before}: ${describeHoldings(by)}.</p>
`,
)}`;
}
