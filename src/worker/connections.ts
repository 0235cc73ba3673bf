/**
 * Counts what is under way: connections that managed servers accepted, and HTTP/1 requests that have no answer yet.
 *
 * All from diagnostics channels: one listener a connection, a few array operations and two looks at the clock a request,
 * no message to anyone. Upgrades and CONNECT come by no such channel: they are no requests here, and have no latency.
 * While draining it makes responses say `Connection: close`, and keeps account of what became of each connection.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type net from 'node:net';
import type { DrainTally } from '../channel/messages.js';
import { type Answers, EVENT_STREAM, LONG_MS } from './answers.js';
import { acceptedBy, carrierOf } from './internals.js';
import { bookkeeping } from './migratable.js';
import { headOf } from './response-internals.js';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: net.Socket;
}

/** What a connection ends of while the worker drains; one that is `moving` has not ended. */
type Fate = 'finished' | 'told' | 'cut' | 'moving';

interface Connection {
  /** False for what only carries requests: a TLS socket, whose raw socket has been counted, or a probe. */
  readonly accepted: boolean;
  /** In the order of the requests; more than one where the client pipelines. */
  readonly unanswered: Exchange[];
  /** When each of them began, by performance.now(): numbers side by side, so that a request costs no object. */
  readonly since: number[];
  fate: Fate;
}

export class Connections {
  readonly #isManaged: (server: net.Server) => boolean;
  readonly #answers: Answers;
  readonly #connections = new Map<net.Socket, Connection>();
  readonly #probes = new WeakSet<net.Socket>();
  #accepted = 0;
  #everAccepted = 0;
  #requests = 0;
  #inFlight = 0;
  #draining = false;
  #onChange: () => void = () => {};
  #mayStayOpen: (socket: net.Socket) => boolean = () => false;
  readonly #tally = { moved: 0, finished: 0, told: 0, cut: 0 };

