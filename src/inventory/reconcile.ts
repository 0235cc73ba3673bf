/**
 * What of a recorded inventory can be gone on with, given what the fd store has kept: one descriptor after the other.
 * Pure: it names what is whole, what is not, and what is to be said about it.
 *
 * - A worker is whole with its pidfd and its channel (or notify socket). One that is not can be neither told anything
 *   nor watched: what is left of it is closed, at which it drains by itself.
 * - A listener that is missing cannot be had again while anybody accepts on it, and its workers would go on alone, past
 *   every reload. So a generation that claims one is sent away, and the service starts anew.
 * - A second socket of a listener that is missing is one that workers may have still: what waits in it is theirs, and
 *   there will be no other.
 * - A worker that lacks a pipe for its output is whole: it serves, and what it says is lost.
 * - A record of whose incumbents none is whole, beside a store with whole workers that it does not know, is of another
 *   time: a disk that failed has kept it. It counts as none.
 */
import { adminName } from './admin-socket.js';
import type { Snapshot } from './inventory.js';
import { factsOf, storedName } from './stored-names.js';
import type { WorkerRecord } from './worker.js';

export interface Reconciled {
  readonly state: Snapshot;
  /** Stored names by the names that the snapshot uses: what is whole. */
  readonly names: ReadonlyMap<string, string>;
  /** What the log is told. */
  readonly remarks: readonly string[];
  /** Of workers that are not whole: what is left of them. */
  readonly broken: readonly { readonly worker: WorkerRecord; readonly stored: readonly string[] }[];
}

/** Names that a snapshot may speak of beside those of its listeners and workers. */
const BESIDE = ['control', 'client'];

/** Null where the record is of another time. */
export function reconcile(recorded: Snapshot, stored: ReadonlySet<string>): Reconciled | null {
  const remarks: string[] = [];
  const names = new Map<string, string>();
  const broken: { worker: WorkerRecord; stored: string[] }[] = [];
  const take = (name: string): boolean => {
    const there = storedName(name, recorded);
    if (!stored.has(there)) return false;
    names.set(name, there);
    return true;
  };

  /** Only both are of use. One that is left alone is read to its end, see `isPipe`. */
  const takePipes = ({ id, pid, piped }: WorkerRecord): true => {
    const pipes = [`out.${id}`, `err.${id}`];
    if (piped !== true) return true;
    if (pipes.every((name) => stored.has(storedName(name, recorded)))) pipes.forEach(take);
    else remarks.push(`what worker ${id} (pid ${pid}) says from here on is lost: a pipe of its output is missing`);
    return true;
  };

  const lost = new Set<string>();
  for (const { name } of recorded.listeners) {
    if (take(`listener.${name}`)) continue;
    lost.add(name);
    remarks.push(`the listener ${name} is missing: the workers that use it are sent away`);
  }
  const listeners = recorded.listeners
    .filter(({ name }) => !lost.has(name))
    .map((listener) => {
      if (listener.canary !== 'kept' || take(`canary.${listener.name}`)) return listener;
      remarks.push(`the second socket of the listener ${listener.name} is missing: it can have no canary any more`);
      return { ...listener, canary: 'lost' as const };
    });
  const generations = recorded.generations.map((generation) => {
    const claims = generation.claims.filter(({ listener }) => !lost.has(listener));
    const whole = generation.workers.filter((worker) => {
      const needed = [
        `pidfd.${worker.id}`,
        recorded.notifyPaths[worker.id] === undefined ? `channel.${worker.id}` : `notify.${worker.id}`,
      ];
      const missing = needed.filter((name) => !stored.has(storedName(name, recorded)));
      if (missing.length === 0) return needed.every(take) && takePipes(worker);
      remarks.push(`worker ${worker.id} (pid ${worker.pid}) cannot be kept: ${missing.join(' and ')} is missing`);
      const left = needed.map((name) => storedName(name, recorded)).filter((name) => stored.has(name));
      broken.push({ worker, stored: left });
      return false;
    });
    const workers = whole.map((worker) =>
      worker.piped === true && !names.has(`err.${worker.id}`) ? { ...worker, piped: false } : worker,
    );
    const role = claims.length < generation.claims.length ? ('draining' as const) : generation.role;
    return { ...generation, role, claims, workers };
  });
  for (const name of BESIDE) take(name);
  for (const kind of ['admin', 'agent'] as const) {
    const record = recorded[kind];
    if (record != null && !take(adminName(kind, record)))
      remarks.push(`the ${kind} listener is missing: it is bound again`);
  }
  for (const { report } of recorded.patient ?? []) take(`patient.${report}`);

  if (isOfAnotherTime(recorded, generations, stored)) return null;
  const state = {
    ...recorded,
    generations,
    listeners,
    patient: (recorded.patient ?? []).filter(({ report }) => names.has(`patient.${report}`)),
  };
  return { state, names, remarks, broken };
}

function isOfAnotherTime(recorded: Snapshot, kept: Snapshot['generations'], stored: ReadonlySet<string>): boolean {
  const incumbent = kept.find(({ role }) => role === 'incumbent');
  if (incumbent !== undefined && incumbent.workers.length > 0) return false;
  const known = new Set(recorded.generations.flatMap(({ workers }) => workers.map(({ id, pid }) => `${id}.${pid}`)));
  const strangers = [...stored]
    .map(factsOf)
    .filter((facts) => facts?.kind === 'pidfd' && !known.has(`${facts.id}.${facts.pid}`));
  return strangers.length > 0;
}
