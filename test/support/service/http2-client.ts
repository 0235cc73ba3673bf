/**
 * An HTTP/2 client as real ones are: many streams at once on one session, and a new session for new streams as soon as
 * the old one is told to go away. A stream that was refused has not been processed (RFC 9113, 8.7) and is opened again,
 * once: Node's own client refuses by itself what it had not yet written when the GOAWAY came. Any other outcome that is
 * no answer is kept with its reason.
 */
import http2 from 'node:http2';

export class Http2Client {
  readonly failures: string[] = [];
  readonly releases = new Set<string>();
  readonly sessions = new Set<http2.ClientHttp2Session>();
  answered = 0;
  goneAway = 0;
  refused = 0;
  readonly #authority: string;
  readonly #lanes: Promise<void>[];
  #session: http2.ClientHttp2Session | null = null;
  #stopping = false;

  /** So many streams are open at any time. */
  constructor(authority: string, streams: number) {
    this.#authority = authority;
    this.#lanes = Array.from({ length: streams }, () => this.#lane());
  }

  /** Ends when every stream has been answered, or has failed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#lanes);
    for (const session of this.sessions) session.destroy();
  }

  async #lane(): Promise<void> {
    while (!this.#stopping) {
      try {
        const { release } = JSON.parse(await this.#request().catch((error) => this.#again(error)));
        this.releases.add(release);
        this.answered++;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        this.failures.push(`${code ?? ''} ${message}`.trim());
      }
    }
  }

  #again(error: Error): Promise<string> {
    if (!error.message.includes('NGHTTP2_REFUSED_STREAM')) throw error;
    this.refused++;
    return this.#request();
  }

  #request(): Promise<string> {
    return new Promise((resolve, reject) => {
      const stream = this.#current().request({ ':path': '/' });
      let text = '';
      stream.setEncoding('utf8');
      stream.setTimeout(5_000, () => stream.destroy(new Error('no answer within 5 s')));
      stream.on('data', (chunk: string) => {
        text += chunk;
      });
      stream.on('error', reject);
      stream.on('end', () => resolve(text));
      stream.on('aborted', () => reject(new Error('aborted')));
    });
  }

  #current(): http2.ClientHttp2Session {
    const current = this.#session;
    if (current !== null && !current.closed && !current.destroyed) return current;
    const session = http2.connect(this.#authority, { rejectUnauthorized: false });
    this.#session = session;
    this.sessions.add(session);
    session.on('goaway', (code) => {
      this.goneAway++;
      if (code !== 0) this.failures.push(`GOAWAY with error ${code}`);
      if (this.#session === session) this.#session = null;
      session.close();
    });
    session.on('error', (error) => this.failures.push(`session: ${error.message}`));
    session.on('close', () => this.sessions.delete(session));
    return session;
  }
}
