// Reads one HTTP/1.1 response from bytes as they come: status line, headers, a body by Content-Length or chunked.
// Pure: no socket, no clock. It must never take a response for whole that is not: a body whose length nobody says
// could be cut anywhere without notice, so it is malformed here.

const maxHeadBytes = 64 * 1024;
const maxBodyBytes = 16 * 1024 * 1024;

export class MalformedResponse extends Error {}

export class ResponseParser {
  status = 0;
  /** @type {Map<string, string>} names in lower case */
  headers = new Map();
  done = false;
  /** True as soon as one byte of an answer was seen. */
  started = false;

  /** @type {Buffer} */
  #rest = Buffer.alloc(0);
  /** @type {Buffer[]} */
  #body = [];
  #bodyBytes = 0;
  /** Bytes until the end of the body, or of the chunk that is being read. */
  #wanted = 0;
  /** @type {'head' | 'body' | 'chunk size' | 'chunk' | 'chunk end' | 'trailer'} */
  part = 'head';

  /** @param {Buffer} bytes */
  push(bytes) {
    this.started = true;
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (!this.done && this.#step());
    if (this.done && this.#rest.length > 0)
      throw new MalformedResponse(`${this.#rest.length} bytes after the end of the response`);
  }

  get body() {
    return Buffer.concat(this.#body);
  }

  /** What the server says about the connection after this response. */
  get closes() {
    return (this.headers.get('connection') ?? '').toLowerCase().includes('close');
  }

  /** @returns {boolean} whether there was enough to get on */
  #step() {
    switch (this.part) {
      case 'head':
        return this.#readHead();
      case 'body':
      case 'chunk':
        return this.#readBytes();
      case 'chunk size':
        return this.#readChunkSize();
      case 'chunk end':
        return this.#readLine((line) => {
          if (line !== '')
            throw new MalformedResponse(`a chunk is longer than it says: ${JSON.stringify(line.slice(0, 40))}`);
          this.part = 'chunk size';
        });
      case 'trailer':
        return this.#readLine((line) => {
          this.done = line === '';
        });
    }
  }

  #readHead() {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#rest.length > maxHeadBytes)
        throw new MalformedResponse(`no end of the headers in ${maxHeadBytes} bytes`);
      return false;
    }
    const [first = '', ...lines] = this.#take(end + 4)
      .toString('latin1')
      .trimEnd()
      .split('\r\n');
    const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first)?.[1];
    if (status === undefined) throw new MalformedResponse(`no status line: ${JSON.stringify(first.slice(0, 80))}`);
    this.status = Number(status);
    this.headers = new Map(lines.map(parseHeader));
    if (this.status >= 200) this.#prepareBody();
    return true;
  }

  #prepareBody() {
    const length = this.headers.get('content-length');
    if (this.status === 204 || this.status === 304) this.done = true;
    else if (this.headers.get('transfer-encoding')?.toLowerCase() === 'chunked') this.part = 'chunk size';
    else if (length === undefined || !/^\d+$/.test(length)) throw new MalformedResponse('neither a length nor chunked');
    else {
      this.part = 'body';
      this.#wanted = Number(length);
      this.done = this.#wanted === 0;
    }
  }

  #readBytes() {
    const bytes = this.#take(Math.min(this.#wanted, this.#rest.length));
    this.#body.push(bytes);
    this.#bodyBytes += bytes.length;
    if (this.#bodyBytes > maxBodyBytes) throw new MalformedResponse(`a body of more than ${maxBodyBytes} bytes`);
    this.#wanted -= bytes.length;
    if (this.#wanted > 0) return false;
    if (this.part === 'body') this.done = true;
    else this.part = 'chunk end';
    return true;
  }

  #readChunkSize() {
    return this.#readLine((line) => {
      const size = /^([0-9a-f]{1,8})\s*(?:;|$)/i.exec(line)?.[1];
      if (size === undefined) throw new MalformedResponse(`no size of a chunk: ${JSON.stringify(line.slice(0, 40))}`);
      this.#wanted = Number.parseInt(size, 16);
      this.part = this.#wanted === 0 ? 'trailer' : 'chunk';
    });
  }

  /** @param {(line: string) => void} use */
  #readLine(use) {
    const end = this.#rest.indexOf('\r\n');
    if (end < 0) {
      if (this.#rest.length > maxHeadBytes) throw new MalformedResponse(`a line of more than ${maxHeadBytes} bytes`);
      return false;
    }
    use(
      this.#take(end + 2)
        .toString('latin1')
        .slice(0, -2),
    );
    return true;
  }

  /** @param {number} count */
  #take(count) {
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }
}

/** @param {string} line @returns {[string, string]} */
function parseHeader(line) {
  const colon = line.indexOf(':');
  if (colon < 1) throw new MalformedResponse(`no header: ${JSON.stringify(line.slice(0, 80))}`);
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
