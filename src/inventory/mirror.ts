/**
 * Keeps a copy of the inventory outside this process, for the supervisor that comes after one that was killed: the
 * descriptors in systemd's fd store, what they mean in the live state file.
 *
 * Changes of one turn are written together at its end; `flush` writes at once, before what must not be done unrecorded.
 * Descriptors go first and the file follows, so that the file never speaks of what is not there. A disk or a store that
 * fails is said once, is shown in the status, and stops nothing; the next change tries again.
 */
import type { Log } from '../log.js';
import type { Fd } from '../native.js';
import type { Notifier } from '../systemd/notify.js';
import type { NamedFds, Secrets } from './inventory.js';
import { encodeLive, type Live, removeLive, writeLive } from './live-file.js';
import { sealedMemfd } from './sealed.js';
import { storedName, ticketsName } from './stored-names.js';

/** What there is to be kept: everything lent for the length of one flush. */
export interface Mirrored {
  readonly live: Live;
  /** By their names in the snapshot. */
  readonly fds: NamedFds;
  readonly tickets: Secrets['tickets'];
  /** Descriptors that no snapshot speaks of, by their names in the store. */
  readonly others: NamedFds;
}

export interface MirrorOptions {
  readonly path: string;
  readonly log: Log;
  readonly notifier: Pick<Notifier, 'active' | 'fdStore' | 'fdStoreRemove'>;
  /** The environment: FDSTORE= says how many descriptors the unit may store, where systemd is 254 or newer. */
  readonly env: NodeJS.ProcessEnv;
  collect(): Mirrored;
  /** Whether the protection is whole has changed. */
  changed(): void;
}

export class Mirror {
  readonly #options: MirrorOptions;
  readonly #stored = new Set<string>();
  /** How many descriptors the store holds, as far as anybody says. */
  readonly #limit: number;
  #written = '';
  #dirty = false;
  #active = false;
  #problem: string | null = null;

  constructor(options: MirrorOptions) {
    this.#options = options;
    const limit = options.env.FDSTORE;
    this.#limit = limit !== undefined && /^\d{1,9}$/.test(limit) ? Number(limit) : Number.POSITIVE_INFINITY;
  }

  /** Why a supervisor that dies now could not be replaced without a loss; null where all is well. */
  get problem(): string | null {
    return this.#problem;
  }

  /** From here on the copy is ours to keep; `stored` is what the store has of ours already. */
  begin(stored: Iterable<string>): void {
    this.#stored.clear();
    for (const name of stored) this.#stored.add(name);
    this.#written = '';
    this.#active = true;
  }

  /** Somebody else is about to keep it; `begin` takes it back. */
  end(): void {
    this.flush();
    this.#active = false;
  }

  /** Goes on after `end`: the copy is as it was left. */
  again(): void {
    this.#active = true;
  }

  /** What is stored, for `begin`. */
  get stored(): ReadonlySet<string> {
    return this.#stored;
  }

  /** Something has changed: it is written before the loop turns. */
  touch(): void {
    if (this.#dirty || !this.#active) return;
    this.#dirty = true;
    queueMicrotask(() => {
      if (this.#dirty) this.flush();
    });
  }

  /** Writes what has changed, at once. */
  flush(): void {
    this.#dirty = false;
    if (!this.#active || !this.#options.notifier.active) return;
    const mirrored = this.#options.collect();
    this.#store(mirrored);
    this.#write(mirrored);
  }

  /** The service has ended, and nothing is to be found by whoever starts it again. */
  clear(): void {
    if (!this.#active) return;
    this.#active = false;
    for (const name of this.#stored) this.#options.notifier.fdStoreRemove(name);
    this.#stored.clear();
    removeLive(this.#options.path);
  }

  /** Removals first: a descriptor that only has another name would be taken for one that is stored already. */
  #store({ live, fds, tickets, others }: Mirrored): void {
    const { notifier } = this.#options;
    const wanted = new Map<string, Fd>(others);
    for (const [name, fd] of fds) wanted.set(storedName(name, live.state), fd);
    const secret = tickets == null ? null : ticketsName(tickets.madeAtMs);
    for (const name of this.#stored) {
      if (wanted.has(name) || name === secret) continue;
      this.#stored.delete(name);
      notifier.fdStoreRemove(name);
    }
    for (const [name, fd] of wanted) {
      if (this.#stored.has(name)) continue;
      this.#stored.add(name);
      // A channel, a pidfd or a client whose other side has just ended is needed most of all.
      notifier.fdStore(name, [fd], { poll: false });
    }
    if (secret === null || this.#stored.has(secret)) return;
    this.#stored.add(secret);
    using memfd = sealedMemfd('batond-tickets', JSON.stringify(tickets));
    notifier.fdStore(secret, [memfd.fd], { poll: false });
  }

  #write({ live }: Mirrored): void {
    const text = encodeLive(live);
    let problem =
      this.#stored.size > this.#limit
        ? `${this.#stored.size} descriptors, FileDescriptorStoreMax= is ${this.#limit}`
        : null;
    if (text !== this.#written) {
      try {
        writeLive(this.#options.path, text);
        this.#written = text;
      } catch (error) {
        this.#written = '';
        problem = (error as Error).message;
      }
    }
    this.#judge(problem);
  }

  #judge(problem: string | null): void {
    const before = this.#problem;
    this.#problem = problem;
    if ((before === null) === (problem === null)) return;
    if (problem === null)
      this.#options.log.info({ event: 'protected' }, 'a supervisor that dies can be replaced again');
    else {
      this.#options.log.error(
        { event: 'unprotected' },
        `if the supervisor died now, its workers would not be taken over whole: ${problem}`,
      );
    }
    this.#options.changed();
  }
}
