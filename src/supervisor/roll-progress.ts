/** How far the workers of a roll have come, and which event of its table that is: looks, and changes nothing. */
import type { Generation } from '../inventory/generation.js';
import type { Phase, Worker } from '../inventory/worker.js';
import { MAIN } from '../release/slots.js';
import type { RollEvent, RollState } from '../roll/roll.js';

const READY: ReadonlySet<Phase> = new Set(['ready', 'trusted']);
const ACCEPTING: ReadonlySet<Phase> = new Set(['open', 'opening', 'pausing']);
const RESUMABLE: ReadonlySet<Phase> = new Set(['paused', 'pausing', 'ready', 'trusted']);

export interface RollWorkers {
  readonly candidate: Generation | null;
  readonly incumbent: Generation | null;
  /** All candidates have said that they accept on everything. */
  readonly opened: boolean;
  /** Whether the incumbents were watched for long enough to compare with. */
  readonly knowsIncumbents: boolean;
}

/** The event that the workers have made due; null where the roll waits for more, or for something else. */
export function dueEvent(
  state: RollState,
  { candidate, incumbent, opened, knowsIncumbents }: RollWorkers,
): RollEvent | null {
  const incumbents = incumbent?.coreWorkers ?? [];
  switch (state) {
    case 'booting':
      return all(candidate, ({ phase }) => READY.has(phase)) ? 'ready' : null;
    case 'probing':
      return knowsIncumbents && all(candidate, ({ phase }) => phase === 'trusted') ? 'answered' : null;
    case 'switching':
      if (!opened)
        return all(candidate, ({ phase, accepts }) => phase === 'open' && accepts === 'all') ? 'opened' : null;
      return incumbents.some(({ phase }) => ACCEPTING.has(phase)) ? null : 'paused';
    case 'rollingBack':
      return incumbents.some(isToCome) ? null : 'resumed';
    default:
      return null;
  }
}

/** Whether each core slot has a worker, and each worker is so. */
function all(candidate: Generation | null, isSo: (worker: Worker) => boolean): boolean {
  const workers = candidate?.coreWorkers ?? [];
  return workers.length === candidate?.coreSlots.length && workers.every(isSo);
}

/** Whether a worker of the incumbent is to accept again, and does not yet. */
function isToCome({ phase, heldBack }: Worker): boolean {
  return phase === 'opening' || (!heldBack && (phase === 'paused' || phase === 'pausing'));
}

/**
 * Which workers of the incumbent are to accept again on the way back. One that its readiness probe holds back stays so,
 * as long as another accepts; and what has to prove itself first is not let accept by this.
 */
export function toResume(incumbent: Generation | null, hasStartup: boolean): Worker[] {
  const workers = incumbent?.coreWorkers ?? [];
  const others = workers.some(({ phase, heldBack }) => !heldBack && RESUMABLE.has(phase));
  return workers.filter((worker) => {
    if (worker.heldBack && others) return false;
    if (worker.phase === 'ready' && hasStartup && incumbent?.isMain(worker.slot)) return false;
    return isToResume(worker);
  });
}

/** It accepts on nothing, or not on all that there is. */
function isToResume({ phase, accepts }: Worker): boolean {
  if (phase === 'open' || phase === 'opening') return accepts !== 'all';
  return RESUMABLE.has(phase);
}

/** What a candidate still lacks, for the message of a time-out. */
export function missing(candidate: Generation): string {
  const booting = candidate.coreWorkers.filter(({ phase }) => phase === 'booting');
  // What one process lacks is enough to look for.
  const { name, ready, slots } = candidate.processOf(booting[0]?.slot ?? 0);
  const waiting = booting.filter(({ slot }) => candidate.processOf(slot).name === name);
  const listening = waiting.some((worker) => worker.listening.size > 0);
  const count = `${waiting.length} of ${slots.length} ${slots.length === 1 ? 'worker' : 'workers'}${name === MAIN ? '' : ` of ${name}`}`;
  if (ready === 'notify') return `${count} never said ready`;
  if (ready === 'load') return `the entry of ${count} was never done loading`;
  return listening
    ? `${count} listens, but its entry is still loading (a top-level await that does not end?)`
    : `${count} never listened`;
}
