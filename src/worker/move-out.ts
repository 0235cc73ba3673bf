/**
 * Hands connections over to workers of the serving generation, see ../channel/peer-messages.ts.
 *
 * A connection is taken from Node in one synchronous stretch: found idle, its descriptor duplicated, its socket
 * destroyed. No byte can be read between, and closing one of two descriptors sends no FIN, so the client notices
 * nothing: what it has written waits in the kernel for whoever reads next.
 *
 * Each link has one offer under way. Whoever is not in it is still served here, so nobody waits longer than one round
 * trip between two event loops however many connections there are.
 */
import type net from 'node:net';
import { ACCEPT_TIMEOUT_MS, type FromReceiver } from '../channel/peer-messages.js';
import { type Fd, native } from '../native.js';
import type { Connections } from './connections.js';
import type { GatedServer } from './gated-server.js';
import { findIdle, findUnused } from './idle.js';
import { acceptedBy, descriptorOf, isPlainHttp, isSettled, makeIdle } from './internals.js';
import { FRESH, HTTP, HTTP_UNUSED, isHttp, type Kinds } from './kinds.js';
import type { Link, Links } from './links.js';
import type { ManagedServers } from './listen.js';
import { OfferPacket, type Saved } from './offer-packet.js';

/** How much more one peer may get than another that is slow to accept: in the end all have as many, give or take this. */
const MAX_LEAD = 16;

/** A connection that is nobody's socket at the moment: this process owns it, by a descriptor. */
interface Held {
  readonly fd: Fd;
  readonly gate: GatedServer;
  readonly kind: string;
  readonly saved: Saved;
}

interface Found {
  readonly socket: net.Socket;
  readonly kind: string;
  readonly bytesRead: number;
}

interface Offer {
  readonly id: number;
  readonly held: readonly Held[];
  readonly deadline: NodeJS.Timeout;
}

export class MoveOut {
  readonly #servers: ManagedServers;
  readonly #connections: Connections;
  readonly #links: Links;
  readonly #kinds: Kinds;
  readonly #changed: () => void;
  readonly #offers = new Map<Link, Offer>();
  /** A link whose peer was silent for too long gets nothing more. */
  readonly #silent = new WeakSet<Link>();
  /** What no peer wanted stays here to its end. */
  readonly #staying = new WeakSet<net.Socket>();
  /** Taken, and waiting for a link. */
  readonly #saved: Held[] = [];
  /** Were idle or unused when they were last searched for; as long as nothing more has been read of one, it still is. */
  #found: Found[] = [];
  #lastId = 0;

  constructor(servers: ManagedServers, connections: Connections, links: Links, kinds: Kinds, changed: () => void) {
    this.#servers = servers;
    this.#connections = connections;
    this.#links = links;
    this.#kinds = kinds;
    this.#changed = changed;
  }

  /** What is on its way: offers that are not settled, and connections that wait for one. */
  get pending(): number {
    return this.#offers.size + this.#saved.length;
  }

  /** Whether the connection can be expected to move once its requests are answered. */
  mayMove(socket: net.Socket): boolean {
    if (this.#staying.has(socket) || this.#peers().length === 0) return false;
    return this.#gateOf(socket) !== null && isPlainHttp(socket);
  }

  /** Offers what can go now, spread evenly over the links that have nothing under way. */
  look(): void {
    const peers = this.#peers();
    if (peers.length === 0) this.#giveBack(this.#saved.splice(0), false);
    const free = peers.filter((link) => !this.#offers.has(link));
    const batches = new Map(free.map((link) => [link, { packet: new OfferPacket(), held: [] as Held[] }]));
    const add = (held: Held, link: Link) => {
      const { packet, held: batch } = batches.get(link)!;
      try {
        packet.add(held.gate.name, held.kind, held.fd, held.saved);
      } catch {
        // No memory or descriptor for what it brings.
        this.#giveBack([held], true);
        return;
      }
      batch.push(held);
      link.given++;
    };
    const leastGiven = (listener: string, saved: Saved = {}): Link | null => {
      const limit = MAX_LEAD + Math.min(...peers.map(({ given }) => given));
      const open = free.filter(
        (link) => link.given < limit && batches.get(link)!.packet.hasRoom(listener, sizeOf(saved)),
      );
      return open.reduce<Link | null>((least, link) => (least && least.given <= link.given ? least : link), null);
    };
    for (const held of this.#saved.splice(0)) {
      const link = leastGiven(held.gate.name, held.saved);
      if (link === null) this.#saved.push(held);
      else add(held, link);
    }
    for (const { socket, gate, kind, save } of free.length === 0 ? [] : this.#ready()) {
      if (leastGiven(gate.name) === null) break;
      const held = this.#take(socket, gate, kind, save);
      if (held === null) continue;
      const link = leastGiven(gate.name, held.saved);
      // What was saved cannot be unsaved: it goes first the next time.
      if (link === null) this.#saved.push(held);
      else add(held, link);
    }
    for (const [link, { packet, held }] of batches) if (held.length > 0) this.#offer(link, packet, held);
  }

  accepted(link: Link, { id, taken }: FromReceiver): void {
    const offer = this.#offers.get(link);
    // One that was withdrawn meanwhile.
    if (offer === undefined || offer.id !== id) return;
    this.#settle(link, offer);
    const indexes = new Set(taken);
    const gone = offer.held.filter((_, index) => indexes.has(index));
    const refused = offer.held.filter((_, index) => !indexes.has(index));
    link.given -= refused.length;
    if (gone.length > 0 && !link.send({ type: 'yours', id })) {
      this.#giveBack(gone, false);
    } else {
      for (const { fd } of gone) native().close(fd);
      this.#connections.moved(gone.length);
    }
    this.#giveBack(refused, true);
    this.#changed();
  }

  /** The peer is gone, or cannot be understood: it owns nothing that it was offered. */
  closed(link: Link): void {
    const offer = this.#offers.get(link);
    if (offer !== undefined) {
      this.#settle(link, offer);
      this.#giveBack(offer.held, false);
    }
    this.#changed();
  }

  #peers(): Link[] {
    return this.#links.latest().filter((link) => !this.#silent.has(link));
  }

  #gateOf(socket: net.Socket): GatedServer | null {
    const server = acceptedBy(socket);
    return server === null ? null : this.#servers.gateOf(server);
  }

