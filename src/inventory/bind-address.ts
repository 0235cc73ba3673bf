/** Makes the socket of an address, bound and, where there is such a thing, not yet listening; as Node itself would. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { ListenAddress } from '../channel/messages.js';
import { type Fd, native } from '../native.js';
import { removeStale } from './socket-file.js';

/** Throws what bind(2) or the look-up of a declared host's name throws: EADDRINUSE, EACCES, ENOTFOUND, ... */
export async function bindAddress(address: ListenAddress): Promise<Fd> {
  if (address.kind === 'unix') return bindPath(address.path);
  if (address.kind === 'udp') {
    const { host: ip, port, ipv6Only, reuseAddress } = address;
    const family = isIP(ip) === 6 ? 'ipv6' : 'ipv4';
    return native().bind({
      type: 'dgram',
      address: { family, address: ip, port },
      reuseAddress,
      reusePort: false,
      ipv6Only,
    });
  }
  const { host, port, ipv6Only, reusePort } = address;
  const bindTo = (ip: string) =>
    native().bind({
      type: 'stream',
      address: { family: isIP(ip) === 6 ? 'ipv6' : 'ipv4', address: ip, port },
      reuseAddress: true,
      reusePort,
      ipv6Only,
    });
  if (host !== null) return bindTo(isIP(host) !== 0 ? host : (await lookup(host)).address);
  // Node's default: all addresses through one IPv6 socket, or IPv4 alone where the kernel has no IPv6.
  try {
    return bindTo('::');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL') throw error;
    return bindTo('0.0.0.0');
  }
}

function bindPath(path: string): Fd {
  const bind = () =>
    native().bind({
      type: 'stream',
      address: { family: 'unix', path },
      reuseAddress: false,
      reusePort: false,
      ipv6Only: false,
    });
  try {
    return bind();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || !removeStale(path)) throw error;
    return bind();
  }
}
