/** `batond report`: what a reload took, and what became of the connections; for a person or as JSON. */
import { type Command, Option } from 'commander';
import { formatShare } from '../config/canary-steps.js';
import { roughSize } from '../config/size.js';
import type { ReportSummary } from '../control/messages.js';
import { BatondError } from '../errors.js';
import { mebibytes, number, percent, type TrialFigures, time } from '../health/figures.js';
import type { Remained } from '../inventory/remained.js';
import type {
  CanaryReport,
  DrainReport,
  EvidenceReport,
  Report,
  StateReport,
  TrialReport,
} from '../inventory/report.js';
import { describeHoldings } from '../supervisor/holdings-words.js';

interface ReportFlags {
  readonly name?: string;
  readonly config?: string;
  readonly list?: boolean;
  readonly json?: boolean;
  readonly html?: boolean;
  readonly output?: string;
}

export function registerReport(program: Command): void {
  program
    .command('report')
    .description('show what a reload took: phases, connections, memory; the last one by default')
    .argument('[number]', 'of the reload, as --list shows it', parseNumber)
    .option('--name <name>', 'the service')
    .option('--config <file>', 'the configuration that names it')
    .option('--list', 'one line for each reload on record, the newest last')
    .addOption(new Option('--json', 'print it as JSON').conflicts(['html', 'output']))
    .addOption(new Option('--html', 'as a page of one file, with charts and their numbers').conflicts('list'))
    .option('--output <file>', 'where the page goes; else to what standard output is piped to')
    .addHelpText(
      'after',
      "\nExamples:\n  batond report --name shop --json | jq '.drains[].cut'\n  batond report 7 --html --output reload-7.html",
    )
    .action(async (number: number | undefined, options: ReportFlags) => {
      const { ControlClient } = await import('../control/client.js');
      const { serviceName } = await import('./service-name.js');
      if (options.html !== true && options.output !== undefined) throw invalid('--output is where --html goes');
      const name = await serviceName(options);
      const client = new ControlClient(name, process.env);
      const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
      if (options.list === true) {
        const reports = await client.reports();
        process.stdout.write(options.json === true ? json(reports) : renderReports(reports));
      } else if (options.html === true) {
        const { writePage } = await import('./report-page.js');
        writePage(await client.report(number ?? null), name, options.output ?? null);
      } else {
        const report = await client.report(number ?? null);
        process.stdout.write(options.json === true ? json(report) : renderReport(report));
      }
    });
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw invalid(`${text} is no number of a reload`);
}

const invalid = (problem: string) => new BatondError('REQUEST_INVALID', { problem });

const WIDTH = 80;
const BAR = 30;

export function renderReport(report: Report): string {
  const {
    number,
    kind,
    from,
    to,
    release,
    verdict,
    durationMs,
    startedAt,
    phases,
    drains,
    state,
    evidence,
    canary,
    soak,
    peak,
  } = report;
  const unfinished = drains.some(({ ms }) => ms === null);
  const longest = Math.max(1, ...phases.map(({ ms }) => ms));
  const lines = [
    `${kind === 'regret' ? 'return to the last good release' : 'reload'} ${number}: ${describeVerdict(report)}`,
    row('generation', `${from ?? 'none'} -> ${to ?? 'none was started'}${release === null ? '' : `  (${release})`}`),
    row('started', `${utc(startedAt)} UTC`),
    row('verdict', durationMs === null ? 'none yet' : `after ${duration(durationMs)}`),
    ...(verdict === null || verdict.ok ? [] : wrapped(row('', verdict.message))),
    '',
    '  phase             ms',
    ...phases.map(({ phase, ms }) =>
      `  ${phase.padEnd(10)}${ms.toFixed(1).padStart(10)}  ${'#'.repeat(Math.round((ms / longest) * BAR))}`.trimEnd(),
    ),
  ];
  if (canary !== undefined) lines.push('', ...canary.map(renderCanary));
  if (soak !== undefined) lines.push('', ...renderTrial(soak, to, from));
  if (state !== undefined) lines.push('', ...renderState(state));
  if (evidence !== undefined) lines.push('', ...renderEvidence(evidence));
  for (const drain of drains) lines.push('', ...renderDrain(drain));
  lines.push(
    '',
    row('at most', `${megabytes(peak.rssBytes)} in memory, ${peak.fds} descriptors open, supervisor and workers`),
  );
  if (unfinished) lines.push(row('', 'The drain goes on: these numbers will grow.'));
  return `${lines.join('\n')}\n`;
}

function renderState({ bytes, workers, saveMs, restoreMs, lost }: StateReport): string[] {
  const from = `${workers} ${workers === 1 ? 'worker' : 'workers'}`;
  return [
    row('state', `${roughSize(bytes)} of ${from}: saved in ${duration(saveMs)}, restored in ${duration(restoreMs)}`),
    ...(lost === 0 ? [] : [row('', `${lost} could not be had: the new generation began without`)]),
  ];
}

function renderCanary({ share, match, ms, candidate, incumbent }: CanaryReport): string {
  const all = candidate.connections + incumbent.connections;
  const counts = `${candidate.connections} of ${all} connections, ${candidate.requests} requests`;
  return row('canary', `${formatShare(share)}${match === null ? '' : ` by ${match}`} for ${duration(ms)}: ${counts}`);
}

