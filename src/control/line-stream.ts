/** An answer of JSON lines to a client that stays until the last one. It ends with this process. */
import type { ServerResponse } from 'node:http';

/** What waits here for a client that does not read. */
const MAX_UNREAD_BYTES = 256 * 1024;

export class LineStream<Line extends object> {
  readonly #response: ServerResponse;
  #over = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Called once when the client goes away before the last line; at once where it has gone already. */
  set onGone(callback: () => void) {
    const gone = () => {
      if (!this.#over) callback();
      this.#over = true;
    };
    this.#response.on('close', gone);
    if (this.#response.destroyed) gone();
  }

  line(line: Line, isLast = false): void {
    if (this.#over) return;
    const response = this.#response;
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-ndjson', connection: 'close' });
    response.write(`${JSON.stringify(line)}\n`);
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
    if (!isLast) return;
    this.#over = true;
    response.end();
  }
}
