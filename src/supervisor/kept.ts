/**
 * What a supervisor that died, or left for a restart, has left in systemd's fd store, made into an inventory: by the
 * live state file where that is whole, out of the descriptors alone where it is not.
 */
import { fstatSync } from 'node:fs';
import { isConfig } from '../config/check-config.js';
import type { Config } from '../config/config.js';
import type { NamedFds, Secrets, Snapshot } from '../inventory/inventory.js';
import { SNAPSHOT_VERSION } from '../inventory/inventory.js';
import type { LiveRead } from '../inventory/live-file.js';
import { reconcile } from '../inventory/reconcile.js';
import { readMemfd } from '../inventory/sealed.js';
import { factsOf, isOurs, isPipe } from '../inventory/stored-names.js';
import { type Fd, native } from '../native.js';
import type { Activated } from '../systemd/activation.js';
import { salvage } from './salvage.js';

export interface Kept {
  readonly state: Snapshot & Secrets;
  readonly fds: NamedFds;
  /** All that the store has of ours, by its names there. */
  readonly stored: readonly string[];
  /** Of workers that nothing is known of, by their stored names. */
  readonly leftovers: NamedFds;
  /** Pipes for the output of workers that have ended or are not known, by their stored names. */
  readonly pipes: NamedFds;
  /** What the log is to be told. */
  readonly remarks: readonly string[];
  /** With which the generation that serves was kept; null where nothing says so. */
  readonly config: Config | null;
  /** Nothing is known but what the descriptors say. */
  readonly salvaged: boolean;
}

export interface Passed {
  /** By stored names. */
  readonly ours: ReadonlyMap<string, Fd>;
  /** Of a .socket unit, or whatever else the unit was given. */
  readonly others: readonly Activated[];
}

/** The store may have one name twice, if two supervisors have stored it: one is as good as the other. */
export function splitPassed(activated: readonly Activated[]): Passed {
  const ours = new Map<string, Fd>();
  for (const { fd, name } of activated) {
    if (!isOurs(name)) continue;
    if (ours.has(name)) native().close(fd);
    else ours.set(name, fd);
  }
  return { ours, others: activated.filter(({ name }) => !isOurs(name)) };
}

/** Takes the descriptors, and closes those that cannot be used. Null where nothing of ours was kept. */
export function restoreKept(
  { ours, others }: Passed,
  read: LiveRead,
  config: Config,
  runtimeDirectory: string,
): Kept | null {
  if (ours.size === 0) return null;
  const fds = new Map(ours);
  const stored = [...fds.keys()];
  const tickets = takeTickets(fds);
  const known = new Set([...fds].filter(([name, fd]) => mayBeEnded(name, fd)).map(([name]) => name));
  const recorded = read.live === null || read.live.state.version !== SNAPSHOT_VERSION ? null : read.live.state;
  const whole = recorded === null ? null : reconcile(recorded, known);
  if (whole === null) {
    const why = read.live === null ? read.why : 'it is of another time or another version';
    closeTwins(fds, others);
    const { state, names, leftovers } = salvage(config.name, fds, runtimeDirectory, declaredIn(config));
    const remarks = [
      `the live state cannot be used (${why}): the listeners are kept, a new generation is started, ` +
        'and the workers that are there serve on until it does',
    ];
    const left = take(
      fds,
      leftovers.map((name) => [name, name]),
    );
    const wanted = take(fds, names);
    const pipes = takePipes(fds);
    closeAll(fds);
    return {
      state: { ...state, tickets },
      fds: wanted,
      stored,
      leftovers: left,
      pipes,
      remarks,
      config: null,
      salvaged: true,
    };
  }
  const left = take(
    fds,
    (read.live?.leftovers ?? []).map((name) => [name, name]),
  );
  const wanted = take(fds, whole.names);
  const pipes = takePipes(fds);
  const strangers = [...fds.keys()].filter((name) => !whole.broken.some((one) => one.stored.includes(name)));
  const remarks = strangers.length === 0 ? [] : [`nothing is known of ${strangers.join(', ')}: closed`];
  closeAll(fds);
  return {
    state: { ...whole.state, tickets },
    fds: wanted,
    stored,
    leftovers: left,
    pipes,
    remarks: [...whole.remarks, ...remarks],
    config: configOf(whole.state.config) ?? configOf(read.live?.config),
    salvaged: false,
  };
}

/** A worker of another user, after a change of User=, cannot be: left alone, it drains by itself. */
function mayBeEnded(name: string, fd: Fd): boolean {
  if (factsOf(name)?.kind !== 'pidfd') return true;
  try {
    native().pidfdSignal(fd, 0);
    return true;
  } catch {
    return false;
  }
}

const configOf = (value: unknown) => (isConfig(value) ? value : null);

const declaredIn = ({ listeners }: Config) => new Set(listeners.map(({ name }) => name));

/** Moves descriptors out of `from`: [their new name, their name there]. What is not there is left out. */
function take(from: Map<string, Fd>, names: Iterable<readonly [string, string]>): NamedFds {
  const taken: NamedFds = new Map();
  for (const [name, there] of names) {
    const fd = from.get(there);
    if (fd === undefined) continue;
    from.delete(there);
    taken.set(name, fd);
  }
  return taken;
}

const takePipes = (fds: Map<string, Fd>): NamedFds =>
  take(
    fds,
    [...fds.keys()].filter(isPipe).map((name) => [name, name]),
  );

function takeTickets(fds: Map<string, Fd>): NonNullable<Secrets['tickets']> | null {
  let newest: NonNullable<Secrets['tickets']> | null = null;
  for (const [name, fd] of [...fds]) {
    if (factsOf(name)?.kind !== 'tickets') continue;
    fds.delete(name);
    try {
      const record = JSON.parse(readMemfd(fd)) as NonNullable<Secrets['tickets']>;
      if (newest === null || record.madeAtMs > newest.madeAtMs) newest = record;
    } catch {
      // A new secret is made: clients then make new sessions.
    }
    native().close(fd);
  }
  return newest;
}

/** A socket that systemd passes beside our copy of it is systemd's. */
function closeTwins(fds: Map<string, Fd>, others: readonly Activated[]): void {
  for (const [name, fd] of [...fds]) {
    if (!others.some((other) => isSameFile(fd, other.fd))) continue;
    fds.delete(name);
    native().close(fd);
  }
}

/** Of sockets the inode is their own. */
export function isSameFile(a: Fd, b: Fd): boolean {
  const [one, other] = [fstatSync(a, { bigint: true }), fstatSync(b, { bigint: true })];
  return one.dev === other.dev && one.ino === other.ino;
}

function closeAll(fds: Map<string, Fd>): void {
  for (const fd of fds.values()) native().close(fd);
  fds.clear();
}