  constructor(isManaged: (server: net.Server) => boolean, answers: Answers) {
    this.#isManaged = isManaged;
    this.#answers = answers;
    subscribe('net.server.socket', (message) => this.#onSocket((message as { socket: net.Socket }).socket));
    subscribe('http.server.request.start', (message) => this.#onRequest(message as Exchange));
    subscribe('http.server.response.finish', (message) => this.#onFinish(message as Exchange));
  }

  get accepted(): number {
    return this.#accepted;
  }

  /** Since the start, those that are gone included. */
  get everAccepted(): number {
    return this.#everAccepted;
  }

  get requests(): number {
    return this.#requests;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** A connection of the supervisor's: answered as any other, counted nowhere. */
  addProbe(socket: net.Socket): void {
    this.#probes.add(socket);
  }

  /** All that carry requests, TLS sockets beside those that carry them. */
  sockets(): IterableIterator<net.Socket> {
    return this.#connections.keys();
  }

  /** Whether a request has been read that is not answered to its last byte. */
  owesAnswer(socket: net.Socket): boolean {
    return (this.#connections.get(socket)?.unanswered.length ?? 0) > 0;
  }

  /** Those that managed servers accepted. */
  *all(): IterableIterator<net.Socket> {
    for (const [socket, { accepted }] of this.#connections) if (accepted) yield socket;
  }

  /** What has become of the connections since the drain began. */
  get tally(): DrainTally {
    return { ...this.#tally };
  }

  /** Says why the connection is about to end, before it does. */
  foretell(socket: net.Socket, fate: Fate): void {
    const connection = this.#connections.get(carrierOf(socket));
    if (connection !== undefined) connection.fate = fate;
  }

  moved(count: number): void {
    this.#tally.moved += count;
  }

  /**
   * From here on each connection that may not stay open is closed with its next response; `onChange` tells that one
   * ended or became idle.
   */
  startClosing(onChange: () => void, mayStayOpen: (socket: net.Socket) => boolean): void {
    this.#onChange = onChange;
    this.#mayStayOpen = mayStayOpen;
    if (this.#draining) return;
    this.#draining = true;
    for (const { unanswered } of this.#connections.values()) {
      for (const exchange of unanswered) this.#closeAfter(exchange, unanswered);
    }
  }

  #onSocket(socket: net.Socket): void {
    const server = acceptedBy(socket);
    if (server === null || !this.#isManaged(server)) return;
    this.#accepted++;
    this.#everAccepted++;
    this.#follow(socket, true);
  }

  #follow(socket: net.Socket, accepted: boolean): Connection {
    const connection: Connection = { accepted, unanswered: [], since: [], fate: 'finished' };
    this.#connections.set(socket, connection);
    // A socket that was destroyed by its 'connection' handler has its 'close' still before it.
    const onClose = () => {
      this.#connections.delete(socket);
      this.#inFlight -= connection.unanswered.length;
      // An answer that moved with its connection goes on elsewhere.
      if (connection.fate !== 'moving') this.#answers.aborted += connection.unanswered.filter(isBrokenOff).length;
      connection.unanswered.length = 0;
      connection.since.length = 0;
      if (accepted) this.#accepted--;
      if (accepted && this.#draining && connection.fate !== 'moving') this.#tally[connection.fate]++;
      this.#onChange();
    };
    bookkeeping.add(onClose);
    socket.once('close', onClose);
    return connection;
  }

  #onRequest(exchange: Exchange): void {
    if (this.#probes.has(exchange.socket)) return;
    const { unanswered, since } = this.#connections.get(exchange.socket) ?? this.#follow(exchange.socket, false);
    this.#requests++;
    this.#inFlight++;
    unanswered.push(exchange);
    since.push(performance.now());
    if (this.#draining) this.#closeAfter(exchange, unanswered);
  }

  #onFinish({ response, socket }: Exchange): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    const { unanswered, since } = connection;
    const index = unanswered.findIndex((exchange) => exchange.response === response);
    if (index < 0) return;
    const ms = performance.now() - (since[index] as number);
    if (unanswered.length === 1) {
      unanswered.pop();
      since.pop();
    } else {
      unanswered.splice(index, 1);
      since.splice(index, 1);
    }
    this.#inFlight--;
    this.#answers.answered(response.statusCode, ms > LONG_MS && isEventStream(response) ? null : ms);
    if (this.#draining) this.#onChange();
  }

  /**
   * Node asks `shouldKeepAlive` when it writes the head, and only then can it be decided: to close after a response
   * whose request is still being uploaded would reset the client, who might never see it, and to close before the
   * answers to further requests that have been read already would swallow these. Such a connection is closed by a later
   * response.
   */
  #closeAfter(exchange: Exchange, unanswered: readonly Exchange[]): void {
    const { request, response, socket } = exchange;
    if (response.headersSent) return;
    let keepAlive = response.shouldKeepAlive;
    Object.defineProperty(response, 'shouldKeepAlive', {
      configurable: true,
      enumerable: true,
      get: () => {
        if (!keepAlive || !isRead(request) || unanswered.at(-1) !== exchange || this.#mayStayOpen(socket)) {
          return keepAlive;
        }
        this.foretell(socket, 'told');
        return false;
      },
      set: (value: boolean) => {
        keepAlive = value;
      },
    });
  }
}

/** `complete` is still false while a handler runs that answers at once, so a request without a body is known by its head. */
function isRead(request: IncomingMessage): boolean {
  if (request.complete) return true;
  const { headers } = request;
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

/** An event stream has no other end than that its client goes. */
function isBrokenOff({ response }: Exchange): boolean {
  return !response.headersSent || !isEventStream(response);
}

/** Asked of the head as it was sent: what went to `writeHead` is nowhere else. */
function isEventStream(response: ServerResponse): boolean {
  return headOf(response).toLowerCase().includes(`\r\ncontent-type: ${EVENT_STREAM}`);
}
