/**
 * The control socket: HTTP over a Unix socket that the CLI and `curl` talk to. It answers; what is done is the
 * supervisor's business. The listening socket is part of the inventory and moves to the next supervisor.
 */
import { rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import { type HealthSource, healthRoutes, type Routes } from '../admin/routes.js';
import { BatondError, type ErrorCode } from '../errors.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Report } from '../inventory/report.js';
import { type Fd, native } from '../native.js';
import { Admission } from './admission.js';
import type { Action, Audit } from './audit.js';
import { coalesce } from './coalesce.js';
import type { HistoryRow, ReloadOptions, ReportSummary, RollbackOptions, Status } from './messages.js';
import { reloadOptions, rollbackOptions } from './options.js';
import { type Peer, printable, userText } from './peer.js';
import { ReloadClient } from './reload-client.js';
import type { Right, Rights } from './rights.js';

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
  stop(): void;
  readonly health: HealthSource;
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
  readonly #status: () => Promise<Status>;
  readonly #health: Routes;
  readonly #server: Server;

  constructor(options: ControlServerOptions) {
    this.#options = options;
    this.#listener = new Descriptor(options.listener);
    this.#admission = new Admission(options.rights, options.audit);
    this.#health = healthRoutes(options.handlers.health);
    this.#status = coalesce(() => options.handlers.status());
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
    const route = `${request.method} ${path}`;
    const wanted = /^GET \/v1\/reports\/(last|\d{1,15})$/.exec(route)?.[1];
    const { handlers } = this.#options;
    try {
      this.#require(peer, wanted === undefined ? (RIGHTS[route] ?? UNKNOWN) : RIGHTS['GET /v1/reports']!, route);
      if (wanted !== undefined) {
        send(response, 200, handlers.report(wanted === 'last' ? null : Number(wanted)));
        return;
      }
      const health = request.method === 'GET' ? this.#health.get(path ?? '/') : undefined;
      if (health !== undefined) {
        const { status, body } = await health(new URLSearchParams(query));
        send(response, status, body);
        return;
      }
      switch (route) {
        case 'GET /v1/status':
          send(response, 200, await this.#status());
          return;
        case 'POST /v1/reload':
          this.#reload(peer, response, reloadOptions(new URLSearchParams(query)));
          return;
        case 'POST /v1/rollback':
          this.#rollback(peer, response, rollbackOptions(new URLSearchParams(query)));
          return;
        case 'GET /v1/history':
          send(response, 200, handlers.history());
          return;
        case 'GET /v1/reports':
          send(response, 200, handlers.reports());
          return;
        case 'POST /v1/stop':
          this.#act(peer, 'stop', {}, () => {
            send(response, 202, { stopping: true });
            handlers.stop();
          });
          return;
        default:
          send(response, 404, { code: 'NOT_FOUND', message: `there is no ${printable(route)}` });
      }
    } catch (error) {
      if (response.headersSent) throw error;
      const known =
        error instanceof BatondError ? error : new BatondError('CONTROL_FAILED', { reason: String(error) }, error);
      const status = STATUS[known.code] ?? 503;
      const { retryAfterSeconds } = known.facts;
      if (retryAfterSeconds !== undefined) response.setHeader('retry-after', `${retryAfterSeconds}`);
      send(response, status, { code: known.code, message: known.message, exitStatus: known.exitStatus });
    }
  }

  /** Throws NOT_PERMITTED. */
  #require(peer: Peer, { right, what }: { right: Right; what: string }, route: string): void {
    const { rights, audit, name } = this.#options;
    if (rights.may(peer, right)) return;
    audit.refused(peer, `may not ${what} ${name} (${printable(route)})`, 'NOT_PERMITTED');
    throw new BatondError('NOT_PERMITTED', { name, user: userText(peer.uid), uid: peer.uid, what, right });
  }

  #reload(peer: Peer, response: ServerResponse, options: ReloadOptions): void {
    const { handlers } = this.#options;
    this.#actFor(peer, response, 'reload', options, (client) => handlers.reload(client, options));
  }

  #rollback(peer: Peer, response: ServerResponse, options: RollbackOptions): void {
    const { handlers } = this.#options;
    this.#actFor(peer, response, 'rollback', options, (client) => handlers.rollback(client, options));
  }

  /** For a client that stays until the verdict. */
  #actFor(
    peer: Peer,
    response: ServerResponse,
    action: Action,
    options: object,
    act: (client: ReloadClient) => void,
  ): void {
    const { socket } = response;
    if (socket === null) return;
    this.#act(peer, action, options, () => {
      act(ReloadClient.answering(response, socket, peer));
      this.#admission.stays(socket);
    });
  }

  /** On record before it has any effect, and again where it is refused. */
  #act(peer: Peer, action: Action, options: object, act: () => void): void {
    const { audit } = this.#options;
    audit.action(peer, action, 'asked', options);
    try {
      act();
    } catch (error) {
      audit.action(peer, action, error instanceof BatondError ? error.code : 'CONTROL_FAILED', options);
      throw error;
    }
  }
}

/** What each request needs, and what it is called in a refusal. */
const RIGHTS: Readonly<Record<string, { readonly right: Right; readonly what: string }>> = {
  'GET /v1/status': { right: 'read', what: 'see the status of' },
  'GET /v1/reports': { right: 'read', what: 'see the reports of' },
  'GET /v1/history': { right: 'read', what: 'see the history of' },
  'GET /healthz': { right: 'read', what: 'see the health of' },
  'GET /readyz': { right: 'read', what: 'see the health of' },
  'GET /weight': { right: 'read', what: 'see the weight of' },
  'GET /livez': { right: 'read', what: 'see the health of' },
  'POST /v1/reload': { right: 'act', what: 'reload' },
  'POST /v1/rollback': { right: 'act', what: 'roll back' },
  'POST /v1/stop': { right: 'act', what: 'stop' },
};
const UNKNOWN = { right: 'read', what: 'ask anything of' } as const;

/** No request has a body; it is read, or the connection could not be used, but not for long. */
function limitBody(request: IncomingMessage): void {
  let bytes = 0;
  request.on('data', (data: Buffer) => {
    bytes += data.length;
    if (bytes > MAX_BODY_BYTES) request.socket.destroy();
  });
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  BUSY: 409,
  NO_ROOM: 429,
  UNHEALTHY: 429,
  FROZEN: 429,
  TOO_SOON: 429,
  NOT_PERMITTED: 403,
  NO_REPORT: 404,
  NO_ROLLBACK_TARGET: 404,
  REQUEST_INVALID: 400,
};

function send(response: ServerResponse, status: number, body: object | string): void {
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}
