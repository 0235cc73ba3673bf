/** One request and its answer, as the routes see them. */
import type { ServerResponse } from 'node:http';
import { type Answer, type Routes as HealthRoutes, typeOf } from '../admin/routes.js';
import { BatondError } from '../errors.js';
import type { Admission } from './admission.js';
import type { Action, Audit } from './audit.js';
import type { Status } from './messages.js';
import type { Peer } from './peer.js';
import { ReloadClient } from './reload-client.js';
import type { ControlHandlers } from './server.js';

/** What all exchanges of a server share. */
export interface ExchangeHost {
  /** Of the service. */
  readonly name: string;
  readonly handlers: ControlHandlers;
  readonly audit: Audit;
  readonly admission: Admission;
  readonly health: HealthRoutes;
  /** As that of `handlers`, however many ask. */
  status(): Promise<Status>;
}

export class Exchange<Body> {
  readonly host: ExchangeHost;
  readonly peer: Peer;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** What stands in the path where the route has a parameter. */
  readonly parameter: string;

  constructor(host: ExchangeHost, peer: Peer, response: ServerResponse, query: URLSearchParams, parameter: string) {
    this.host = host;
    this.peer = peer;
    this.response = response;
    this.query = query;
    this.parameter = parameter;
  }

  get handlers(): ControlHandlers {
    return this.host.handlers;
  }

  /** What its client would rather have, as in the header of that name. */
  get accept(): string | undefined {
    return this.response.req.headers.accept;
  }

  /** Whoever asks may stay as long as it likes. */
  stays(): void {
    if (this.response.socket !== null) this.host.admission.stays(this.response.socket);
  }

  send(body: Body, status = 200): void {
    send(this.response, { status, body: body as object | string });
  }

  /** On record before it has any effect, and again where it is refused. */
  act(action: Action, options: object, act: () => void): void {
    const { audit } = this.host;
    audit.action(this.peer, action, 'asked', options);
    try {
      act();
    } catch (error) {
      audit.action(this.peer, action, error instanceof BatondError ? error.code : 'CONTROL_FAILED', options);
      throw error;
    }
  }

  /** For a client that stays until the verdict. */
  actFor(action: Action, options: object, act: (client: ReloadClient) => void): void {
    const { socket } = this.response;
    if (socket === null) return;
    this.act(action, options, () => {
      act(ReloadClient.answering(this.response, socket, this.peer));
      this.host.admission.stays(socket);
    });
  }
}

/** A text as it is, all else as JSON. */
export function send(response: ServerResponse, answer: Answer): void {
  const { status, body } = answer;
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': typeOf(answer),
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}
