/** An address as the configuration has it ("8080", "[::1]:8080", "/run/shop.sock", "@shop"), as ListenStream= takes it. */
import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '../config/address.js';
import { BatondError } from '../errors.js';

/** Throws CONFIG_INVALID: systemd.socket(5) knows no names of hosts, and a port of 0 would be found by nobody. */
export function socketAddress(text: string): string {
  const address = parseAddress(text);
  const refuse = (why: string) => {
    throw new BatondError('CONFIG_INVALID', { problem: `--socket ${text}: ${why}` });
  };
  if (typeof address === 'string') return refuse(address === '' ? 'this is no address' : address);
  if (address.kind === 'unix') return formatAddress(address);
  if (address.host !== null && isIP(address.host) === 0) return refuse('systemd binds IP addresses only');
  if (address.port === 0) return refuse('it needs a port');
  return formatAddress(address);
}