  *#ready() {
    for (const socket of [...this.#connections.all()]) {
      const migratable = this.#kinds.of(socket);
      const gate = this.#gateOf(socket);
      if (migratable === null || gate === null || this.#staying.has(socket)) continue;
      yield { socket, gate, kind: migratable.kind, save: () => migratable.save() };
    }
    for (const { socket, kind } of this.#idle()) {
      const gate = this.#gateOf(socket);
      if (gate === null || this.#staying.has(socket) || !isPlainHttp(socket) || !isSettled(socket)) continue;
      yield { socket, gate, kind, save: () => ({}) };
    }
  }

  /** To find them costs a visit to every connection: all are remembered, and searched for again when none is left. */
  *#idle() {
    for (let searched = false; ; searched = true) {
      for (let next = this.#found.pop(); next !== undefined; next = this.#found.pop()) {
        const { socket, bytesRead } = next;
        if (socket.bytesRead === bytesRead && !this.#connections.owesAnswer(socket)) yield next;
      }
      if (searched) return;
      const idle = findIdle(this.#servers, this.#connections);
      const unused = findUnused(this.#connections);
      const found = (kind: string) => (socket: net.Socket) => ({ socket, kind, bytesRead: socket.bytesRead });
      this.#found = [...idle.map(found(HTTP)), ...unused.map(found(HTTP_UNUSED))];
    }
  }

  /** From Node's socket to a descriptor of ours; `null` where it stays what it is, for now. */
  #take(socket: net.Socket, gate: GatedServer, kind: string, save: () => Saved | null): Held | null {
    let fd: Fd;
    try {
      fd = native().dup(descriptorOf(socket));
    } catch {
      // Out of descriptors.
      return null;
    }
    const saved = save();
    if (saved === null) {
      native().close(fd);
      return null;
    }
    this.#connections.foretell(socket, 'moving');
    socket.destroy();
    return { fd, gate, kind, saved };
  }

  #offer(link: Link, packet: OfferPacket, held: readonly Held[]): void {
    const id = ++this.#lastId;
    const deadline = setTimeout(() => this.#withdraw(link), ACCEPT_TIMEOUT_MS);
    deadline.unref();
    this.#offers.set(link, { id, held, deadline });
    const { connections, fds } = packet.finish();
    const sent = link.send({ type: 'offer', id, connections }, fds);
    packet.close();
    if (!sent) this.closed(link);
  }

  #withdraw(link: Link): void {
    const offer = this.#offers.get(link);
    if (offer === undefined) return;
    this.#silent.add(link);
    this.#settle(link, offer);
    link.send({ type: 'withdraw', id: offer.id });
    this.#giveBack(offer.held, false);
    this.#changed();
  }

  #settle(link: Link, offer: Offer): void {
    clearTimeout(offer.deadline);
    this.#offers.delete(link);
  }

  /** Serves on from the descriptors, by the same path as a receiver. */
  #giveBack(held: readonly Held[], stays: boolean): void {
    for (const connection of held) {
      const socket = resume(connection, this.#kinds);
      if (stays && socket !== null) this.#staying.add(socket);
    }
  }
}

/** Makes a socket of the app's server of a descriptor, and that what it was. */
export function resume({ fd, gate, kind, saved }: Held, kinds: Kinds): net.Socket | null {
  let socket: net.Socket | null = null;
  try {
    socket = gate.give(fd, isHttp(kind) || kind === FRESH);
  } catch (error) {
    // The app's own 'connection' listener threw, which is the app's, and must not stop those that come after it.
    setImmediate(() => {
      throw error;
    });
  }
  if (socket === null) return null;
  if (kind === HTTP) makeIdle(socket, gate.server);
  else if (!isHttp(kind) && kind !== FRESH) kinds.restore(kind, socket, gate.server, saved);
  return socket;
}

const sizeOf = ({ state, unread }: Saved): number => (state?.length ?? 0) + (unread?.length ?? 0);
