/**
 * HTTP/2: sessions are told to go away, and their streams are counted as requests.
 *
 * The GOAWAY comes in two steps (RFC 9113, 6.8): first a notice that still takes every stream, then, when the client has
 * had time to read it, the one that ends the session with its last stream. `session.goaway()` cannot give the notice:
 * nghttp2 ignores each new stream from then on, whatever its number, and the client would learn of it only by the second
 * step. So the notice is written to the connection itself, between two frames. Under TLS that is not possible: there the
 * session ends in one step, and streams that are on their way are refused as not processed, which HTTP/2 clients try
 * again by themselves (RFC 9113, 8.7).
 */
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type net from 'node:net';
import { native } from '../native.js';
import { type Answers, EVENT_STREAM } from './answers.js';
import { descriptorOf, hasUnwritten } from './internals.js';

/** Between the two, for a round trip to the client. */
const NOTICE_MS = 1_000;

/** How long a session that is writing waits for its next chance. */
const RETRY_MS = 20;

/** GOAWAY: 8 bytes of payload, type 7, no flags, stream 0; last stream 2^31-1, NO_ERROR. */
const NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

const NO_ERROR = 0;

export class Http2Sessions {
  readonly #answers: Answers;
  readonly #sessions = new Set<ServerHttp2Session>();
  #requests = 0;
  #inFlight = 0;
  #draining = false;
  /** How many sessions have been told to go away. */
  #told = 0;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  get told(): number {
    return this.#told;
  }

  get requests(): number {
    return this.#requests;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Does nothing for servers that do not speak HTTP/2. */
  follow(server: net.Server): void {
    if (typeof (server as { updateSettings?: unknown }).updateSettings !== 'function') return;
    server.on('session', (session: ServerHttp2Session) => this.#onSession(session));
  }

  startClosing(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const session of this.#sessions) this.#goAway(session);
  }

  #onSession(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.on('stream', (stream, headers) => {
      const since = performance.now();
      this.#requests++;
      this.#inFlight++;
      stream.once('close', () => {
        this.#inFlight--;
        this.#ended(stream, headers, performance.now() - since);
      });
    });
    if (this.#draining) this.#goAway(session);
  }

  /** A stream that was told NO_ERROR after its last byte has been answered, whatever became of the request's body. */
  #ended(stream: ServerHttp2Stream, asked: IncomingHttpHeaders, ms: number): void {
    const { rstCode, headersSent, sentHeaders } = stream;
    // A tunnel, as WebSockets over HTTP/2 are (RFC 8441): it has no answer, and no latency.
    if (asked[':method'] === 'CONNECT') return;
    const isStream = isEventStream(sentHeaders);
    // An event stream has no other end than that its client goes.
    if (!headersSent || (rstCode !== NO_ERROR && !isStream)) this.#answers.aborted++;
    else this.#answers.answered(Number(sentHeaders?.[':status']), isStream ? null : ms);
  }

  #goAway(session: ServerHttp2Session): void {
    if (session.closed || session.destroyed) return;
    this.#told++;
    goAway(session);
  }
}

function isEventStream(headers: ServerHttp2Stream['sentHeaders']): boolean {
  return String(headers?.['content-type'] ?? '').startsWith(EVENT_STREAM);
}

function goAway(session: ServerHttp2Session): void {
  const closeAt = performance.now() + NOTICE_MS;
  const later = (ms: number, call: () => void) => {
    const timer = setTimeout(call, ms);
    session.once('close', () => clearTimeout(timer));
  };
  const tell = () => {
    if (session.closed || session.destroyed) return;
    if (session.encrypted !== false || performance.now() >= closeAt) session.close();
    else if (giveNotice(session)) later(NOTICE_MS, () => session.close());
    else later(RETRY_MS, tell);
  };
  tell();
}

/** False where something of the session's still waits to be written: the notice must not come into the middle of a frame. */
function giveNotice(session: ServerHttp2Session): boolean {
  const socket = session.socket as net.Socket;
  const fd = descriptorOf(socket);
  if (fd < 0 || hasUnwritten(socket)) return false;
  try {
    const sent = native().send(fd, NOTICE);
    if (sent === null) return false;
    // A piece of a frame cannot be taken back; the kernel does not split so few bytes but in dire need of memory.
    if (sent < NOTICE.length) session.destroy();
    return true;
  } catch {
    // The client has gone: Node hears of it by itself.
    return true;
  }
}
