/** What is told of a profile, for a person with 80 columns. */
import { roughSize } from '../config/size.js';
import type { ProfileFile } from '../control/profile-messages.js';
import type { CpuSummary, FunctionTime, OwnerTime } from '../profile/cpu-summary.js';
import type { ConstructorSize, HeapSummary } from '../profile/heap-summary.js';
import { NODE } from '../profile/place.js';
import type { StartupPhase, StartupSummary } from '../profile/startup-summary.js';
import type { Summaries } from './profile-summary.js';

/** Rows of a table; JSON has more. */
const ROWS = 10;
const NAME = 26;
const PLACE = 32;
const BAR = 24;

type Told = ProfileFile & { readonly copy: string | null };

/** What came of one request, of which one of the three is there. */
type Summed = Told & Summaries & { readonly blame?: string | null };

export function renderProfile(one: Summed): string {
  if (one.startup !== undefined) return renderStartup(one, one.startup);
  return one.heap === undefined ? renderCpu(one, one.cpu!) : renderHeap(one, one.heap);
}

const PHASES: Readonly<Record<StartupPhase, string>> = {
  node: 'Node itself',
  preload: 'batond beside it',
  load: 'until the first instruction of the app',
  app: 'until it listens',
  ready: 'until it is ready',
};

export function renderStartup(file: Summed, summary: StartupSummary): string {
  const { phases, totalMs, byOwner, modules, bySelf } = summary;
  const share = (ms: number) => `${((ms / Math.max(1, totalMs)) * 100).toFixed(1)} %`.padStart(7);
  return lines([
    ...head('startup', file, `ready after ${time(totalMs).trim()}`),
    ...(file.blame == null ? [] : [`  systemd-analyze blame: ${file.blame}`]),
    '',
    '  one after the other',
    ...phases.map(({ phase, ms }) => `${time(ms)} ${share(ms)}  ${PHASES[phase]}`),
    '',
    '  by package',
    ...byOwner.slice(0, ROWS).map(({ owner, selfMs }) => `${time(selfMs)} ${share(selfMs)}  ${tail(owner, 50)}`),
    '',
    '  modules: with all that they load, and without',
    ...modules
      .filter(({ owner }) => owner !== NODE)
      .slice(0, ROWS)
      .map(({ file: module, totalMs: all, ownMs }) => `${time(all)} ${time(ownMs)}  ${tail(module, 50)}`),
    '',
    '  functions by self time',
    ...bySelf.slice(0, ROWS).map(({ name, place, owner, selfMs }) => {
      return `${time(selfMs)}  ${cut(name, NAME).padEnd(NAME)}  ${tail(place ?? `in ${owner}`, PLACE)}`;
    }),
  ]);
}

export function renderCpu(file: Told, { durationMs, samples, bySelf, byTotal, byOwner }: CpuSummary): string {
  const share = (ms: number) => `${((ms / Math.max(1, durationMs)) * 100).toFixed(1)} %`.padStart(7);
  const functions = (title: string, all: readonly FunctionTime[], of: (one: FunctionTime) => number) => [
    '',
    `  ${title.padEnd(20)}`,
    ...all.slice(0, ROWS).map((one) => {
      const name = cut(one.name, NAME).padEnd(NAME);
      return `${time(of(one))} ${share(of(one))}  ${name}  ${tail(one.place ?? `in ${one.owner}`, PLACE)}`.trimEnd();
    }),
  ];
  const owner = ({ owner: name, selfMs }: OwnerTime) =>
    `${time(selfMs)} ${share(selfMs)}  ${tail(name, NAME).padEnd(NAME)}  ${'#'.repeat(Math.round((selfMs / Math.max(1, durationMs)) * BAR))}`;
  return lines([
    ...head('cpu', file, `${(durationMs / 1_000).toFixed(1)} s, ${samples} samples`),
    '',
    '  by package',
    ...byOwner.slice(0, ROWS).map((one) => owner(one).trimEnd()),
    ...functions('by self time', bySelf, ({ selfMs }) => selfMs),
    ...functions('by total time, without what is Node’s own', byTotal, ({ totalMs }) => totalMs),
  ]);
}

export function renderHeap(file: Told, { nodes, bytes, byBytes, byCount }: HeapSummary): string {
  const row = ({ name, count, bytes: own }: ConstructorSize) =>
    `${size(own)} ${`${((own / Math.max(1, bytes)) * 100).toFixed(1)} %`.padStart(7)} ${String(count).padStart(11)}  ${cut(name, 45)}`;
  return lines([
    ...head('heap', file, `${nodes} objects, ${roughSize(bytes)}`),
    '',
    '  by size, without what they hold',
    `${'bytes'.padStart(12)} ${'share'.padStart(7)} ${'count'.padStart(11)}  constructor`,
    ...byBytes.slice(0, ROWS).map(row),
    '',
    '  by count',
    ...byCount.slice(0, ROWS).map(row),
  ]);
}

function head(kind: string, { worker, process, pid, path, copy, bytes }: Told, facts: string): string[] {
  return [
    `${kind} profile of worker ${worker} (${process}, pid ${pid}): ${facts}`,
    `  ${path}  ${roughSize(bytes)}`,
    ...(copy === null ? [] : [`  copied to ${copy}`]),
  ];
}

const time = (ms: number) => `${ms < 1_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(2)} s `}`.padStart(12);

const size = (bytes: number) =>
  (bytes < 2 ** 20 ? `${Math.ceil(bytes / 2 ** 10)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`).padStart(12);

const cut = (text: string, width: number) => (text.length <= width ? text : `${text.slice(0, width - 3)}...`);

/** Of a path the end says more. */
const tail = (text: string, width: number) => (text.length <= width ? text : `...${text.slice(3 - width)}`);

const lines = (all: readonly string[]) => `${all.join('\n')}\n`;
