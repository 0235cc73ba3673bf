/**
 * The door of the control socket: who connects is looked at once, gets one of a bounded number of places, and a time by
 * which it has said what it wants and has read the answer, however slowly it does either.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Audit } from './audit.js';
import { type Peer, peerOf } from './peer.js';
import { Places } from './places.js';
import type { Rights, Standing } from './rights.js';

/** From the connection to the whole request, and again from there to the end of the answer. */
const PATIENCE_MS: Readonly<Record<Standing, number>> = { owner: 10_000, listed: 10_000, stranger: 2_000 };

interface Guest {
  readonly peer: Peer;
  readonly timer: NodeJS.Timeout;
}

export class Admission {
  readonly #rights: Rights;
  readonly #audit: Audit;
  readonly #places = new Places();
  readonly #guests = new WeakMap<Socket, Guest>();

  constructor(rights: Rights, audit: Audit) {
    this.#rights = rights;
    this.#audit = audit;
  }

  attach(server: Server): void {
    server.on('connection', (socket) => this.#admit(socket));
    // A second request on a connection: nobody of ours sends one, and each would be work.
    server.on('dropRequest', (_request, socket) => socket.destroy());
    server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** Null for a connection that has been given up. */
  peer(socket: Socket): Peer | null {
    return this.#guests.get(socket)?.peer ?? null;
  }

  /** Its request has been heard: the time for the answer begins. */
  heard(socket: Socket): void {
    this.#guests.get(socket)?.timer.refresh();
  }

  /** It may stay as long as it likes, as whoever waits for a verdict. */
  stays(socket: Socket): void {
    clearTimeout(this.#guests.get(socket)?.timer);
  }

  #admit(socket: Socket): void {
    let peer: Peer;
    try {
      peer = peerOf((socket as unknown as { _handle: { fd: number } })._handle.fd);
    } catch {
      // It has gone already, or the kernel does not say who it is.
      socket.destroy();
      return;
    }
    const standing = this.#rights.standing(peer);
    const leave = this.#places.take(standing, peer.uid);
    if (leave === null) {
      this.#audit.refused(peer, 'one connection too many');
      socket.destroy();
      return;
    }
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS[standing]);
    this.#guests.set(socket, { peer, timer });
    socket.on('close', () => {
      clearTimeout(timer);
      leave();
    });
  }
}
