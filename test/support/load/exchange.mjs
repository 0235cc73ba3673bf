// One request and its response on one connection, sorted into exactly one bucket:
//
//   refused    no connection          reset      ended by RST              timedOut  not whole within the time-out
//   cutShort   ended by FIN before the response was whole                  wrong     not HTTP/1.1 (its content: check.mjs)
//   broken     this generator could not send it: no port, no descriptor
//
// An RST that comes in one wake-up with bytes before it is shown by libuv as an ordinary end, so it counts as cutShort.
// The connection may be fresh or used before; a used one that ends before a byte of the answer was lost to an idle
// close. It must never try anything twice.

import { ResponseParser } from './response-parser.mjs';

/** @typedef {'refused' | 'reset' | 'cutShort' | 'timedOut' | 'wrong' | 'broken'} Failure */
/** @typedef {'connect' | 'upload' | 'wait' | 'head' | 'body' | 'idle' | 'check'} Phase */
/** @typedef {{ bucket: Failure, phase: Phase, detail: string }} Failed */
/** @typedef {{ response: ResponseParser, sentAll: boolean }} Answered */
/**
 * @typedef {object} Request
 * @property {'plain' | 'slow' | 'upload'} kind
 * @property {string} head up to and with the empty line
 * @property {readonly Buffer[]} pieces of the body, in the framing that the head announces
 * @property {number} pieceGapMs
 * @property {{ body?: string, bytes?: number, sha256?: string }} expected
 */

export const defaultTimeoutMs = 10_000;

/** These say something about this process, not about the server. */
const ownFaults = new Set(['EADDRNOTAVAIL', 'EADDRINUSE', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
const resets = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

/**
 * @param {import('./connection.mjs').Connection} connection
 * @param {Request} request
 * @param {number} timeoutMs
 * @returns {Promise<Answered | Failed>}
 */
export function exchange(connection, request, timeoutMs) {
  return new Promise((resolve) => {
    const response = new ResponseParser();
    const reused = connection.answers > 0;
    let sent = 0;
    /** @type {NodeJS.Timeout | undefined} */
    let nextPiece;
    const deadline = setTimeout(() => fail('timedOut', `${timeoutMs} ms`), timeoutMs);

    connection.user = {
      opened: send,
      bytes(chunk) {
        try {
          response.push(chunk);
        } catch (error) {
          return fail('wrong', /** @type {Error} */ (error).message);
        }
        if (!response.done) return;
        connection.answers += 1;
        settle({ response, sentAll: sent === request.pieces.length });
      },
      ended(how) {
        const race = reused && !response.started ? 'idle close race, ' : '';
        const after = response.started
          ? `after ${response.body.length} bytes of the body`
          : 'before any byte of the answer';
        if (how.kind === 'fin') fail('cutShort', `${race}ended ${after}`);
        else fail(bucketOf(how.code), `${race}${how.code} ${after}`);
      },
    };
    if (connection.ending !== null) connection.user.ended(connection.ending);
    else if (connection.opened) send();

    function send() {
      connection.write(request.head);
      sendPiece();
    }

    function sendPiece() {
      const piece = request.pieces[sent];
      if (piece === undefined) return;
      connection.write(piece);
      sent += 1;
      nextPiece = setTimeout(sendPiece, request.pieceGapMs);
    }

    /** @returns {Phase} */
    function phase() {
      if (!connection.opened) return 'connect';
      if (response.started) return response.part === 'head' ? 'head' : 'body';
      return sent < request.pieces.length ? 'upload' : 'wait';
    }

    /** @param {string} code @returns {Failure} */
    function bucketOf(code) {
      if (ownFaults.has(code)) return 'broken';
      if (code === 'ETIMEDOUT') return 'timedOut';
      return resets.has(code) || connection.opened ? 'reset' : 'refused';
    }

    /** @param {Failure} bucket @param {string} detail */
    function fail(bucket, detail) {
      settle({ bucket, phase: phase(), detail });
      connection.close();
    }

    /** @param {Answered | Failed} outcome */
    function settle(outcome) {
      clearTimeout(deadline);
      clearTimeout(nextPiece);
      resolve(outcome);
    }
  });
}
