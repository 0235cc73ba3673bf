/**
 * How a service is now, as a page: whole as it is sent, so that it can be read without JavaScript, which does nothing but
 * ask for the same page again and put its content in the place of the old one. Pure.
 */
import type { GenerationStatus, Status, WorkerStatus } from '../control/messages.js';
import type { Report } from '../inventory/report.js';
import type { GenerationLook } from '../inventory/series.js';
import { type Chart, chart } from './chart.js';
import { badge, facts, page } from './document.js';
import { Html, html } from './html.js';
import { ratesOf } from './report-charts.js';
import { barsOf } from './report-page.js';
import { timeline } from './timeline.js';
import { count, duration, mebibytes, plural, utc } from './words.js';

/** What was seen at one time, milliseconds of CLOCK_MONOTONIC. */
export interface Reading {
  readonly atMs: number;
  readonly looks: readonly GenerationLook[];
}

export interface ReloadRow {
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly from: number | null;
  readonly to: number | null;
  readonly ok: boolean | null;
  readonly code: string | null;
  readonly durationMs: number | null;
  readonly drainMs: number | null;
  readonly moved: number;
  readonly cut: number;
}

export interface DashboardFacts {
  readonly status: Status;
  /** The oldest first. */
  readonly readings: readonly Reading[];
  readonly nowMs: number;
  /** The reload under way. */
  readonly running: { readonly report: Report; readonly phase: string | null; readonly elapsedMs: number } | null;
  /** The newest first. */
  readonly reloads: readonly ReloadRow[];
  readonly version: string;
}

/** How far back a rate is taken: less would jump, more would lag. */
const RATE_MS = 4_000;

/** XML has no place for "&" and "<" here, so there is none. */
export const SCRIPT = `
const main = document.querySelector('main');
const live = document.getElementById('live');
async function look() {
  try {
    const answer = await fetch(location.href, { cache: 'no-store', signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
    const open = [...main.querySelectorAll('details')].map((one) => one.open);
    [...next.querySelectorAll('details')].forEach((one, i) => { one.open = open[i] === true; });
    main.replaceChildren(...next.childNodes);
    live.className = 'quiet';
    live.textContent = 'live';
    live.dataset.looks = Number(live.dataset.looks) + 1;
  } catch {
    live.className = 'bad';
    live.textContent = 'no answer';
  }
  setTimeout(look, document.hidden ? 10000 : 2000);
}
setTimeout(look, 2000);
`;

export function dashboardPage(all: DashboardFacts): string {
  const { status, version } = all;
  return page(
    html`<title>${status.name}</title>
<noscript><meta http-equiv="refresh" content="5"/></noscript>`,
    html`<main>
${content(all)}
</main>
<footer><span id="live" class="quiet" data-looks="0">as of the time it was asked for</span> · batond ${version}</footer>
${new Html(`<script>${SCRIPT}</script>`)}`,
  );
}

function content({ status, readings, nowMs, running, reloads }: DashboardFacts): Html {
  const serving = status.generations.find(({ role }) => role === 'incumbent');
  return html`<h1>${status.name} ${stateBadge(status)} ${levelBadge(status)}</h1>
<p class="quiet">${serving === undefined ? 'Nothing serves yet.' : html`Generation ${serving.number} (${serving.release}) serves.`} Supervisor for ${duration(status.supervisor.uptimeMs)}.</p>
${figures(status, readings)}
${running === null ? null : reloadUnderWay(running)}
<section><h2>The last five minutes${readings.length < 2 ? html` <span class="quiet">– as far as anybody was watching</span>` : null}</h2>
${charts(readings, nowMs, status)}</section>
${status.generations.map(workersOf)}
<section><h2>Reloads</h2>
${reloadTable(reloads)}</section>`;
}

function stateBadge({ state }: Status): Html {
  return badge(state === 'serving' ? 'good' : state === 'stopping' ? 'bad' : 'warn', state);
}

function levelBadge({ health }: Status): Html | null {
  if (health === undefined || health.level === 'OK') return null;
  return badge(health.level === 'UNHEALTHY' ? 'bad' : 'warn', health.level);
}

