// The three requests that a load is made of, and what a right answer to each is. A test app answers
//
//   GET /                     200, JSON with `release` (or `generation`) and, if it likes, `pid`
//   GET /slow?ms=M&chunks=N   200, over M ms the N chunks slowChunk(0, N) ... slowChunk(N - 1, N);
//                             the headers x-release and x-pid may say who answered
//   POST /upload              200, JSON as above, with `bytes` and `sha256` of the body that arrived
//
// It must never hold state between requests, beyond which framing of an upload comes next.

import { createHash } from 'node:crypto';

/** @typedef {import('./exchange.mjs').Request} Request */

/** @param {number} index @param {number} chunks */
export function slowChunk(index, chunks) {
  return `chunk ${index} of ${chunks} ${'.'.repeat(40)}\n`;
}

/** @param {{ path?: string, close?: boolean }} options @returns {() => Request} */
export function plainRequests({ path = '/', close = false }) {
  const request = bodiless('plain', path, close, {});
  return () => request;
}

/** @param {{ path?: string, ms?: number, chunks?: number }} options @returns {() => Request} */
export function slowRequests({ path = '/slow', ms = 1500, chunks = 5 }) {
  const body = Array.from({ length: chunks }, (_, index) => slowChunk(index, chunks)).join('');
  const request = bodiless('slow', `${path}?ms=${ms}&chunks=${chunks}`, false, { body });
  return () => request;
}

/**
 * Uploads in turn by Content-Length and chunked.
 * @param {{ path?: string, ms?: number, bytes?: number, pieces?: number }} options @returns {() => Request}
 */
export function uploadRequests({ path = '/upload', ms = 1000, bytes = 65_536, pieces = 10 }) {
  const body = Buffer.alloc(bytes, 'All that is sent has to arrive. ');
  const step = Math.ceil(bytes / pieces);
  const parts = Array.from({ length: Math.ceil(bytes / step) }, (_, index) =>
    body.subarray(index * step, (index + 1) * step),
  );
  const expected = { bytes, sha256: createHash('sha256').update(body).digest('hex') };
  const pieceGapMs = ms / parts.length;
  const common = { kind: /** @type {const} */ ('upload'), pieceGapMs, expected };
  const byLength = { ...common, head: head('POST', path, [`Content-Length: ${bytes}`]), pieces: parts };
  const chunked = {
    ...common,
    head: head('POST', path, ['Transfer-Encoding: chunked']),
    pieces: [...parts.map(asChunk), Buffer.from('0\r\n\r\n')],
  };
  let count = 0;
  return () => (count++ % 2 === 0 ? byLength : chunked);
}

/** @param {'plain' | 'slow'} kind @param {string} path @param {boolean} close @param {Request['expected']} expected @returns {Request} */
function bodiless(kind, path, close, expected) {
  return { kind, head: head('GET', path, close ? ['Connection: close'] : []), pieces: [], pieceGapMs: 0, expected };
}

/** @param {string} method @param {string} path @param {string[]} headers */
function head(method, path, headers) {
  return [`${method} ${path} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n');
}

/** @param {Buffer} bytes */
function asChunk(bytes) {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}
