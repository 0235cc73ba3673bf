/** What `batond status` is told of generations and workers. */
import type { AnswersStatus, GenerationStatus, SlotStatus, WorkerStatus } from '../control/messages.js';
import { percentile, sum } from '../health/latency.js';
import type { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';
import type { Worker } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import { residentBytes } from '../process/resident.js';
import { describeRelease } from '../release/compare.js';
import { termAt } from './drainer.js';
import { heldBy } from './held.js';

export async function generationStatus(generation: Generation, inventory: Inventory): Promise<GenerationStatus> {
  const { number, role, release } = generation;
  const workers = await Promise.all(
    [...generation.workers.values()]
      .sort((one, other) => one.slot - other.slot)
      .map((worker) => workerStatus(worker, generation.processOf(worker.slot).name)),
  );
  return {
    number,
    role,
    release: release.label,
    entry: describeRelease(release),
    processes: generation.processes.map(({ name, tier, slots, run }) => ({
      name,
      tier,
      workers: slots.length,
      runs: describeRelease(run),
    })),
    workers,
    answers: answersStatus(workers),
    slots: role === 'incumbent' ? [...slotStatus(generation), ...heldSlots(generation, inventory)] : [],
    drainLeftMs: role === 'draining' ? Math.max(0, termAt(generation) - monotonicMs()) : null,
  };
}

/** Of the slots of which there is more to say than what their worker says. */
function slotStatus(generation: Generation): SlotStatus[] {
  const nowMs = monotonicMs();
  return [...generation.healing.slots.values()].flatMap(({ slot, rest, standby, rule, reason, sinceMs, dueAtMs }) => {
    const state = rest ?? (standby ? 'standby' : null);
    if (state === null) return [];
    const dueInMs = dueAtMs === null ? null : Math.max(0, dueAtMs - nowMs);
    return [{ slot, process: generation.processOf(slot).name, state, rule, reason, forMs: nowMs - sinceMs, dueInMs }];
  });
}

function heldSlots(generation: Generation, inventory: Inventory): SlotStatus[] {
  return generation.processes
    .filter(({ tier }) => tier === 'auxiliary')
    .flatMap((range) =>
      range.slots.flatMap((slot): SlotStatus[] => {
        const before = generation.workers.has(slot) ? null : heldBy(inventory, generation, slot);
        if (before === null || generation.healing.slots.has(slot)) return [];
        const reason = `generation ${before.number} has not ended its own yet`;
        return [{ slot, process: range.name, state: 'held', rule: 'none', reason, forMs: 0, dueInMs: null }];
      }),
    );
}

async function workerStatus(worker: Worker, process: string): Promise<WorkerStatus> {
  return {
    slot: worker.slot,
    process,
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
