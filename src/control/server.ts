/**
 * The control socket: HTTP over a Unix socket that the CLI and `curl` talk to. It answers; what is done is the
 * supervisor's business. The listening socket is part of the inventory and moves to the next supervisor.
 */
import { rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import { BatondError, type ErrorCode } from '../errors.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Report } from '../inventory/report.js';
import { type Fd, native } from '../native.js';
import type { HistoryRow, ReloadOptions, ReportSummary, RollbackOptions, Status } from './messages.js';
import { ReloadClient } from './reload-client.js';

// Not by `import`, which would read its lazy exports too and cost each takeover tens of milliseconds; see client.ts.
const { createServer } = process.getBuiltinModule('node:http');

/** How long a client may take to say what it wants. */
const STALLED_MS = 10_000;
const MAX_CLIENTS = 64;
/** What setTimeout of Node takes. */
const NEVER_MS = 2 ** 31 - 1;

export interface ControlHandlers {
  status(): Promise<Status>;
  /** Throws BUSY and the like; afterwards the client is told everything through its stream. */
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
}

export class ControlServer {
  readonly #listener: Descriptor;
  readonly #path: string;
  readonly #handlers: ControlHandlers;
  readonly #server: Server;

  constructor(listener: Fd, path: string, handlers: ControlHandlers) {
    this.#listener = new Descriptor(listener);
    this.#path = path;
    this.#handlers = handlers;
    // Node looks for stalled connections every 30 s, which would wake an idle supervisor: each has its own time-out.
    this.#server = createServer({ connectionsCheckingInterval: NEVER_MS }, (request, response) => {
      request.socket.setTimeout(0);
      void this.#answer(request, response);
    });
    this.#server.maxConnections = MAX_CLIENTS;
    this.#server.on('connection', (socket) => socket.setTimeout(STALLED_MS, () => socket.destroy()));
    this.#server.on('clientError', (_error, socket) => socket.destroy());
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
    rmSync(this.#path, { force: true });
    this.pause();
    this.#server.closeIdleConnections();
    this.#listener.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const url = new URL(request.url ?? '/', 'http://batond');
    const route = `${request.method} ${url.pathname}`;
    const wanted = /^GET \/v1\/reports\/(last|\d{1,15})$/.exec(route)?.[1];
    try {
      if (wanted !== undefined) {
        send(response, 200, this.#handlers.report(wanted === 'last' ? null : Number(wanted)));
        return;
      }
      switch (route) {
        case 'GET /v1/status':
          send(response, 200, await this.#handlers.status());
          return;
        case 'POST /v1/reload':
          this.#handlers.reload(ReloadClient.answering(response), reloadOptions(url.searchParams));
          return;
        case 'POST /v1/rollback':
          this.#handlers.rollback(ReloadClient.answering(response), rollbackOptions(url.searchParams));
          return;
        case 'GET /v1/history':
          send(response, 200, this.#handlers.history());
          return;
        case 'GET /v1/reports':
          send(response, 200, this.#handlers.reports());
          return;
        case 'POST /v1/stop':
          send(response, 202, { stopping: true });
          this.#handlers.stop();
          return;
        default:
          send(response, 404, { code: 'NOT_FOUND', message: `there is no ${route}` });
      }
    } catch (error) {
      if (response.headersSent) throw error;
      const known =
        error instanceof BatondError ? error : new BatondError('CONTROL_FAILED', { reason: String(error) }, error);
      const status = STATUS[known.code] ?? 503;
      send(response, status, { code: known.code, message: known.message, exitStatus: known.exitStatus });
    }
  }
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  BUSY: 409,
  NO_REPORT: 404,
  NO_ROLLBACK_TARGET: 404,
  REQUEST_INVALID: 400,
};

/** The longest time that may be asked for; Node's timers know no more than 2^31 milliseconds either. */
const MAX_NO_OLD_AFTER_MS = 24 * 60 * 60 * 1_000;

function reloadOptions(query: URLSearchParams): ReloadOptions {
  const text = query.get('no_old_after_ms');
  if (text === null) return { noOldAfterMs: null };
  const noOldAfterMs = Number(text);
  if (/^\d+$/.test(text) && noOldAfterMs > 0 && noOldAfterMs <= MAX_NO_OLD_AFTER_MS) return { noOldAfterMs };
  throw new BatondError('REQUEST_INVALID', {
    problem: `no_old_after_ms is ${text}: 1 to ${MAX_NO_OLD_AFTER_MS} milliseconds`,
  });
}

function rollbackOptions(query: URLSearchParams): RollbackOptions {
  const text = query.get('to');
  if (text === null) return { to: null };
  if (/^[1-9]\d{0,14}$/.test(text)) return { to: Number(text) };
  throw new BatondError('REQUEST_INVALID', { problem: `to is ${text}: the number of a generation` });
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}
