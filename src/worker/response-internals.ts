/**
 * What is not Node's public API about a response whose head has been sent, beside internals.ts: how its body is framed,
 * whether it is between two chunks, and how it is parted from its connection without being told that it has ended.
 */
import type { ServerResponse } from 'node:http';
import type net from 'node:net';
import { acceptedBy } from './internals.js';

/** Where an HTTP server keeps its `ConnectionsList`. */
const CONNECTIONS = 'http.server.connections';

interface ResponseInside {
  /** The head as it was sent; null before. */
  readonly _header?: string | null;
  readonly _hasBody: boolean;
  /** The connection ends with this response. */
  readonly _last: boolean;
  readonly _trailer: string;
  destroyed: boolean;
}

interface Framed {
  /** Each piece of the body is a chunk; otherwise it is sent as it is. */
  readonly chunked: boolean;
  /** The connection ends after it, by `connection: close` or because nothing else tells where the body ends. */
  readonly last: boolean;
}

const inside = (response: ServerResponse): ResponseInside => response as unknown as ResponseInside;

/** The head as it was sent, empty where it was not or where this Node keeps it no more. */
export function headOf(response: ServerResponse): string {
  return inside(response)._header ?? '';
}

export function framingOf(response: ServerResponse): Framed {
  return { chunked: response.chunkedEncoding, last: inside(response)._last };
}

/** Nothing of it waits, and the client has not begun to ask for more. */
export function isBetweenChunks(response: ServerResponse, socket: net.Socket): boolean {
  const { parser, _httpMessage } = socket as unknown as { parser?: object | null; _httpMessage?: unknown };
  const { _hasBody, _trailer } = inside(response);
  if (!response.headersSent || response.writableEnded || response.destroyed || !_hasBody || _trailer) return false;
  if (response.writableLength > 0 || response.writableCorked > 0 || _httpMessage !== response) return false;
  if (!response.req.complete || !parser) return false;
  return openRequests(socket)?.includes(parser) === false;
}

/**
 * The parsers that are between the first and the last byte of a request, as the server counts them for its time-outs;
 * `null` where this Node has them no more.
 */
function openRequests(socket: net.Socket): readonly object[] | null {
  const server = acceptedBy(socket);
  if (server === null) return null;
  const symbol = Object.getOwnPropertySymbols(server).find(({ description }) => description === CONNECTIONS);
  const list = symbol === undefined ? null : (Reflect.get(server, symbol) as { active?(): object[] } | null);
  return list?.active?.() ?? null;
}

/** To the app the two are as after a 'close', but nobody is told of one. */
export function part(response: ServerResponse, socket: net.Socket): void {
  const { req } = response;
  // Node destroys the requests of a connection that closes, which would say 'aborted' and 'close'.
  req.destroy = () => req;
  response.detachSocket(socket);
  inside(response).destroyed = true;
}
