/**
 * The direct channels to workers of the other generation, as the supervisor introduced them. A link carries connections
 * both ways: what the peer offers is for MoveIn, what it answers is for MoveOut.
 *
 * A link never keeps the process alive, and when this end closes the peer knows that nothing more is to be had from
 * here: what it offered stays with it, and what it was offered is its own.
 */
import { decodeFromPeer } from '../channel/decode-peer.js';
import { PacketSocket } from '../channel/packet-socket.js';
import type { FromReceiver, FromSender } from '../channel/peer-messages.js';
import { type Fd, native } from '../native.js';

/** The supervisor introduces the workers of a few generations; this only bounds what a faulty one can do. */
const MAX_LINKS = 256;

export interface LinkEvents {
  /** The handler owns the descriptors. */
  readonly fromSender: (link: Link, message: FromSender, fds: Fd[]) => void;
  readonly fromReceiver: (link: Link, message: FromReceiver) => void;
  /** `ended`: the peer closed it, or died; otherwise it was given up here. */
  readonly closed: (link: Link, ended: boolean) => void;
}

export class Link {
  readonly peer: string;
  /** Which introduction it came with: only the latest are offered anything. */
  readonly round: number;
  /** How many connections the peer got over it. */
  given = 0;
  readonly #socket: PacketSocket;

  constructor(fd: Fd, peer: string, round: number, events: LinkEvents) {
    this.peer = peer;
    this.round = round;
    this.#socket = new PacketSocket(fd, {
      onPacket: (message, fds) => this.#receive(message as object, fds, events),
      onClose: (_reason, ended) => {
        this.#socket.close();
        events.closed(this, ended);
      },
    });
    this.#socket.unref();
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  /** False where it is known already that the peer will not read it. */
  send(message: FromSender | FromReceiver, fds: readonly Fd[] = []): boolean {
    return this.#socket.send(message, fds);
  }

  /** Without telling anybody here. */
  close(): void {
    this.#socket.close();
  }

  #receive(value: object, fds: Fd[], events: LinkEvents): void {
    const message = decodeFromPeer(value);
    if (message !== null && message !== 'unknown' && message.type !== 'accept') {
      events.fromSender(this, message, fds);
      return;
    }
    for (const fd of fds) native().close(fd);
    if (message === null) {
      this.#socket.close();
      events.closed(this, false);
    } else if (message !== 'unknown') events.fromReceiver(this, message);
  }
}

export class Links {
  readonly #events: LinkEvents;
  readonly #links = new Set<Link>();
  #round = 0;
  #inRound = 0;
  #ended = false;

  constructor(events: LinkEvents) {
    this.#events = {
      ...events,
      closed: (link, ended) => {
        this.#links.delete(link);
        events.closed(link, ended);
      },
    };
  }

  add(fd: Fd, peer: string): void {
    if (this.#ended || this.#links.size >= MAX_LINKS) {
      native().close(fd);
      return;
    }
    this.#inRound++;
    this.#links.add(new Link(fd, peer, this.#round, this.#events));
  }

  /** What is introduced before this, and after the one before, are the workers that serve now. */
  endRound(): void {
    if (this.#inRound > 0) this.#round++;
    this.#inRound = 0;
  }

  all(): Link[] {
    return [...this.#links];
  }

  /** The peers to offer connections to. */
  latest(): Link[] {
    return [...this.#links].filter(({ round }) => round === this.#round - 1);
  }

  /** Closes every link, for good. Whoever had something under way over one has settled it before. */
  end(): void {
    this.#ended = true;
    for (const link of this.#links) link.close();
    this.#links.clear();
  }
}
