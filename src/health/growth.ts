/**
 * Whether the app holds more from generation to generation. Processes are compared at the same age only: one that serves
 * for a week holds more than a young one, and that is no news. A kind that has grown in three generations in a row, by a
 * half at least in all, is worth a word: what an app passes on to the next generation grows, or the load does.
 */

/** What the workers of a generation held, at the age at which all are asked. */
export interface AgeRecord {
  readonly generation: number;
  readonly workers: number;
  /** By kind, over all workers. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Generations that are kept: one to begin with, and three that have grown. */
export const KEPT_AGES = 4;
const GROWTH = 1.5;

/** Their number is that of the clients, at any age. */
const OF_CLIENTS = /^(TCPSocketWrap|PipeWrap|TLSWrap|HTTP|FSReq|WriteWrap|ShutdownWrap|GetAddrInfoReqWrap)/;

export const isCountable = (kind: string): boolean => !OF_CLIENTS.test(kind);

export interface Grown {
  readonly kind: string;
  /** Of each generation, the oldest first. */
  readonly counts: readonly number[];
}

/** What has grown; nothing where generations had different numbers of workers, or there are too few of them. */
export function grown(ages: readonly AgeRecord[]): Grown[] {
  const last = ages.slice(-KEPT_AGES);
  if (last.length < KEPT_AGES || last.some(({ workers }) => workers !== last[0]!.workers)) return [];
  return Object.keys(last.at(-1)!.counts)
    .filter(isCountable)
    .map((kind) => ({ kind, counts: last.map(({ counts }) => counts[kind] ?? 0) }))
    .filter(({ counts }) => {
      const rises = counts.every((count, index) => index === 0 || count > counts[index - 1]!);
      return rises && counts.at(-1)! >= GROWTH * counts[0]!;
    });
}
