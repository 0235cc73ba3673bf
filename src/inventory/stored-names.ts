/**
 * What the descriptors of the inventory are called in systemd's fd store: `batond.<name in the snapshot>`, and behind it
 * what tells this one from another that may have the same name some day, because FDSTOREREMOVE= goes by name alone. The
 * id of a worker is used again when its slot is started again, so its pid follows; a waiting client has the number of
 * its report.
 *
 * Everything that begins with `batond.` is ours; what a .socket unit passes is called otherwise (FileDescriptorName=).
 */
import { createHash } from 'node:crypto';
import type { Snapshot } from './inventory.js';

const PREFIX = 'batond.';
/** sd_notify(3): FDNAME= is printable ASCII without ":", at most 255. The names of a .socket unit are free. */
const STORABLE = /^[\x20-\x39\x3b-\x7e]{1,240}$/;

/** Kinds of which each worker has one: its name has the worker's pid. */
const OF_WORKERS: ReadonlySet<string> = new Set(['pidfd', 'channel', 'notify', 'out', 'err']);

/** That of a pipe for the lines of a worker. */
export const pipeName = (kind: 'out' | 'err', id: string, pid: number): string => `${PREFIX}${kind}.${id}.${pid}`;

/** A pipe is read until nobody writes into it, so it can outlive all that is known of its worker. */
export function isPipe(stored: string): boolean {
  const facts = factsOf(stored);
  return (facts?.kind === 'out' || facts?.kind === 'err') && facts.generation !== null;
}

/** The stored name of a descriptor that the snapshot speaks of. */
export function storedName(name: string, state: Snapshot): string {
  const [kind = '', ...rest] = name.split('.');
  const id = rest.join('.');
  if (OF_WORKERS.has(kind)) return `${PREFIX}${name}.${pidOf(id, state)}`;
  if (kind === 'left') return id;
  if (kind === 'client') return `${PREFIX}client.${state.reports?.last ?? 0}`;
  return STORABLE.test(name) ? PREFIX + name : `${PREFIX}${kind}.${createHash('sha256').update(name).digest('hex')}`;
}

export function ticketsName(madeAtMs: number): string {
  return `${PREFIX}tickets.${madeAtMs}`;
}

export function isOurs(stored: string): boolean {
  return stored.startsWith(PREFIX);
}

/** What a stored name says by itself, where nothing is left to look it up in; null where it is none of ours. */
export interface StoredFacts {
  readonly kind: string;
  /** Of a listener its name, of a worker's descriptor the worker's id. */
  readonly id: string;
  /** Of a worker's descriptor. */
  readonly pid: number | null;
  /** Of a worker's descriptor. */
  readonly generation: number | null;
}

export function factsOf(stored: string): StoredFacts | null {
  if (!isOurs(stored)) return null;
  const [kind = '', ...rest] = stored.slice(PREFIX.length).split('.');
  const worker = /^g(\d+)s\d+$/.exec(rest[0] ?? '');
  if (OF_WORKERS.has(kind) && worker !== null) {
    return { kind, id: rest[0]!, pid: Number(rest[1]), generation: Number(worker[1]) };
  }
  return { kind, id: rest.join('.'), pid: null, generation: null };
}

function pidOf(id: string, { generations }: Snapshot): number {
  for (const { workers } of generations) for (const worker of workers) if (worker.id === id) return worker.pid;
  return 0;
}
