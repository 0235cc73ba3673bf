/**
 * Leaving: accept no more, answer what has come, hand over what can be handed over, and tell when nothing is left.
 *
 * `http.Server.close()` is never called: it destroys idle connections that a client may be writing a request into
 * (200 of 200 such requests were reset). An idle connection that cannot move is answered once more, with
 * `Connection: close`, or is ended by Node's own keep-alive time-out, or stays until the supervisor's deadline.
 * What is no HTTP, an upgraded connection included, is waited for unless somebody registered how it moves.
 */
import type { DrainTally, Idle } from '../channel/messages.js';
import type { Connections } from './connections.js';
import type { Http2Sessions } from './http2-sessions.js';
import { endIdle, findIdle, findUnused } from './idle.js';
import type { Links } from './links.js';
import type { ManagedServers } from './listen.js';
import type { MoveIn } from './move-in.js';
import type { MoveOut } from './move-out.js';

/** How long a connection that has asked for nothing yet may still begin: its client may have connected just now to ask. */
const UNUSED_GRACE_MS = 1_000;

type Told = (tally: DrainTally) => void;

export class Drain {
  readonly #servers: ManagedServers;
  readonly #connections: Connections;
  readonly #sessions: Http2Sessions;
  readonly #links: Links;
  readonly #moveOut: MoveOut;
  readonly #moveIn: MoveIn;
  readonly #waiting: Told[] = [];
  #idle: Idle = 'wait';
  #unusedMayEnd = false;
  #looking = false;

  constructor(
    servers: ManagedServers,
    connections: Connections,
    sessions: Http2Sessions,
    moving: { readonly links: Links; readonly out: MoveOut; readonly in: MoveIn },
  ) {
    this.#servers = servers;
    this.#connections = connections;
    this.#sessions = sessions;
    this.#links = moving.links;
    this.#moveOut = moving.out;
    this.#moveIn = moving.in;
  }

  /** May be asked again, with 'close' after the others; each asker is told. */
  begin(idle: Idle, drained: Told): void {
    this.#waiting.push(drained);
    if (idle === 'close' && this.#idle !== 'close') this.#endUnusedLater();
    if (this.#idle !== 'close') this.#idle = idle;
    if (this.#idle === 'move') this.#links.endRound();
    this.#servers.end();
    this.#sessions.startClosing();
    this.#connections.startClosing(
      () => this.look(),
      (socket) => this.#idle === 'move' && this.#moveOut.mayMove(socket),
    );
    this.look();
  }

  /** A turn later: by then Node has put a finished connection among the idle, and many ends make one look. */
  look(): void {
    if (this.#looking || this.#waiting.length === 0) return;
    this.#looking = true;
    setImmediate(() => {
      this.#looking = false;
      if (this.#idle === 'move') this.#moveOut.look();
      if (this.#idle === 'close') this.#endIdle();
      if (this.#connections.accepted > 0 || this.#moveOut.pending > 0 || this.#moveIn.pending > 0) return;
      // Nobody may be offered what this process, which is about to be told to end, would take.
      this.#links.end();
      for (const drained of this.#waiting.splice(0)) drained(this.#tally());
    });
  }

  #endIdle(): void {
    const idle = findIdle(this.#servers, this.#connections);
    const unused = this.#unusedMayEnd ? findUnused(this.#connections) : [];
    endIdle([...idle, ...unused], (socket) => this.#connections.foretell(socket, 'cut'));
  }

  #endUnusedLater(): void {
    setTimeout(() => {
      this.#unusedMayEnd = true;
      this.look();
    }, UNUSED_GRACE_MS);
  }

  /** An HTTP/2 session is told on its own, and its connection then ends like any other. */
  #tally(): DrainTally {
    const { moved, finished, told, cut } = this.#connections.tally;
    const sessions = Math.min(this.#sessions.told, finished);
    return { moved, finished: finished - sessions, told: told + sessions, cut };
  }
}
