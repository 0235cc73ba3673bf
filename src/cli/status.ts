/** `batond status`: what runs, for a person or as JSON. */
import type { Command } from 'commander';
import { parseDuration } from '../config/duration.js';
import { describePending } from '../config/pending-words.js';
import type { GenerationStatus, SlotStatus, Status, WorkerStatus } from '../control/messages.js';
import { BatondError } from '../errors.js';
import { columns, print, wrap } from './print.js';

interface StatusFlags {
  readonly name?: string;
  readonly config?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly interval?: string;
}

export function registerStatus(program: Command): void {
  program
    .command('status')
    .description('show the service, its generations, workers, listeners and last reload')
    .option('--name <name>', 'the service; by default that of batond.toml here, or the only one that runs')
    .option('--config <file>', 'the configuration that names it')
    .option('--json', 'print it as JSON')
    .option('-w, --watch', 'stay, and show it as it changes, with what happens a second; q ends')
    .option('--interval <duration>', 'with --watch: so often; 1s by default')
    .addHelpText(
      'after',
      "\nExamples:\n  batond status --name shop --json | jq '.generations[].workers'\n  batond status --name shop --watch",
    )
    .action(async (options: StatusFlags) => {
      const intervalMs = parseInterval(options);
      const { ControlClient } = await import('../control/client.js');
      const { serviceName } = await import('./service-name.js');
      const name = await serviceName(options);
      const client = new ControlClient(name, process.env);
      if (intervalMs !== null) {
        const { watch } = await import('../watch/watch.js');
        await watch({ name, client, intervalMs, env: process.env });
        return;
      }
      const status = await client.status();
      print(options.json === true ? renderJson(status) : renderStatus(status, columns()));
    });
}

const SHORTEST_MS = 100;

/** Null where nobody watches. Throws REQUEST_INVALID. */
function parseInterval({ watch, interval, json }: StatusFlags): number | null {
  const refuse = (problem: string) => new BatondError('REQUEST_INVALID', { problem });
  if (watch !== true) {
    if (interval !== undefined) throw refuse('--interval goes with --watch');
    return null;
  }
  if (json === true) throw refuse('--watch is for people; --json says how things stand now');
  const ms = parseDuration(interval ?? '1s');
  if (ms !== null && ms >= SHORTEST_MS) return ms;
  throw refuse(`--interval ${interval}: a duration of at least ${SHORTEST_MS} ms, such as "2s"`);
}

/** Counts by bucket on one line, since there are more than a hundred; a text has no line break between its quotes. */
export function renderJson(status: Status): string {
  const json = JSON.stringify(status, null, 2);
  return `${json.replace(/\[\n[\d.,\s]+\]/g, (numbers) => numbers.replace(/\s+/g, ''))}\n`;
}

export function renderStatus(status: Status, width = 80): string {
  const { supervisor } = status;
  const lines = [
    `${status.name}: ${status.state}`,
    ...wrap(status.summary, width - 2).map((line) => `  ${line}`),
    '',
    row('supervisor', `pid ${supervisor.pid}, batond ${supervisor.version}, for ${duration(supervisor.uptimeMs)}`),
    ...((status.weight ?? 100) === 100 ? [] : [row('weight', `${status.weight} %`)]),
    ...status.listeners.map(({ address, origin }) =>
      row('listener', `${address}${origin === 'asked' ? '' : ` (${origin})`}`),
    ),
  ];
  lines.push(...renderHealth(status));
  for (const generation of status.generations) lines.push('', ...renderGeneration(generation, width));
  lines.push(
    '',
    ...renderLastReload(status, width),
    ...renderConfigProblem(status, width),
    ...renderConfigPending(status, width),
  );
  return `${lines.join('\n')}\n`;
}

/** An older supervisor says nothing of it, and one that serves nothing yet has none. */
function renderHealth({ health }: Status): string[] {
  if (health == null || health.trust === null) return [];
  return [
    row('health', `${health.level}, and OK in ${(health.trust * 100).toFixed(2)} % of the time of its generation`),
  ];
}

function renderLastReload({ lastReload, summary }: Status, width: number): string[] {
  if (lastReload === null) return [row('last reload', 'none')];
  const { ok, code, at, durationMs, message } = lastReload;
  const ago = duration(Math.max(0, Date.now() - at));
  const when = new Date(at).toISOString().replace('T', ' ').slice(0, 19);
  const verdict = `${ok ? 'done' : 'failed'} ${ago} ago, ${when} UTC, took ${duration(durationMs)}`;
  // What the summary has said already is not said twice.
  const text = summary.includes(message) ? [] : wrap(message, width - INDENT);
  return [row('last reload', verdict), ...[...(code === null ? [] : [code]), ...text].map((line) => row('', line))];
}

