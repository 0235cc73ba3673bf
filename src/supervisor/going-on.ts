/**
 * The first deeds of a supervisor that came after one that died: the workers are asked where they stand, drains go on,
 * and what was half done is decided by what is on record. A roll before its commit is taken back, one after it is done;
 * a first start begins anew.
 */

import type { ReloadOutcome } from '../control/messages.js';
import { BatondError } from '../errors.js';
import { reloadAfterDeath } from '../inventory/after-death.js';
import type { Generation } from '../inventory/generation.js';
import type { Inventory, Snapshot } from '../inventory/inventory.js';
import type { Phase } from '../inventory/worker.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Drainer } from './drainer.js';

export interface GoingOn {
  readonly inventory: Inventory;
  readonly drainer: Drainer;
  /** A worker that is ready has to prove itself before it accepts. */
  readonly hasStartup: boolean;
  /** Timers run from here on, slots without a worker get one. */
  activate(): void;
  /** The incumbents serve: systemd is told. */
  ready(): void;
  takeBack(candidate: Generation, cause: BatondError): void;
  /** The verdict of a reload that was under way, or of a client that waits for one that nothing is known of. */
  reloadDone(outcome: ReloadOutcome): void;
  start(): void;
}

/** What an incumbent is in when it does not accept, as far as is on record; to be told twice does no harm. */
const NOT_ACCEPTING: ReadonlySet<Phase> = new Set(['ready', 'trusted', 'opening', 'pausing', 'paused']);

/** `waits` says whether a client is there although no reload is on record. */
export function goOn(host: GoingOn, state: Snapshot, waits: boolean): void {
  const { inventory, drainer } = host;
  const { candidate, incumbent } = inventory;
  for (const worker of inventory.workers()) worker.attend();
  for (const worker of incumbent?.workers.values() ?? []) {
    // Those of a canary leave some sockets to it, which is over with the supervisor that began it.
    if (!NOT_ACCEPTING.has(worker.phase) && (worker.phase !== 'open' || worker.accepts === 'all')) continue;
    if (worker.heldBack && worker.phase === 'pausing') worker.pause();
    else if (!worker.heldBack && !(worker.phase === 'ready' && host.hasStartup && incumbent?.isMain(worker.slot)))
      worker.open();
  }
  for (const generation of inventory.byRole('draining')) drainer.resume(generation);
  host.activate();
  const outcome = reloadAfterDeath(state, monotonicMs());
  // First of all: until then systemd does not watch.
  if (incumbent !== null) host.ready();
  if (candidate !== null) host.takeBack(candidate, new BatondError('SUPERVISOR_DIED'));
  else if (outcome !== null) host.reloadDone(outcome);
  else if (waits) host.reloadDone(unknownOutcome(incumbent));
  if (incumbent === null && candidate === null) host.start();
}

function unknownOutcome(incumbent: Generation | null): ReloadOutcome {
  const { code, exitStatus, message } = new BatondError('SUPERVISOR_DIED');
  return { ok: false, code, exitStatus, message, generation: incumbent?.number ?? null, at: Date.now(), durationMs: 0 };
}
