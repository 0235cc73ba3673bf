/**
 * The control socket: HTTP over a Unix socket that the CLI and `curl` talk to. It answers; what is done is the
 * supervisor's business. The listening socket is part of the inventory and moves to the next supervisor.
 */
import { rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import { type HealthSource, healthRoutes } from '../admin/routes.js';
import { BatondError, EXIT } from '../errors.js';
import type { EventFeed } from '../events/feed.js';
import type { Crash, CrashSummary } from '../inventory/crash-files.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Report } from '../inventory/report.js';
import { type Fd, native } from '../native.js';
import { Admission } from './admission.js';
import type { Audit } from './audit.js';
import { coalesce } from './coalesce.js';
import { Exchange, type ExchangeHost, send } from './exchange.js';
import type { LineStream } from './line-stream.js';
import type { HistoryRow, ReloadOptions, ReportSummary, RollbackOptions, Status } from './messages.js';
import { type Peer, printable, userText } from './peer.js';
import type { ProfileLine, ProfileOptions } from './profile-messages.js';
import type { ReloadClient } from './reload-client.js';
import type { Right, Rights } from './rights.js';
import { findRoute, statusOf } from './routes.js';

// Not by `import`, which would read its lazy exports too and cost each takeover tens of milliseconds; see client.ts.
const { createServer } = process.getBuiltinModule('node:http');

/** What Node looks at of a request: ours have a few short headers and no body. */
const MAX_HEADER_BYTES = 8_192;
const MAX_BODY_BYTES = 4_096;
/** What setTimeout of Node takes. */
const NEVER_MS = 2 ** 31 - 1;

export interface ControlHandlers {
  status(): Promise<Status>;
  /** Throws BUSY, NO_ROOM and the like; afterwards the client is told everything through its stream. */
  reload(client: ReloadClient, options: ReloadOptions): void;
  /** As `reload`; throws NO_ROLLBACK_TARGET too. */
  rollback(client: ReloadClient, options: RollbackOptions): void;
  /** The oldest first. */
  history(): HistoryRow[];
  /** The oldest first. */
  reports(): ReportSummary[];
  /** Null is the last one. Throws NO_REPORT. */
  report(number: number | null): Report;
  /** The oldest first. */
  crashes(): Promise<readonly CrashSummary[]>;
  /** Throws NO_CRASH. */
  crash(id: string): Promise<Crash>;
  /** Resolves when it is under way; `done` is told the code of its verdict, or null. Throws PROFILE_BUSY and the like. */
  profile(options: ProfileOptions, stream: LineStream<ProfileLine>, done: (code: string | null) => void): Promise<void>;
  /** Where the profile of that name is; null where there is none. */
  profilePath(name: string): Promise<string | null>;
  stop(): void;
  readonly health: HealthSource;
  readonly events: Pick<EventFeed, 'kept' | 'listen' | 'listeners'>;
}

export interface ControlServerOptions {
  /** Of the service. */
  readonly name: string;
  readonly listener: Fd;
  readonly path: string;
  readonly rights: Rights;
  readonly audit: Audit;
  readonly handlers: ControlHandlers;
}

export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #listener: Descriptor;
  readonly #admission: Admission;
  readonly #host: ExchangeHost;
  readonly #server: Server;

  constructor(options: ControlServerOptions) {
    this.#options = options;
    this.#listener = new Descriptor(options.listener);
    this.#admission = new Admission(options.rights, options.audit);
    const { name, handlers, audit } = options;
    const status = coalesce(() => handlers.status());
    this.#host = { name, handlers, audit, admission: this.#admission, health: healthRoutes(handlers.health), status };
    // Node looks for stalled connections every 30 s, which would wake an idle supervisor: each has its own time-out.
    const limits = { connectionsCheckingInterval: NEVER_MS, maxHeaderSize: MAX_HEADER_BYTES };
    this.#server = createServer(limits, (request, response) => void this.#answer(request, response));
    this.#server.maxRequestsPerSocket = 1;
    this.#admission.attach(this.#server);
  }

  get fd(): Fd {
    return this.#listener.fd;
  }

  resume(): void {
    this.#server.listen({ fd: native().dup(this.#listener.fd) });
  }

  /** Accepts no more; whoever connects waits in the socket's queue. Requests under way are answered. */
  pause(): void {
    // http.Server's own close() also cuts idle connections, which a client may be writing into.
    NetServer.prototype.close.call(this.#server);
  }

  /** For good: the service has ended. */
  close(): void {
    rmSync(this.#options.path, { force: true });
    this.pause();
    this.#server.closeIdleConnections();
    this.#listener.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const peer = this.#admission.peer(socket);
    if (peer === null) return;
    this.#admission.heard(socket);
    limitBody(request);
    const [path, query] = (request.url ?? '/').split('?', 2);
    const asked = `${request.method} ${path}`;
    const found = findRoute(asked);
    try {
      this.#require(peer, found?.route ?? UNKNOWN, asked);
      if (found === null) {
        const message = `there is no ${printable(asked)}`;
        send(response, { status: 404, body: { code: 'NOT_FOUND', message, exitStatus: EXIT.software } });
        return;
      }
      const exchange = new Exchange<never>(this.#host, peer, response, new URLSearchParams(query), found.parameter);
      await found.route.serve(exchange);
    } catch (error) {
      if (response.headersSent) throw error;
      const known =
        error instanceof BatondError ? error : new BatondError('CONTROL_FAILED', { reason: String(error) }, error);
      const { retryAfterSeconds } = known.facts;
      if (retryAfterSeconds !== undefined) response.setHeader('retry-after', `${retryAfterSeconds}`);
      const { code, message, exitStatus } = known;
      send(response, { status: statusOf(code), body: { code, message, exitStatus } });
    }
  }

  /** Throws NOT_PERMITTED. */
  #require(peer: Peer, { right, what }: { right: Right; what: string }, route: string): void {
    const { rights, audit, name } = this.#options;
    if (rights.may(peer, right)) return;
    audit.refused(peer, `may not ${what} ${name} (${printable(route)})`, 'NOT_PERMITTED');
    throw new BatondError('NOT_PERMITTED', { name, user: userText(peer.uid), uid: peer.uid, what, right });
  }
}

/** What asks for nothing that there is. */
const UNKNOWN = { right: 'read', what: 'ask anything of' } as const;

/** No request has a body; it is read, or the connection could not be used, but not for long. */
function limitBody(request: IncomingMessage): void {
  let bytes = 0;
  request.on('data', (data: Buffer) => {
    bytes += data.length;
    if (bytes > MAX_BODY_BYTES) request.socket.destroy();
  });
}