function figures(status: Status, readings: readonly Reading[]): Html {
  const { requests, failed, p99Ms } = ratesNow(readings);
  const workers = status.generations.flatMap((one) => one.workers);
  const sum = (of: (worker: WorkerStatus) => number) => workers.reduce((all, worker) => all + of(worker), 0);
  // On trial those of the next generation do.
  const accepting = workers.filter(({ phase }) => phase === 'open').length;
  const trust = status.health?.trust ?? null;
  const bytes = sum(({ rssBytes }) => rssBytes ?? 0);
  const connections = sum(({ measures }) => measures?.connections ?? 0);
  return facts([
    { name: 'requests a second', value: requests === null ? '–' : requests.toFixed(1) },
    { name: 'failures a second', value: failed === null ? '–' : failed.toFixed(1) },
    { name: 'p99', value: p99Ms === null ? '–' : duration(p99Ms) },
    { name: 'open connections', value: html`<span data-value="${connections}">${count(connections)}</span>` },
    {
      name: 'workers that accept',
      value: html`<span data-value="${accepting}">${accepting}</span> of ${workers.length}`,
    },
    { name: 'memory of all workers', value: html`<span data-value="${bytes}">${mebibytes(bytes)}</span>` },
    {
      name: 'health',
      value: status.health?.level ?? '–',
      more: trust === null ? null : `${(trust * 100).toFixed(1)} % of its time OK`,
    },
    {
      name: 'weight',
      value: html`<span data-value="${status.weight ?? 100}">${status.weight ?? 100} %</span>`,
      more: 'for load balancers',
    },
  ]);
}

/** Of all generations together, over the last few seconds; null where nobody was watching then. */
function ratesNow(readings: readonly Reading[]): {
  requests: number | null;
  failed: number | null;
  p99Ms: number | null;
} {
  const last = readings.at(-1);
  const before = readings.findLast((one) => last !== undefined && last.atMs - one.atMs >= RATE_MS) ?? readings[0];
  if (last === undefined || before === undefined || last === before)
    return { requests: null, failed: null, p99Ms: null };
  const seconds = (last.atMs - before.atMs) / 1_000;
  const rate = (of: (look: GenerationLook) => number | null) =>
    last.looks.reduce((all, look) => {
      const earlier = before.looks.find(({ generation }) => generation === look.generation);
      return all + Math.max(0, (of(look) ?? 0) - ((earlier === undefined ? null : of(earlier)) ?? 0)) / seconds;
    }, 0);
  const slowest = last.looks.flatMap(({ p99Ms }) => p99Ms ?? []);
  return {
    requests: rate((look) => look.requests),
    failed: rate((look) => look.failed),
    p99Ms: slowest.length === 0 ? null : Math.max(...slowest),
  };
}

function charts(readings: readonly Reading[], nowMs: number, status: Status): Html {
  if (readings.length < 2) return html`<p class="quiet">Two looks are needed for a line.</p>`;
  const numbers = [...new Set(readings.flatMap(({ looks }) => looks.map(({ generation }) => generation)))].slice(-4);
  const atMs = readings.map((one) => Math.round(one.atMs - nowMs));
  const incumbent = status.generations.find(({ role }) => role === 'incumbent')?.number;
  const line = (generation: number, values: (number | null)[]) => ({
    label: `generation ${generation}`,
    tone: generation === incumbent ? 1 : generation < (incumbent ?? 0) ? 0 : 2,
    values,
  });
  const of = (generation: number, get: (look: GenerationLook) => number | null) =>
    readings.map(({ looks }) => {
      const look = looks.find((one) => one.generation === generation);
      return look === undefined ? null : get(look);
    });
  const frame = { atMs, marks: [], fromMs: atMs[0] as number, toMs: 0 };
  const all: Chart[] = [
    {
      ...frame,
      title: 'Requests a second',
      about: 'Requests a second of each generation',
      lines: numbers.map((number) =>
        line(
          number,
          ratesOf(
            atMs,
            of(number, (look) => look.requests),
          ),
        ),
      ),
      show: (value) => (value >= 10 ? count(Math.round(value)) : value.toFixed(1)),
    },
    {
      ...frame,
      title: 'Latency, p99',
      about: 'The 99th percentile of latency of each generation',
      lines: numbers.map((number) =>
        line(
          number,
          of(number, (look) => look.p99Ms),
        ),
      ),
      show: duration,
    },
    {
      ...frame,
      title: 'Open connections',
      about: 'Connections that are open with each generation',
      lines: numbers.map((number) =>
        line(
          number,
          of(number, (look) => look.connections),
        ),
      ),
      show: (value) => count(Math.round(value)),
    },
    {
      ...frame,
      title: 'Memory of all workers',
      about: 'Resident memory of the workers of each generation',
      lines: numbers.map((number) =>
        line(
          number,
          of(number, (look) => look.rssBytes),
        ),
      ),
      show: mebibytes,
      unit: 2 ** 20,
    },
  ];
  return html`<div class="charts">
${all.map(
  (one) => html`${chart(one)}
`,
)}</div>`;
}

