/** An HTTP/1.1 client on a raw socket: no pool, no retries, and every end of a connection is told apart. */
import net from 'node:net';
import { DEADLINE_MS } from './fake-supervisor.ts';

export interface Answer {
  readonly status: number;
  readonly connection: string;
  readonly body: string;
}

/** How a connection ended. */
export type End = 'fin' | 'reset' | 'refused';

export class Client {
  readonly socket: net.Socket;
  readonly ended: Promise<End>;
  #data = '';
  #end: End | null = null;
  #wake: () => void = () => {};

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (data) => {
      this.#data += data;
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      const end = (how: End) => {
        this.#end ??= how;
        resolve(this.#end);
        this.#wake();
      };
      socket.on('end', () => end('fin'));
      socket.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED' ? 'refused' : 'reset'));
    });
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<Client> {
    const socket = net.connect(port, host);
    const client = new Client(socket);
    await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve));
    return client;
  }

  get isEnded(): boolean {
    return this.#end !== null;
  }

  write(text: string): void {
    this.socket.write(text);
  }

  async get(path = '/'): Promise<Answer> {
    this.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
    return this.answer();
  }

  /** A request whose body the test goes on with. */
  post(path: string, length: number, part = ''): void {
    this.write(`POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Length: ${length}\r\n\r\n${part}`);
  }

  /** The next whole answer; rejects when the connection ends before it. */
  async answer(): Promise<Answer> {
    const head = await this.#take(() => {
      const end = this.#data.indexOf('\r\n\r\n');
      return end < 0 ? 0 : end + 4;
    });
    const header = (name: string) => new RegExp(`^${name}: (.*)\r$`, 'im').exec(head)?.[1] ?? '';
    const length = Number(header('content-length'));
    const body = await this.#take(() => (this.#data.length >= length ? length : 0), length === 0);
    return { status: Number(head.split(' ')[1]), connection: header('connection').toLowerCase(), body };
  }

  /** This many characters. */
  read(length: number): Promise<string> {
    return this.#take(() => (this.#data.length >= length ? length : 0));
  }

  /** Whether anything has come within so long; for what must not happen, where there is no event to wait for. */
  async staysSilent(ms: number): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return this.#data === '' && this.#end === null;
  }

  close(): void {
    this.socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #take(available: () => number, none = false): Promise<string> {
    if (none) return '';
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (available() === 0) {
      if (this.#end !== null)
        throw new Error(`the connection ended: ${this.#end}, after ${JSON.stringify(this.#data)}`);
      if (deadline.aborted) throw new Error(`no answer, only ${JSON.stringify(this.#data)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    const length = available();
    const taken = this.#data.slice(0, length);
    this.#data = this.#data.slice(length);
    return taken;
  }
}
