/**
 * Takes connections over from a worker that drains, see ../channel/peer-messages.ts.
 *
 * What is offered is held, unread, until the sender says `yours` or dies without a word: only then it becomes a
 * connection of the app's server, whatever that server's gate says, because its client was let in long ago.
 */
import { isMoving } from '../channel/decode-peer.js';
import type { FromSender, Moving } from '../channel/peer-messages.js';
import { type Fd, native } from '../native.js';
import type { GatedServer } from './gated-server.js';
import { isFull } from './internals.js';
import { FRESH, isHttp, type Kinds } from './kinds.js';
import type { Link } from './links.js';
import type { ManagedServers } from './listen.js';
import { resume } from './move-out.js';
import { type Saved, savedOf } from './offer-packet.js';

/**
 * What is made in one turn of the loop: making one may take an app milliseconds, and who is served here already, and the
 * other workers whose offers wait for an answer, are not to wait for a whole packet of them.
 */
const SLICE_MS = 5;

interface Taken {
  readonly fd: Fd;
  readonly gate: GatedServer;
  readonly kind: string;
  readonly saved: Saved;
}

export class MoveIn {
  readonly #servers: ManagedServers;
  readonly #kinds: Kinds;
  readonly #changed: () => void;
  /** What each link has offered and not settled; by the id of the offer. */
  readonly #held = new Map<Link, Map<number, readonly Taken[]>>();
  /** Ours, and not yet the server's. */
  readonly #arrived: Taken[] = [];

  constructor(servers: ManagedServers, kinds: Kinds, changed: () => void) {
    this.#servers = servers;
    this.#kinds = kinds;
    this.#changed = changed;
  }

  /** Offers that were accepted and are not settled, and connections that have to be made yet. */
  get pending(): number {
    return this.#held.size + this.#arrived.length;
  }

  received(link: Link, message: FromSender, fds: readonly Fd[]): void {
    if (message.type === 'offer') {
      this.#take(link, message.id, message.connections, fds);
      return;
    }
    for (const fd of fds) native().close(fd);
    const taken = this.#settle(link, message.id);
    if (message.type === 'yours') this.#adopt(taken);
    else for (const { fd } of taken) native().close(fd);
    this.#changed();
  }

  /** `ended`: without `withdraw` the sender is dead, and what is held is ours. Otherwise it lives and serves on. */
  closed(link: Link, ended: boolean): void {
    const offers = [...(this.#held.get(link)?.values() ?? [])];
    this.#held.delete(link);
    for (const taken of offers) {
      if (ended) this.#adopt(taken);
      else for (const { fd } of taken) native().close(fd);
    }
    this.#changed();
  }

  #take(link: Link, id: number, connections: readonly Moving[], fds: readonly Fd[]): void {
    const held: Taken[] = [];
    const indexes: number[] = [];
    const coming = new Map<GatedServer, number>();
    const used = new Set<Fd>();
    for (const [index, moving] of connections.entries()) {
      const fd = fds[index];
      // A peer of another version may say what is not understood here: it keeps that.
      const gate = isMoving(moving) ? this.#servers.named(moving.listener) : null;
      if (fd === undefined || gate === null || !this.#canTake(gate, moving.kind, coming.get(gate) ?? 0)) continue;
      try {
        held.push({ fd, gate, kind: moving.kind, saved: savedOf(moving, fds) });
      } catch {
        // Nothing that could be restored: the sender keeps it.
        continue;
      }
      used.add(fd);
      indexes.push(index);
      coming.set(gate, (coming.get(gate) ?? 0) + 1);
    }
    for (const fd of fds) if (!used.has(fd)) native().close(fd);
    if (held.length > 0) {
      const offers = this.#held.get(link) ?? new Map<number, readonly Taken[]>();
      this.#held.set(link, offers.set(id, held));
    }
    link.send({ type: 'accept', id, taken: indexes });
  }

  #canTake(gate: GatedServer, kind: string, coming: number): boolean {
    if (isFull(gate.server, coming + this.#heldFor(gate))) return false;
    if (kind === FRESH) return true;
    return isHttp(kind) ? gate.speaksHttp : this.#kinds.knows(kind);
  }

  #heldFor(gate: GatedServer): number {
    let count = this.#arrived.filter((taken) => taken.gate === gate).length;
    for (const offers of this.#held.values()) {
      for (const taken of offers.values()) for (const one of taken) if (one.gate === gate) count++;
    }
    return count;
  }

  #settle(link: Link, id: number): readonly Taken[] {
    const offers = this.#held.get(link);
    const taken = offers?.get(id) ?? [];
    offers?.delete(id);
    if (offers?.size === 0) this.#held.delete(link);
    return taken;
  }

  #adopt(taken: readonly Taken[]): void {
    const begins = this.#arrived.length === 0;
    this.#arrived.push(...taken);
    if (begins) this.#make();
  }

  #make(): void {
    const end = performance.now() + SLICE_MS;
    do {
      const one = this.#arrived[0];
      if (one === undefined) break;
      resume(one, this.#kinds);
      this.#arrived.shift();
    } while (performance.now() < end);
    if (this.#arrived.length === 0) this.#changed();
    else setImmediate(() => this.#make());
  }
}
