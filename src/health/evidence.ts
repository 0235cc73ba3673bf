/** What was seen of a candidate on trial: data alone, gathered in trial.ts and judged in soak.ts. */
import type { Measures } from '../channel/messages.js';
import type { Counted } from './counted.js';
import type { MemoryTrend } from './memory-trend.js';
import type { Ratio } from './statistics.js';

/** What was seen of one worker. */
export interface WorkerEvidence {
  last: Measures | null;
  /** Seconds that count, and of them those in which its loop was late. */
  seconds: number;
  late: number;
  /** Since it was warm. */
  warm: Counted;
  readonly memory: MemoryTrend;
}

/** What was seen of all. */
export interface Evidence {
  /** Since their start. */
  all: Counted;
  /** Since they were warm. */
  warm: Counted;
  /** Seconds with answers. */
  answering: number;
  /** Those with the most failures, as they count apart. */
  worst: readonly Ratio[];
  /** Warm seconds that count, and of them those in which too many answers were slow. */
  seconds: number;
  slow: number;
  delays: readonly number[];
  readonly workers: Map<string, WorkerEvidence>;
  /** Of the last seconds, the oldest first: how many had asked and not been answered, and how many had been. */
  readonly waiting: { readonly atMs: number; readonly open: number; readonly done: number }[];
}

/** So many of the worst seconds are no evidence alone. */
export const WORST_SECONDS = 2;

/** How long nothing at all may be answered. */
export const STALLED_MS = 10_000;