/** All of it: the summary has its first line. An older supervisor says nothing of it. */
function renderConfigProblem({ configProblem }: Status, width: number): string[] {
  if (configProblem == null) return [];
  const { code, message } = configProblem;
  const text = message.split('\n').flatMap((line) => wrap(line, width - INDENT));
  return ['', row('refused', code), ...text.map((line) => row('', line))];
}

function renderConfigPending({ configPending }: Status, width: number): string[] {
  if (configPending === undefined || configPending.length === 0) return [];
  return [
    '',
    ...wrap(describePending(configPending), width - INDENT).map((line, n) => row(n === 0 ? 'config' : '', line)),
  ];
}

function renderGeneration(generation: GenerationStatus, width: number): string[] {
  const left = generation.drainLeftMs === null ? '' : `, at most ${duration(generation.drainLeftMs)} more`;
  return [
    row('generation', `${generation.number}, ${ROLES[generation.role]}${left}`),
    row('release', `${generation.release}  ${generation.entry}`),
    '  slot      pid  state      uptime    memory  in flight  connections   requests',
    ...renderProcesses(generation, width),
    ...renderAnswers(generation, width),
  ];
}

/** Under a line for each process where there are several; an older supervisor knows of one. */
function renderProcesses({ workers, slots = [], processes = [] }: GenerationStatus, width: number): string[] {
  const lines = (worker: WorkerStatus) => [renderWorker(worker), ...renderSaid(worker, width)];
  if (processes.length < 2) return [...workers.flatMap(lines), ...slots.map(renderSlot)];
  return processes.flatMap(({ name, tier, workers: count }) => [
    `  ${name}, ${tier}, ${count} ${count === 1 ? 'worker' : 'workers'}`,
    ...workers.filter(({ process }) => process === name).flatMap(lines),
    ...slots.filter(({ process }) => process === name).map(renderSlot),
  ]);
}

/** Since the start of its workers, where there is anything to tell; an older supervisor says nothing of it. */
function renderAnswers({ answers }: GenerationStatus, width: number): string[] {
  if (answers == null) return [];
  const { errors, aborted, medianMs, p99Ms } = answers;
  const parts = [
    ...(medianMs === null ? [] : [`half within ${latencyText(medianMs)}`]),
    ...(p99Ms === null ? [] : [`99 % within ${latencyText(p99Ms)}`]),
    ...(errors === 0 ? [] : [`${errors} of 5xx`]),
    ...(aborted === 0 ? [] : [`${aborted} broken off`]),
  ];
  if (parts.length === 0) return [];
  return wrap(parts.join(', '), width - INDENT).map((line, index) => row(index === 0 ? 'answers' : '', line));
}

/** "0.42 ms", "4.2 ms", then as a duration. */
const latencyText = (ms: number): string => (ms < 10 ? `${Number(ms.toPrecision(2))} ms` : duration(ms));

/** How its last worker ended, and what became of it. */
function renderSlot({ slot, state, rule, reason, forMs, dueInMs }: SlotStatus): string {
  if (state === 'held') return `${String(slot).padStart(6)}${'-'.padStart(9)}  ${state.padEnd(9)} ${reason}`;
  const then = dueInMs === null ? `for ${duration(forMs)}` : `again in ${duration(dueInMs)}`;
  return `${String(slot).padStart(6)}${'-'.padStart(9)}  ${state.padEnd(9)} ${then}, rule ${rule}: ${reason.split('\n', 1)[0]}`;
}

function renderWorker(worker: WorkerStatus): string {
  const { measures } = worker;
  const count = (n: number | undefined) => (n === undefined ? '-' : String(n));
  return [
    String(worker.slot).padStart(6),
    String(worker.pid).padStart(9),
    `  ${worker.phase.padEnd(9)}`,
    duration(worker.uptimeMs).padStart(8),
    (worker.rssBytes === null ? '-' : `${(worker.rssBytes / 2 ** 20).toFixed(0)} MB`).padStart(10),
    count(measures?.inFlight).padStart(11),
    count(measures?.connections).padStart(13),
    count(measures?.requests).padStart(11),
  ].join('');
}

/** What a program that is not Node says of itself, under its line. */
function renderSaid({ said }: WorkerStatus, width: number): string[] {
  return said == null || said === '' ? [] : wrap(said, width - 8).map((line) => `        ${line}`);
}

const ROLES = { candidate: 'the candidate', incumbent: 'serves', draining: 'drains' } as const;

/** Where the values stand. */
const INDENT = 15;

const row = (label: string, value: string) => `  ${label.padEnd(INDENT - 2)}${value}`;

/** "850 ms", "12 s", "3 min", "5 h", "2 d". */
function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}
