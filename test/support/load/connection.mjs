// One connection as a client sees it: it opens, brings bytes, and ends once, with how it ended. Whoever uses it at the
// moment (a request, or nobody between two) is told. It must never open again by itself: that would hide a failure.

import { connect } from 'node:net';

/** @typedef {{ kind: 'fin' } | { kind: 'error', code: string }} Ending */
/** @typedef {{ opened(): void, bytes(chunk: Buffer): void, ended(how: Ending): void }} User */

export class Connection {
  /** How many responses it has brought. */
  answers = 0;
  opened = false;
  /** @type {Ending | null} */
  ending = null;
  /** @type {User} */
  user = nobody;

  /** @param {import('node:net').NetConnectOpts} where */
  constructor(where) {
    const socket = connect(where);
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('connect', () => {
      this.opened = true;
      this.user.opened();
    });
    socket.on('data', (chunk) => this.user.bytes(chunk));
    socket.on('end', () => this.#end({ kind: 'fin' }));
    socket.on('error', (error) =>
      this.#end({ kind: 'error', code: /** @type {NodeJS.ErrnoException} */ (error).code ?? error.message }),
    );
    socket.on('close', () => this.#end({ kind: 'fin' }));
  }

  /** @param {string | Buffer} bytes */
  write(bytes) {
    this.socket.write(bytes);
  }

  /** Ends it from our side: nothing more is told to anybody. */
  close() {
    this.user = nobody;
    this.ending ??= { kind: 'fin' };
    this.socket.destroy();
  }

  /** @param {Ending} how */
  #end(how) {
    if (this.ending !== null) return;
    this.ending = how;
    this.socket.destroy();
    this.user.ended(how);
  }
}

/** @type {User} */
const nobody = { opened() {}, bytes() {}, ended() {} };
