// Where the load goes: a port of this machine's loopback, or a Unix socket. It must never reach another machine.

import { isIP } from 'node:net';

/** Each of them has ephemeral ports of its own, so connections in TIME_WAIT do not pile up into EADDRNOTAVAIL. */
const sourceAddresses = Array.from({ length: 60 }, (_, index) => `127.0.0.${index + 2}`);

/**
 * @typedef {object} TargetOptions
 * @property {number | undefined} [port]
 * @property {string | undefined} [host] 127.0.0.1 when not given
 * @property {string | undefined} [socketPath] instead of port and host
 */

/**
 * @param {TargetOptions} options
 * @returns {() => import('node:net').NetConnectOpts} the options of the next connection
 */
export function loopbackTarget({ port, host = '127.0.0.1', socketPath }) {
  if (socketPath !== undefined) return () => ({ path: socketPath });
  if (port === undefined) throw new TypeError('a load needs a port or a socketPath');
  const address = host === 'localhost' ? '127.0.0.1' : host;
  if (address === '::1') return () => ({ port, host: address });
  if (isIP(address) !== 4 || !address.startsWith('127.'))
    throw new TypeError(`a load never leaves this machine: ${host} is not loopback`);
  let next = 0;
  return () => ({ port, host: address, localAddress: sourceAddresses[next++ % sourceAddresses.length] ?? address });
}
