/**
 * Whether there is room for a second generation beside the one that serves, and how much is lacking where there is not.
 * A second copy is taken to be as large as the first is now: at its commit a candidate is smaller, but both run until
 * the old one has drained, and by then the new one has had the traffic.
 *
 * What is not known does not speak against a reload. Pure: from figures that others have read.
 */
export interface Size {
  readonly bytes: number;
  readonly tasks: number;
  readonly files: number;
}

export interface Left {
  readonly amount: number;
  /** Whose limit it is: "memory.max of shop.service". */
  readonly of: string;
}

/** Null: not known, or without a limit. */
export interface Figures {
  /** How many workers the generation that serves is meant to have. */
  readonly slots: number;
  /** Of those that run. */
  readonly workers: readonly (Size | null)[];
  readonly supervisor: Size | null;
  readonly memory: Left | null;
  readonly tasks: Left | null;
  /** What the supervisor may still open. */
  readonly descriptors: Left | null;
  /** What the whole machine may. */
  readonly files: Left | null;
}

export type Resource = 'memory' | 'tasks' | 'descriptors' | 'files';

export interface Shortage {
  readonly resource: Resource;
  readonly needed: number;
  readonly left: number;
  readonly of: string;
}

/** What a supervisor holds of each worker: its pidfd, and its channel or its notify socket. */
const DESCRIPTORS_A_WORKER = 2;
/** What it opens for a while: the ends that a worker gets, a memfd, a client. */
const DESCRIPTORS_IN_PASSING = 16;

export function shortages(figures: Figures): Shortage[] {
  const { slots, supervisor } = figures;
  const known = figures.workers.filter((one) => one !== null);
  const mean = (of: (size: Size) => number) => known.reduce((sum, one) => sum + of(one), 0) / known.length;
  const need = (of: (size: Size) => number) =>
    known.length === 0 ? 0 : Math.ceil(mean(of) * slots) + (supervisor === null ? 0 : of(supervisor));
  const needs: readonly (readonly [Resource, number])[] = [
    ['memory', need(({ bytes }) => bytes)],
    ['tasks', need(({ tasks }) => tasks)],
    ['descriptors', slots * DESCRIPTORS_A_WORKER + DESCRIPTORS_IN_PASSING],
    ['files', need(({ files }) => files)],
  ];
  return needs.flatMap(([resource, needed]) => {
    const left = figures[resource];
    return left === null || needed <= left.amount ? [] : [{ resource, needed, left: left.amount, of: left.of }];
  });
}
