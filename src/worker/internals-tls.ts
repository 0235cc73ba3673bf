/**
 * What of Node's TLS servers is not public API: who has set ticket keys, and the context that a session is bound to.
 *
 * - `setTicketKeys` is the only trace of an app that brings its own keys after the server was made, and `getTicketKeys`
 *   cannot tell them from Node's random ones: so the method is wrapped when `node:tls` is loaded.
 * - `server.ticketKeys`, from the options, is what `setSecureContext` (a certificate was renewed) sets again.
 * - `server.sessionIdContext` is by default a hash of process.argv, where the path of the release is: OpenSSL resumes no
 *   session of another context, so it has to be the same in every generation. It too is set anew with the certificate.
 */
import type crypto from 'node:crypto';
import net from 'node:net';
import type tls from 'node:tls';
import { isLoaded, whenDefined } from './when-defined.js';

interface TlsServerInside {
  ticketKeys?: Buffer | undefined;
  sessionIdContext?: string | undefined;
  requestCert?: boolean;
  _sharedCreds?: { context: { setSessionIdContext(context: string): void } };
}

const builtins = process as unknown as {
  getBuiltinModule(id: 'node:tls'): typeof tls;
  getBuiltinModule(id: 'node:crypto'): typeof crypto;
};

/** Where a TLS server is, node:crypto has been loaded; an app without one does not pay for it. */
export const loadedCrypto = (): typeof crypto => builtins.getBuiltinModule('node:crypto');

const withOwnKeys = new WeakSet<object>();
let wrapped: tls.Server['setTicketKeys'] | null = null;

/** Watches for apps that set ticket keys by themselves. Must be called before the app runs. */
export function watchTicketKeys(): void {
  if (isLoaded('_tls_wrap')) {
    wrap(builtins.getBuiltinModule('node:tls').Server.prototype);
  } else whenDefined(net.Server.prototype, 'setTicketKeys', (prototype) => wrap(prototype as tls.Server));
}

function wrap(prototype: tls.Server): void {
  const original = prototype.setTicketKeys;
  wrapped = original;
  prototype.setTicketKeys = function setTicketKeys(keys) {
    withOwnKeys.add(this);
    original.call(this, keys);
  };
}

/** A server of node:tls, node:https or node:http2 whose tickets are nobody's business but ours. */
export function takesTicketKeys(server: net.Server): server is tls.Server {
  const { ticketKeys, sessionIdContext, requestCert, _sharedCreds } = server as TlsServerInside;
  if (wrapped === null || typeof _sharedCreds?.context?.setSessionIdContext !== 'function') return false;
  // A ticket stands for a client certificate that was checked: another release may ask for another one.
  if (requestCert === true) return false;
  return !withOwnKeys.has(server) && ticketKeys === undefined && sessionIdContext === defaultSessionIdContext();
}

/** From here on the server's tickets are made with these keys, and bound to this context. */
export function useTicketKeys(server: tls.Server, keys: Buffer, context: string): void {
  const inside = server as TlsServerInside;
  // The app has set its own meanwhile: they stay.
  if (withOwnKeys.has(server)) return;
  if (inside.sessionIdContext !== context) keepSessionIdContext(inside, context);
  inside.ticketKeys = keys;
  wrapped?.call(server, keys);
}

function keepSessionIdContext(inside: TlsServerInside, ours: string): void {
  const usual = defaultSessionIdContext();
  let context: string | undefined = ours;
  Object.defineProperty(inside, 'sessionIdContext', {
    configurable: true,
    enumerable: true,
    get: () => context,
    set: (value: string | undefined) => {
      context = value === usual ? ours : value;
    },
  });
  inside._sharedCreds?.context.setSessionIdContext(ours);
}

/** As Node makes it. */
function defaultSessionIdContext(): string {
  return loadedCrypto().createHash('sha1').update(process.argv.join(' ')).digest('hex').slice(0, 32);
}
