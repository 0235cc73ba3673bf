/**
 * How the generations went on while a reload did: looks at their workers, a few a second at first and the fewer the
 * longer it takes, so that a report never has more than MAX_LOOKS of them. Pure.
 *
 * Requests and failures are counts that only grow, so that a look that is left out loses nothing; a number that has
 * become smaller is that of workers that have ended, or of which the next supervisor does not know.
 */

export const FIRST_EVERY_MS = 250;
export const MAX_LOOKS = 240;

/** Columns of equal length, a place for each look at that generation. */
export interface GenerationSeries {
  readonly generation: number;
  /** Milliseconds since the reload began. */
  readonly atMs: number[];
  /** Answered for sure or not: begun. Null, as all but memory, where no worker could say, as of programs that are not Node. */
  readonly requests: (number | null)[];
  /** Answers of 5xx, and requests that broke off. */
  readonly failed: (number | null)[];
  /** Open. */
  readonly connections: (number | null)[];
  /** Of the answers since the look before; null where there were none. */
  readonly p50Ms: (number | null)[];
  readonly p99Ms: (number | null)[];
  /** Of all workers together. */
  readonly rssBytes: number[];
}

export interface Series {
  /** Between two looks, as it is by now. */
  everyMs: number;
  /** By their numbers. */
  readonly generations: GenerationSeries[];
}

/** What was seen of a generation. */
export interface GenerationLook {
  readonly generation: number;
  readonly requests: number | null;
  readonly failed: number | null;
  readonly connections: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly rssBytes: number;
}

const COLUMNS = ['requests', 'failed', 'connections', 'p50Ms', 'p99Ms', 'rssBytes'] as const;

export const newSeries = (): Series => ({ everyMs: FIRST_EVERY_MS, generations: [] });

export function addLook(series: Series, atMs: number, looks: readonly GenerationLook[]): void {
  for (const look of looks) {
    const columns = columnsOf(series, look.generation);
    columns.atMs.push(Math.round(atMs));
    for (const name of COLUMNS) (columns[name] as (number | null)[]).push(rounded(look[name]));
  }
  while (series.generations.some((one) => one.atMs.length > MAX_LOOKS)) thin(series);
}

function columnsOf(series: Series, generation: number): GenerationSeries {
  const found = series.generations.find((one) => one.generation === generation);
  if (found !== undefined) return found;
  const none = { atMs: [], requests: [], failed: [], connections: [], p50Ms: [], p99Ms: [], rssBytes: [] };
  const columns: GenerationSeries = { generation, ...none };
  series.generations.push(columns);
  series.generations.sort((a, b) => a.generation - b.generation);
  return columns;
}

/** Leaves out every other look, of the older ones too: the newest stays. */
function thin(series: Series): void {
  series.everyMs *= 2;
  for (const one of series.generations) {
    const stays = (_: unknown, i: number) => (one.atMs.length - 1 - i) % 2 === 0;
    for (const name of ['atMs', ...COLUMNS] as const) {
      const column = one[name] as (number | null)[];
      column.splice(0, column.length, ...column.filter(stays));
    }
  }
}

const rounded = (value: number | null) => (value === null ? null : Math.round(value * 100) / 100);
