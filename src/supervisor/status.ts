/** What `batond status` is told of generations and workers. */
import type { GenerationStatus, WorkerStatus } from '../control/messages.js';
import type { Generation } from '../inventory/generation.js';
import type { Worker } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import { residentBytes } from '../process/resident.js';
import { describeRelease } from '../release/compare.js';
import { termAt } from './drainer.js';

export async function generationStatus(generation: Generation): Promise<GenerationStatus> {
  const { number, role, release } = generation;
  return {
    number,
    role,
    release: release.label,
    entry: describeRelease(release),
    workers: await Promise.all([...generation.workers.values()].map(workerStatus)),
    drainLeftMs: role === 'draining' ? Math.max(0, termAt(generation) - monotonicMs()) : null,
  };
}

async function workerStatus(worker: Worker): Promise<WorkerStatus> {
  return {
    slot: worker.slot,
    pid: worker.process.pid,
    phase: worker.phase,
    uptimeMs: monotonicMs() - worker.startedAtMs,
    rssBytes: residentBytes(worker.process.pid),
    measures: await worker.measure(),
  };
}
