/**
 * The HTTP server of admin.listen. Loaded only where it is configured; it tells, and nothing can be asked of it that
 * changes anything. Everything that a client could make it hold has a bound: connections, the size of a head, the time
 * from the connection to the request and from there to the end of the answer.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { type Fd, native } from '../native.js';
import { type Answer, type Routes, typeOf } from './routes.js';

// Not by `import`, which would read its lazy exports too; see control/server.ts.
const { createServer } = process.getBuiltinModule('node:http');

const MAX_CONNECTIONS = 128;
const MAX_HEADER_BYTES = 8_192;
const MAX_HEADERS = 64;
/** From the connection to the whole head, and again from there to the end of the answer. */
const PATIENCE_MS = 5_000;
/** What setTimeout of Node takes. */
const NEVER_MS = 2 ** 31 - 1;

export class AdminServer {
  readonly #routes: Routes;
  readonly #server: Server;
  /** With the time-out of each, the oldest first; true once its request has been heard. */
  readonly #guests = new Map<Socket, { readonly timer: NodeJS.Timeout; heard: boolean }>();
  #idle: (() => void) | null = null;

  constructor(routes: Routes) {
    this.#routes = routes;
    // Each connection has a time-out of its own: Node's look at all of them every 30 s would wake an idle process.
    const limits = { connectionsCheckingInterval: NEVER_MS, maxHeaderSize: MAX_HEADER_BYTES };
    this.#server = createServer(limits, (request, response) => void this.#answer(request, response));
    this.#server.maxRequestsPerSocket = 1;
    this.#server.maxHeadersCount = MAX_HEADERS;
    this.#server.on('connection', (socket) => this.#admit(socket));
    this.#server.on('dropRequest', (_request, socket) => socket.destroy());
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** Accepts on that socket, of which it takes a duplicate. */
  listen(fd: Fd): void {
    if (!this.#server.listening) this.#server.listen({ fd: native().dup(fd) });
  }

  /** Accepts no more; whoever connects waits in the socket's queue. Who has been accepted is answered. */
  pause(): void {
    // http.Server's own close() also cuts idle connections, which a client may be writing into.
    if (this.#server.listening) NetServer.prototype.close.call(this.#server);
  }

  /** Resolves when nobody waits for an answer any more; each has its own deadline. */
  async idle(): Promise<void> {
    if (this.#guests.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  #admit(socket: Socket): void {
    if (this.#guests.size >= MAX_CONNECTIONS && !this.#makeRoom()) {
      socket.destroy();
      return;
    }
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    this.#guests.set(socket, { timer, heard: false });
    socket.on('close', () => {
      clearTimeout(timer);
      this.#guests.delete(socket);
      if (this.#guests.size === 0) this.#idle?.();
    });
  }

  /** Who connects and says nothing makes way first, so that such cannot keep a load balancer out. */
  #makeRoom(): boolean {
    for (const [socket, { heard }] of this.#guests) {
      if (heard) continue;
      this.#guests.delete(socket);
      socket.destroy();
      return true;
    }
    return false;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const guest = this.#guests.get(request.socket);
    if (guest === undefined) return;
    guest.heard = true;
    guest.timer.refresh();
    // A body is of no use here: what comes of one is thrown away, for as long as the connection may last.
    request.resume();
    const { method } = request;
    const [path = '/', query] = (request.url ?? '/').split('?', 2);
    const route = this.#routes.get(path);
    if (route === undefined) {
      send(response, method, { status: 404, body: { code: 'NOT_FOUND', known: [...this.#routes.keys()] } });
    } else if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      send(response, method, { status: 405, body: { code: 'METHOD_NOT_ALLOWED', allowed: ['GET', 'HEAD'] } });
    } else {
      try {
        send(response, method, await route(new URLSearchParams(query), request.headers.accept));
      } catch (error) {
        send(response, method, { status: 503, body: { code: 'HEALTH_UNKNOWN', message: (error as Error).message } });
      }
    }
  }
}

function send(response: ServerResponse, method: string | undefined, answer: Answer): void {
  const { status, body } = answer;
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': typeOf(answer),
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    connection: 'close',
    ...answer.headers,
  });
  response.end(method === 'HEAD' ? undefined : text);
}