function reloadUnderWay({ report, phase, elapsedMs }: NonNullable<DashboardFacts['running']>): Html {
  const done = barsOf(report);
  const fromMs = report.phases.reduce((all, { ms }) => all + ms, 0);
  const now =
    phase === null
      ? []
      : [{ label: phase, fromMs, ms: null, kind: phase === 'rollback' ? 'failed' : 'phase' } as const];
  return html`<section id="running"><h2>Reload ${report.number} is under way <span class="quiet">for ${duration(elapsedMs)}</span></h2>
<p class="quiet">Generation ${report.from ?? 'none'} → ${report.to ?? '…'}</p>
${timeline([...done, ...now], Math.max(elapsedMs, fromMs, 1))}</section>`;
}

const ROLES = { candidate: 'candidate', incumbent: 'serves', draining: 'drains' } as const;

function workersOf({ number, role, release, workers, drainLeftMs, slots = [] }: GenerationStatus): Html {
  const left = drainLeftMs === null ? null : html`, ${duration(drainLeftMs)} left`;
  const rows = [...workers]
    .sort((a, b) => a.slot - b.slot)
    .map(
      ({
        slot,
        process,
        pid,
        phase,
        uptimeMs,
        rssBytes,
        measures,
      }) => html`<tr><th scope="row">${slot}</th><td class="text">${process ?? 'main'}</td><td>${pid}</td><td class="text">${phase}</td><td>${duration(uptimeMs)}</td><td>${rssBytes === null ? '–' : mebibytes(rssBytes)}</td><td>${measures === null ? '–' : count(measures.connections)}</td><td>${measures === null ? '–' : count(measures.inFlight)}</td><td>${measures === null ? '–' : count(measures.requests)}</td><td>${measures === null ? '–' : `${Math.round(measures.utilization * 100)} %`}</td></tr>
`,
    );
  return html`<section><h2>Generation ${number} <span class="quiet">${ROLES[role]}, ${release}${left}</span></h2>
<div class="scroll" tabindex="0"><table>
<thead><tr><th scope="col">slot</th><th scope="col" class="text">process</th><th scope="col">pid</th><th scope="col" class="text">phase</th><th scope="col">up</th><th scope="col">memory</th><th scope="col">open</th><th scope="col">in flight</th><th scope="col">requests</th><th scope="col">loop busy</th></tr></thead>
<tbody>
${rows}</tbody></table></div>
${slots.length === 0 ? null : html`<p class="warn">${plural(slots.length, 'slot')} ${slots.map(({ slot, state }) => `${slot} ${state}`).join(', ')}</p>`}
</section>
`;
}

function reloadTable(reloads: readonly ReloadRow[]): Html {
  if (reloads.length === 0) return html`<p class="quiet">None yet.</p>`;
  const rows = reloads.map(
    ({
      number,
      startedAt,
      from,
      to,
      ok,
      code,
      durationMs,
      drainMs,
      moved,
      cut,
    }) => html`<tr><th scope="row"><a href="reload?number=${number}">${number}</a></th><td class="text">${utc(startedAt)}</td><td class="text">${from ?? '–'} → ${to ?? '–'}</td><td class="text"><span class="${ok === null ? 'warn' : ok ? 'good' : 'bad'}">${ok === null ? 'no verdict' : ok ? 'done' : code}</span></td><td>${durationMs === null ? '–' : duration(durationMs)}</td><td>${drainMs === null ? 'goes on' : duration(drainMs)}</td><td>${count(moved)}</td><td>${count(cut)}</td></tr>
`,
  );
  return html`<div class="scroll" tabindex="0"><table>
<thead><tr><th scope="col">number</th><th scope="col" class="text">started</th><th scope="col" class="text">generations</th><th scope="col" class="text">verdict</th><th scope="col">took</th><th scope="col">drain</th><th scope="col">moved</th><th scope="col">cut</th></tr></thead>
<tbody>
${rows}</tbody></table></div>`;
}
