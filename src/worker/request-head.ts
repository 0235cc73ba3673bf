/**
 * The head of the first request on a connection, read without being consumed: only as much of HTTP/1 as it takes to look
 * up a header or a cookie. Pure. In doubt it is no head: whoever asks then leaves the connection alone.
 */

/** What a head may measure at most, in bytes, to be looked at. */
export const MAX_HEAD_BYTES = 8 * 1024;

/** Values by the names of their headers, in lower case; one that came several times has several. */
export type Headers = ReadonlyMap<string, readonly string[]>;

const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~\u0080-\u00ff]+ HTTP\/1\.[01]$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
/** As a method begins; TLS begins with 0x16, and HTTP/2 with a method that is none. */
const FIRST_BYTE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]/;

/** 'more' while the rest may still come; null for what is no head of HTTP/1, or too large. */
export function readHead(data: Buffer): Headers | 'more' | null {
  if (data.length === 0) return 'more';
  const text = data.toString('latin1');
  // Servers skip an empty line before a request (RFC 9112, 2.2); nobody sends one before the first.
  if (!FIRST_BYTE.test(text)) return null;
  const firstEnd = text.indexOf('\r\n');
  if (firstEnd >= 0 && !REQUEST_LINE.test(text.slice(0, firstEnd))) return null;
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return data.length >= MAX_HEAD_BYTES ? null : 'more';
  const headers = new Map<string, string[]>();
  for (const line of text.slice(0, end).split('\r\n').slice(1)) {
    const match = HEADER_LINE.exec(line);
    if (match === null) return null;
    const name = match[1]!.toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), match[2]!]);
  }
  return headers;
}

/** The first value of a cookie, without quotes around it; null where it is not there. */
export function cookieOf(headers: Headers, name: string): string | null {
  for (const line of headers.get('cookie') ?? []) {
    for (const pair of line.split(';')) {
      const at = pair.indexOf('=');
      if (at > 0 && pair.slice(0, at).trim() === name)
        return pair
          .slice(at + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1');
    }
  }
  return null;
}