/** Beside each other, since one says little without the other. */
function renderTrial({ forMs, ms, failed, candidate, incumbent }: TrialReport, to: number | null, from: number | null) {
  const line = (label: string, of: (figures: TrialFigures) => string) =>
    row('', `${label.padEnd(18)}${of(candidate).padStart(22)}${of(incumbent).padStart(22)}`);
  const known = (value: number | null, as: (value: number) => string) => (value === null ? '-' : as(value));
  const lasted = ms >= forMs ? duration(ms) : `${duration(ms)} of ${duration(forMs)}`;
  return [
    ...wrapped(row('soak', failed === null ? lasted : `${lasted}: ${failed}`)),
    row('', `${''.padEnd(18)}${`generation ${to}`.padStart(22)}${`generation ${from}`.padStart(22)}`),
    line('requests', ({ requests }) => number(requests)),
    line('failed', ({ failed, ended }) => (ended === 0 ? '-' : `${number(failed)} (${percent(failed / ended)})`)),
    line('p99', ({ p99Ms }) => known(p99Ms, time)),
    line('loop late p99, max', ({ delayP99Ms, delayMaxMs }) =>
      delayMaxMs === null ? '-' : `${known(delayP99Ms, time)}, ${time(delayMaxMs)}`,
    ),
    line('largest worker', ({ rssBytes }) => known(rssBytes, mebibytes)),
    line('grows a second by', ({ growth }) => known(growth, (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`)),
  ];
}

function renderEvidence({ folder, files, missing }: EvidenceReport): string[] {
  return [
    row('evidence', folder),
    ...files.map(({ name, bytes }) => row('', `${name}  ${roughSize(bytes)}`)),
    ...missing.flatMap(({ what, reason }) => wrapped(row('', `not ${what}: ${reason}`))),
  ];
}

function renderDrain({
  generation,
  ms,
  moved,
  finished,
  told,
  cut,
  workers,
  held = [],
  remained,
}: DrainReport): string[] {
  const cuts = [
    [cut.idle, 'closed while idle'],
    [cut.drainTimeout, 'still open after upgrade.drain_timeout'],
    [cut.noOldAfter, 'still open after --no-old-after'],
  ] as const;
  const ends = [
    [workers.timedOut, 'told to end before drained'],
    [workers.killed, 'killed'],
    [workers.lost, 'ended unasked, its counts are lost'],
  ] as const;
  return [
    row('drain', `generation ${generation} ${ms === null ? 'still drains' : `was gone after ${duration(ms)}`}`),
    row('', `connections: ${moved} moved, ${finished} finished, ${told} told to go`),
    ...cuts.filter(([n]) => n > 0).map(([n, why]) => row('cut', `${n} ${why}`)),
    ...ends.filter(([n]) => n > 0).map(([n, how]) => row('workers', `${n} ${how}`)),
    ...(remained === undefined ? [] : renderRemained(remained)),
    ...held.flatMap(({ slot, before, by }) =>
      wrapped(row('held', `worker g${generation}s${slot} before ${before}: ${describeHoldings(by)}`)),
    ),
  ];
}

/** Nothing where nothing was left: it is what one expects. */
function renderRemained({ workers, before, left }: Remained): string[] {
  const kinds = ['resources', 'gauges', 'listeners'] as const;
  const said = kinds.flatMap((sort) =>
    Object.entries(left[sort]).map(([kind, n]) => `${kind} ${n} of ${before[sort][kind]}`),
  );
  const whose = workers === 1 ? 'a worker' : `${workers} workers`;
  return said.length === 0 ? [] : wrapped(row('left', `by ${whose} that had drained: ${said.join(', ')}`));
}

export function renderReports(reports: readonly ReportSummary[]): string {
  if (reports.length === 0) return 'No reload has been reported yet.\n';
  const cell = (text: string | number, width: number) => String(text).padStart(width);
  const lines = reports.map((report) => {
    const { number, startedAt, from, to, ok, code, durationMs, drainMs, connections } = report;
    return [
      cell(number, 6),
      `  ${utc(startedAt).slice('2026-'.length)}`,
      cell(`${from ?? '-'}>${to ?? '-'}`, 8),
      cell(durationMs === null ? '-' : duration(durationMs), 7),
      cell(drainMs === null ? '...' : duration(drainMs), 7),
      cell(connections.moved, 6),
      cell(connections.cut, 4),
      `  ${ok === null ? '-' : ok ? 'done' : code}`,
    ].join('');
  });
  return `number  started (UTC)  from>to   took  drain moved cut  verdict\n${lines.join('\n')}\n`;
}

function describeVerdict({ verdict }: Report): string {
  if (verdict === null) return 'no verdict, the supervisor was lost in the middle or it goes on';
  return verdict.ok ? 'done' : `failed (${verdict.code})`;
}

const row = (label: string, value: string) => `  ${label.padEnd(12)}${value}`;

/** A reason may be a long sentence: broken between words, under the column where it began. */
function wrapped(line: string): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > WIDTH) {
    const within = rest.lastIndexOf(' ', WIDTH);
    // A path may be longer than a line by itself.
    const at = within > 14 ? within : rest.indexOf(' ', WIDTH);
    if (at < 0) break;
    lines.push(rest.slice(0, at));
    rest = row('', rest.slice(at + 1));
  }
  return [...lines, rest];
}

const utc = (at: number) => new Date(at).toISOString().replace('T', ' ').slice(0, 19);

const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MB`;

/** "850 ms", "12.3 s", "3 min". */
function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}
