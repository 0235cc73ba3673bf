/**
 * What keeps an auxiliary process from being started: one of the same name that an older generation still has. Two
 * consumers of a queue, or two loops of jobs, would do everything twice.
 *
 * It is looked up in the inventory and remembered nowhere, so it is as true after the death of a supervisor as before.
 */
import type { Generation } from '../inventory/generation.js';
import type { Inventory } from '../inventory/inventory.js';

/** The generation whose process has to be gone first; null where the slot can be started, as one of the core always can. */
export function heldBy(inventory: Inventory, generation: Generation, slot: number): Generation | null {
  const { name, tier } = generation.processOf(slot);
  if (tier === 'core') return null;
  const others = [...inventory.generations.values()].filter((other) => other !== generation);
  return others.find((other) => [...other.workers.keys()].some((one) => other.processOf(one).name === name)) ?? null;
}
