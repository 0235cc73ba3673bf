/** What is looked up in a request before anybody reads it; in doubt nothing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isInShare } from '../../src/channel/diversion.js';
import { cookieOf, MAX_HEAD_BYTES, readHead } from '../../src/worker/request-head.js';

const head = (text: string) => readHead(Buffer.from(text, 'latin1'));

describe('a head', () => {
  test('is more to come until its empty line is there, byte by byte', () => {
    const whole = 'GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Canary:  v2 \r\nx-canary: v3\r\n\r\n';
    for (let length = 0; length < whole.length; length++)
      expect(head(whole.slice(0, length)), `${length}`).toBe('more');
    expect(head(`${whole}body`)).toEqual(
      new Map([
        ['host', ['x']],
        ['x-canary', ['v2', 'v3']],
      ]),
    );
  });

  test.each([
    ['TLS', '\x16\x03\x01\x02'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['another protocol', 'HELO there\r\n'],
    ['a folded line', 'GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n'],
    ['a header without a name', 'GET / HTTP/1.1\r\n: b\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nA : b\r\n\r\n'],
    ['one that is too large', `GET / HTTP/1.1\r\nA: ${'x'.repeat(MAX_HEAD_BYTES)}`],
  ])('is none of %s', (_, text) => {
    expect(head(text)).toBeNull();
  });

  test('is never anything else, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const seen = readHead(Buffer.from(bytes));
        expect(seen === null || seen === 'more' || seen instanceof Map).toBe(true);
      }),
    );
  });
});

test('a cookie is found among others, in quotes or not, by its whole name', () => {
  const headers = head('GET / HTTP/1.1\r\nCookie: asid=1; sid="q w"; sid=2\r\nCookie: b=c=d\r\n\r\n');
  if (!(headers instanceof Map)) throw new Error('no head');
  expect(cookieOf(headers, 'sid')).toBe('q w');
  expect(cookieOf(headers, 'b')).toBe('c=d');
  expect(cookieOf(headers, 'id')).toBeNull();
});

test('a share of values is as large as it says, and part of every larger one', () => {
  const values = Array.from({ length: 20_000 }, (_, index) => `user-${index}`);
  const inShare = (share: number) => values.filter((value) => isInShare(value, share));
  expect(inShare(0)).toEqual([]);
  expect(inShare(1_000)).toEqual(values);
  for (const share of [1, 10, 250]) {
    const expected = (values.length * share) / 1_000;
    expect(Math.abs(inShare(share).length - expected)).toBeLessThan(4 * Math.sqrt(expected));
  }
  const larger = new Set(inShare(250));
  expect(inShare(10).every((value) => larger.has(value))).toBe(true);
});
