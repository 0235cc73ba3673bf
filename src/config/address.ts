/**
 * The address of a declared listener. A host is never looked up here: that is done when it is bound, and a config must
 * read the same on a machine without a network.
 */
import { isIP } from 'node:net';
import type { ListenerConfig } from './config.js';

export type Address = ListenerConfig['address'];

/** sun_path of unix(7) holds 108 bytes with its closing NUL. */
const MAX_PATH_BYTES = 107;

/** A port, and a host before it; whether they are any is another question. */
export const TCP_SHAPE = /^(?:(?:\[([^\]]*)\]|([^:[\]]+)):)?(\d{1,5})$/;

/** The address, or what is wrong with it. */
export function parseAddress(text: string): Address | string {
  if (text.startsWith('/') || text.startsWith('@')) return parsePath(text);
  const match = TCP_SHAPE.exec(text);
  if (match === null) return describeMistake(text);
  const [, ipv6, host, digits] = match;
  const port = Number(digits);
  if (port > 65535) return `port ${port} is out of range: 0 to 65535`;
  if (ipv6 !== undefined && isIP(ipv6) !== 6) return `[${ipv6}] is not an IPv6 address`;
  if (host !== undefined && isIP(host) === 0 && !isHostName(host))
    return `${host} is neither an IP address nor a host name`;
  return { kind: 'tcp', host: ipv6 ?? host ?? null, port };
}

/** As it is written in the config. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return address.path.replace(/^\0/, '@');
  if (address.host === null) return `${address.port}`;
  return isIP(address.host) === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function parsePath(text: string): Address | string {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_PATH_BYTES) return `the path has ${bytes} bytes, the kernel takes ${MAX_PATH_BYTES}`;
  if (text === '@' || text.endsWith('/')) return `"${text}" does not name a socket`;
  return { kind: 'unix', path: text.replace(/^@/, '\0') };
}

/** What a well-known mistake calls for; nothing where it is none. */
function describeMistake(text: string): string {
  const port = /^(.*:.*):(\d+)$/.exec(text);
  if (port !== null && isIP(port[1] ?? '') === 6) return `an IPv6 address needs brackets: "[${port[1]}]:${port[2]}"`;
  if (text.includes('/')) return 'the path of a Unix socket must be absolute';
  return '';
}

/** Letters, digits and hyphens; a last label of digits only would be a mistyped IPv4 address. */
function isHostName(host: string): boolean {
  return /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(host) && !/(^|\.)\d+$/.test(host);
}
