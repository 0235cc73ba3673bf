/** What `batond status --watch` shows, as lines of text. Pure: whoever calls it knows the terminal and the time. */
import type { GenerationStatus, Status, WorkerStatus } from '../control/messages.js';
import { generationRates, type Look, type Rates, workerRates } from './rates.js';
import { spans, type Timeline } from './timeline.js';

export interface View {
  readonly name: string;
  /** The last status that came; null before the first. */
  readonly look: Look | null;
  /** The one before it. */
  readonly before: Look | null;
  /** Why there is none now, such as that the service is not running. */
  readonly trouble: string | null;
  readonly timeline: Timeline | null;
  /** Milliseconds since the epoch. */
  readonly nowAt: number;
}

export interface FrameOptions {
  readonly width: number;
  readonly color: boolean;
  /** What ends it, on the last line; null says nothing. */
  readonly hint: string | null;
}

type Paint = (style: string, text: string) => string;

export function frame(view: View, { width, color, hint }: FrameOptions): string[] {
  const paint: Paint = (style, text) => (color && text !== '' ? `\x1b[${style}m${text}\x1b[0m` : text);
  const { look, name, trouble, timeline, nowAt } = view;
  const state = trouble !== null ? 'no answer' : (look?.status.state ?? 'asking');
  const clock = new Date(nowAt).toTimeString().slice(0, 8);
  const title = cut(`${name}: ${state}`, width - 10);
  const lines = [`${paint(STATE_STYLES[state] ?? '1', title)}${' '.repeat(width - title.length - 8)}${clock}`];
  if (trouble !== null) lines.push(...wrapped(trouble, width).map((line) => paint('31', line)));
  if (look !== null) lines.push(...statusLines(look, view.before, width, paint));
  if (timeline !== null) lines.push('', ...timelineLines(timeline, nowAt, width, paint));
  if (hint !== null) lines.push('', paint('2', hint));
  return lines;
}

const STATE_STYLES: Readonly<Record<string, string>> = {
  serving: '1;32',
  reloading: '1;36',
  starting: '1;36',
  stopping: '1;33',
  'no answer': '1;31',
};
const LEVEL_STYLES: Readonly<Record<string, string>> = { OK: '32', DEGRADED: '33', UNHEALTHY: '1;31' };

function statusLines(look: Look, before: Look | null, width: number, paint: Paint): string[] {
  const { status } = look;
  const { supervisor, health, weight = 100 } = status;
  const facts = [
    `supervisor pid ${supervisor.pid} for ${span(supervisor.uptimeMs)}`,
    ...(weight === 100 ? [] : [`weight ${weight} %`]),
  ].join(', ');
  const level = health?.level;
  return [
    ...wrapped(status.summary, width),
    ...(level === undefined
      ? [cut(`  ${facts}`, width)]
      : [`  health ${paint(LEVEL_STYLES[level] ?? '', level)}${cut(`, ${facts}`, width - 9 - level.length)}`]),
    ...status.generations.flatMap((one) => ['', ...generationLines(one, status, look, before, width, paint)]),
  ];
}

const ROLES = { candidate: 'the candidate', incumbent: 'serves', draining: 'drains' } as const;

function generationLines(
  generation: GenerationStatus,
  { generations }: Status,
  look: Look,
  before: Look | null,
  width: number,
  paint: Paint,
): string[] {
  const { number, role, release, workers, drainLeftMs } = generation;
  const left = drainLeftMs === null ? '' : `, at most ${span(drainLeftMs)} more`;
  const title = cut(`generation ${number}, ${ROLES[role]}${left}  (${release})`, width);
  const style = role === 'incumbent' && generations.length > 1 ? '1' : role === 'candidate' ? '36' : '';
  return [
    style === '' ? title : paint(style, title),
    cut(`  ${ratesText(generationRates(generation, look, before))}`, width),
    cut('  slot      pid  state      uptime    memory  in flight   conns     req/s  loop', width),
    ...workers.map((worker) => cut(workerLine(worker, workerRates(worker, look, before)), width)),
  ];
}

function ratesText({ requests, errors, medianMs, p99Ms }: Rates): string {
  return [
    `${rate(requests)} requests/s`,
    `${rate(errors)} errors/s`,
    ...(medianMs === null ? [] : [`half within ${latency(medianMs)}`]),
    ...(p99Ms === null ? [] : [`99 % within ${latency(p99Ms)}`]),
  ].join(', ');
}

function workerLine({ slot, pid, phase, uptimeMs, rssBytes, measures }: WorkerStatus, rates: Rates): string {
  return [
    String(slot).padStart(6),
    String(pid).padStart(9),
    `  ${phase.padEnd(9)}`,
    span(uptimeMs).padStart(8),
    (rssBytes === null ? '-' : `${Math.round(rssBytes / 2 ** 20)} MB`).padStart(10),
    String(measures?.inFlight ?? '-').padStart(11),
    String(measures?.connections ?? '-').padStart(8),
    rate(rates.requests).padStart(10),
    (rates.loop === null ? '-' : `${Math.round(rates.loop * 100)} %`).padStart(6),
  ].join('');
}

function timelineLines(timeline: Timeline, nowAt: number, width: number, paint: Paint): string[] {
  const { kind, startedAt, end, steps } = timeline;
  const took = span(Math.max(0, (end?.at ?? nowAt) - startedAt));
  const title =
    end === null
      ? `${kind} under way for ${took}`
      : `last ${kind} ${end.ok ? 'done in' : 'failed after'} ${took}, ${span(Math.max(0, nowAt - end.at))} ago`;
  const path = spans(timeline, nowAt).map(({ step, ms }, i, all) => {
    const isNow = end === null && i === all.length - 1;
    return `${step} ${span(ms)}${isNow ? ' ...' : ''}`;
  });
  const message = end?.message ?? steps.at(-1)?.message ?? '';
  const style = end === null ? '1;36' : end.ok ? '32' : '1;31';
  return [
    paint(style, cut(title, width)),
    ...wrapped(path.join(' > '), width),
    ...(end === null || !end.ok ? wrapped(message, width) : []),
  ];
}

/** Between words, behind an indent of two; a word that is longer than a line is cut. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of printable(text).split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(cut(`  ${word}`, width));
  }
  return lines;
}

const cut = (text: string, width: number) => {
  const clean = printable(text);
  return clean.length <= width ? clean : `${clean.slice(0, Math.max(0, width - 1))}…`;
};

/** Somebody else's words can be in a status; they must not move the cursor. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const printable = (text: string) => text.replace(/\s*\n\s*/g, ' / ').replace(/[\x00-\x1f\x7f-\x9f]/g, '?');

/** "0", "0.5", "12", "1234"; "-" where nobody knows. */
const rate = (a: number | null) => (a === null ? '-' : a > 0 && a < 10 ? a.toFixed(1) : `${Math.round(a)}`);

const latency = (ms: number) => (ms < 10 ? `${Number(ms.toPrecision(2))} ms` : span(ms));

/** "850 ms", "1.2 s", "12 s", "3 min", "5 h", "2 d". */
function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}
