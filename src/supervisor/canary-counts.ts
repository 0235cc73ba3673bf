/** What workers have counted between two looks, by generation. */
import type { Measures } from '../channel/messages.js';
import type { Generation } from '../inventory/generation.js';
import type { CanaryCounts } from '../inventory/report.js';
import type { Worker } from '../inventory/worker.js';

export type Counted = ReadonlyMap<Worker, Measures>;

export async function take(generations: readonly Generation[]): Promise<Counted> {
  const workers = generations.flatMap((generation) => generation.mainWorkers);
  const measured = await Promise.all(workers.map(async (worker) => [worker, await worker.measure()] as const));
  return new Map(measured.flatMap(([worker, measures]) => (measures === null ? [] : [[worker, measures]])));
}

/** One that was started meanwhile has begun at nothing; one that does not answer, or has ended, counts nothing. */
export async function countsSince(before: Counted, generations: readonly Generation[]): Promise<CanaryCounts[]> {
  const now = await take(generations);
  return generations.map(({ number }) => {
    const own = [...now].filter(([worker]) => worker.generation === number);
    const sum = (of: (measures: Measures) => number) =>
      own.reduce((all, [worker, measures]) => {
        const start = before.get(worker);
        return all + of(measures) - (start === undefined ? 0 : of(start));
      }, 0);
    return { connections: sum(({ accepted }) => accepted), requests: sum(({ requests }) => requests) };
  });
}
