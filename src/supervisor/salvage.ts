/**
 * An inventory out of descriptors alone, where the live state file is missing or damaged. The listeners are kept, so
 * nobody is refused; who has which address is found out when somebody asks for it. Of the workers nothing is known but
 * their channels: they serve on, untold, until the new generation does.
 */
import { Inventory, SNAPSHOT_VERSION, type Snapshot } from '../inventory/inventory.js';
import { isPlaced, keepFile } from '../inventory/socket-file.js';
import { factsOf, isPipe } from '../inventory/stored-names.js';
import { type Fd, native } from '../native.js';

export interface Salvaged {
  readonly state: Snapshot;
  /** Stored names by the names that the snapshot uses. */
  readonly names: ReadonlyMap<string, string>;
  /** Stored names of what belongs to workers. */
  readonly leftovers: readonly string[];
}

/** `stored` are the descriptors by their stored names, lent. */
export function salvage(
  name: string,
  stored: ReadonlyMap<string, Fd>,
  runtimeDirectory: string,
  declared: ReadonlySet<string>,
): Salvaged {
  const names = new Map<string, string>();
  const leftovers: string[] = [];
  const listeners: Snapshot['listeners'][number][] = [];
  let newest = 0;
  let next = 1;
  let report = 0;
  for (const [there, fd] of stored) {
    const facts = factsOf(there);
    if (facts === null) continue;
    const { kind, id, generation } = facts;
    if (kind === 'listener') {
      names.set(`listener.${id}`, there);
      const origin = declared.has(id) ? 'declared' : 'asked';
      const canary = [...stored.keys()].find((other) => isCanaryOf(other, id));
      if (canary !== undefined) names.set(`canary.${id}`, canary);
      const file = fileOf(fd, id, runtimeDirectory);
      listeners.push({ name: id, address: null, origin, file, canary: canary === undefined ? 'none' : 'kept' });
      next = Math.max(next, Number(/^listener-(\d+)$/.exec(id)?.[1] ?? 0) + 1);
    } else if (isPipe(there)) {
      // It is read to its end, whatever becomes of its worker.
      newest = Math.max(newest, generation!);
    } else if (generation !== null) {
      leftovers.push(there);
      newest = Math.max(newest, generation);
    } else if (kind === 'control') names.set('control', there);
    else if (kind === 'admin' || kind === 'agent') names.set(`${kind}.${id}`, there);
    else if (kind === 'client') {
      names.set('client', there);
      report = Number(id);
    }
  }
  const { state } = new Inventory(name, runtimeDirectory).snapshot();
  const reports = { last: Number.isSafeInteger(report) ? report : 0, open: [], pid: process.pid };
  return {
    state: { ...state, version: SNAPSHOT_VERSION, listeners, nextListener: next, nextGeneration: newest + 1, reports },
    names,
    leftovers,
  };
}

function isCanaryOf(stored: string, listener: string): boolean {
  const facts = factsOf(stored);
  return facts?.kind === 'canary' && facts.id === listener;
}

/** The file of a Unix socket is taken for the one that stands where the socket was bound. */
function fileOf(fd: Fd, name: string, directory: string) {
  const address = native().socketName(fd);
  return address.family === 'unix' && isPlaced(address.path) ? keepFile(address.path, directory, name) : null;
}
