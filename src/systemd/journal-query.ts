/**
 * What is asked for in our words as a command line of journalctl(1). Pure.
 *
 * The supervisor's entries have our fields. The lines of workers are theirs, under their own pids, and have those fields
 * only with log.workers = "json"; so what is asked of a generation or a slot is asked for by the pids of its workers as
 * well, each with the boot in which it was that worker. Where lines have the fields, they have the pid of their worker as
 * BATOND_WORKER_PID. Terms of one field are joined by "or", of several by "and", and "+" stands for "or" between all that
 * is on its left and on its right; the unit holds for both sides.
 */
import type { Scope } from './unit-files.js';

/** What to look for, by the fields of our entries. */
export interface Wanted {
  /** Any of them; null is all. */
  readonly generations: readonly number[] | null;
  readonly slot: number | null;
  /** The pid of a worker. */
  readonly worker: number | null;
  readonly event: string | null;
  /** "FIELD=value" of any entry. */
  readonly fields: readonly string[];
}

/** How to show it, as the options of journalctl of the same names. */
export interface Shown {
  readonly priority: string | null;
  readonly since: string | null;
  readonly until: string | null;
  readonly grep: string | null;
  readonly lines: string | null;
  readonly follow: boolean;
  readonly explain: boolean;
  readonly json: boolean;
}

export interface JournalUnit {
  readonly scope: Scope;
  readonly unit: string;
}

/** A process that was a worker. */
export interface WorkerProcess {
  readonly pid: number;
  /** Null is the current boot. */
  readonly boot: string | null;
}

/** Whether the lines of workers are among what is looked for, and known by nothing but their pids. */
export function asksForWorkers({ generations, slot, event }: Wanted): boolean {
  return event === null && (generations !== null || slot !== null);
}

/** Prints an entry for each worker that was started, with BATOND_PID and _BOOT_ID. */
export function startsQuery(unit: JournalUnit, { generations, slot }: Wanted): string[] {
  const shown = ['--output=json', '--output-fields=BATOND_PID,_BOOT_ID', '--quiet', '--no-pager'];
  return [...ofUnit(unit), ...shown, 'BATOND_EVENT=worker-started', ...ofWhich(generations, slot)];
}

/** What that prints. The newest last; what is no such entry is passed over. */
export function startsOf(output: string): WorkerProcess[] {
  return output.split('\n').flatMap((line) => {
    try {
      const { BATOND_PID: pid, _BOOT_ID: boot } = JSON.parse(line);
      return /^\d+$/.test(pid) && typeof boot === 'string' ? [{ pid: Number(pid), boot }] : [];
    } catch {
      return [];
    }
  });
}

/** A command line has its limits; the newest count. */
const MAX_WORKERS = 1_000;

export function logsQuery(
  unit: JournalUnit,
  wanted: Wanted,
  shown: Shown,
  workers: readonly WorkerProcess[],
): string[] {
  const { generations, slot, worker, event, fields } = wanted;
  const more = [...(event === null ? [] : [`BATOND_EVENT=${event}`]), ...fields];
  const which = ofWhich(generations, slot);
  const terms = [[...which, ...(worker === null ? [] : [`BATOND_PID=${worker}`]), ...more]];
  if (event === null && worker !== null) {
    terms.push([`_PID=${worker}`, ...fields], [`BATOND_WORKER_PID=${worker}`, ...fields]);
  }
  if (asksForWorkers(wanted)) {
    const known = workers.slice(-MAX_WORKERS).filter(({ pid }) => worker === null || pid === worker);
    for (const boot of new Set(known.map((one) => one.boot))) {
      const pids = new Set(known.filter((one) => one.boot === boot).map(({ pid }) => `_PID=${pid}`));
      terms.push([...(boot === null ? [] : [`_BOOT_ID=${boot}`]), ...pids, ...fields]);
    }
  }
  return [...ofUnit(unit), ...options(shown), ...terms.flatMap((term, i) => (i === 0 ? term : ['+', ...term]))];
}

function options({ priority, since, until, grep, lines, follow, explain, json }: Shown): string[] {
  const values = { priority, since, until, grep, lines };
  return [
    ...Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [`--${name}=${value}`])),
    ...(follow ? ['--follow'] : []),
    ...(explain ? ['--catalog'] : []),
    ...(json ? ['--output=json'] : []),
  ];
}

const ofUnit = ({ scope, unit }: JournalUnit) => (scope === 'user' ? ['--user', `--unit=${unit}`] : [`--unit=${unit}`]);

function ofWhich(generations: readonly number[] | null, slot: number | null): string[] {
  return [
    ...(generations ?? []).map((number) => `BATOND_GENERATION=${number}`),
    ...(slot === null ? [] : [`BATOND_SLOT=${slot}`]),
  ];
}

/** As it can be typed into a shell. */
export function shellText(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}
