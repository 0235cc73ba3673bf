/** What `batond status` is told of generations and workers. */
import type { AnswersStatus, GenerationStatus, SlotStatus, WorkerStatus } from '../control/messages.js';
import { percentile, sum } from '../health/latency.js';
import type { Generation } from '../inventory/generation.js';
import type { Worker } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import { residentBytes } from '../process/resident.js';
import { describeRelease } from '../release/compare.js';
import { termAt } from './drainer.js';

export async function generationStatus(generation: Generation): Promise<GenerationStatus> {
  const { number, role, release } = generation;
  const workers = await Promise.all([...generation.workers.values()].map(workerStatus));
  return {
    number,
    role,
    release: release.label,
    entry: describeRelease(release),
    workers,
    answers: answersStatus(workers),
    slots: role === 'incumbent' ? slotStatus(generation) : [],
    drainLeftMs: role === 'draining' ? Math.max(0, termAt(generation) - monotonicMs()) : null,
  };
}

/** Of the slots of which there is more to say than what their worker says. */
function slotStatus({ healing }: Generation): SlotStatus[] {
  const nowMs = monotonicMs();
  return [...healing.slots.values()].flatMap(({ slot, rest, standby, rule, reason, sinceMs, dueAtMs }) => {
    const state = rest ?? (standby ? 'standby' : null);
    if (state === null) return [];
    const dueInMs = dueAtMs === null ? null : Math.max(0, dueAtMs - nowMs);
    return [{ slot, state, rule, reason, forMs: nowMs - sinceMs, dueInMs }];
  });
}

async function workerStatus(worker: Worker): Promise<WorkerStatus> {
  return {
    slot: worker.slot,
    pid: worker.process.pid,
    phase: worker.phase,
    uptimeMs: monotonicMs() - worker.startedAtMs,
    rssBytes: residentBytes(worker.process.pid),
    said: worker.said,
    measures: await worker.measure(),
  };
}

function answersStatus(workers: readonly WorkerStatus[]): AnswersStatus | null {
  const said = workers.flatMap(({ measures }) => measures ?? []);
  if (said.length === 0) return null;
  const latency = sum(said.map((measures) => measures.latency));
  return {
    errors: said.reduce((all, { errors }) => all + errors, 0),
    aborted: said.reduce((all, { aborted }) => all + aborted, 0),
    medianMs: percentile(latency, 0.5),
    p99Ms: percentile(latency, 0.99),
  };
}
