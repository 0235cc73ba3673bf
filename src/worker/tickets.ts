/**
 * TLS sessions that outlive their worker: every worker of every generation makes and takes session tickets with the same
 * keys, which the supervisor gives out, so that a client resumes wherever it arrives (RFC 5077; RFC 8446, 2.2).
 *
 * Each listener has keys of its own, derived from the supervisor's: a ticket of one server must not open another one
 * that may ask for more. Node takes one set of keys a server (16 bytes of name, 16 of HMAC, 16 of AES). OpenSSL could
 * hold the previous set for reading, but of Node only a callback in JavaScript that it keeps for its own tests leads
 * there, at three calls a handshake. So with new keys all tickets issued so far are void: their clients make one full
 * handshake, and nothing else happens to them.
 */
import type net from 'node:net';
import type tls from 'node:tls';
import { loadedCrypto, takesTicketKeys, useTicketKeys, watchTicketKeys } from './internals-tls.js';

/** A session context may have 32 bytes (SSL_MAX_SID_CTX_LENGTH), a set of ticket keys has 48. */
const CONTEXT_CHARACTERS = 32;
const KEY_BYTES = 48;

export class Tickets {
  readonly #servers = new Map<tls.Server, string>();
  #secret: Buffer | null = null;

  constructor() {
    watchTicketKeys();
  }

  /** Does nothing for servers that do not speak TLS, or whose app takes care of its tickets. */
  follow(server: net.Server, listener: string): void {
    if (!takesTicketKeys(server)) return;
    this.#servers.set(server, listener);
    server.once('close', () => this.#servers.delete(server));
    if (this.#secret !== null) this.#use(server, listener);
  }

  /** New keys, for what listens and for what will. */
  use(secret: Buffer): void {
    this.#secret = secret;
    for (const [server, listener] of this.#servers) this.#use(server, listener);
  }

  #use(server: tls.Server, listener: string): void {
    const { createHash, hkdfSync } = loadedCrypto();
    const keys = Buffer.from(hkdfSync('sha256', this.#secret!, listener, 'batond session tickets', KEY_BYTES));
    const context = createHash('sha256').update(`batond ${listener}`).digest('hex').slice(0, CONTEXT_CHARACTERS);
    useTicketKeys(server, keys, context);
  }
}
