/** A WebSocket client of the tests: `ws` itself, with what has come in order, and the bytes below it. */
import type net from 'node:net';
import WebSocket from 'ws';
import { DEADLINE_MS } from './fake-supervisor.ts';

export class WsClient implements AsyncDisposable {
  readonly ws: WebSocket;
  readonly received: string[] = [];
  answered = 0;
  closed: { readonly code: number; readonly reason: string } | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data: Buffer) => {
      this.received.push(String(data));
      this.answered++;
      this.#wakeAll();
    });
    ws.on('close', (code: number, reason: Buffer) => {
      this.closed = { code, reason: String(reason) };
      this.#wakeAll();
    });
    ws.on('error', () => {});
  }

  get socket(): net.Socket {
    return (this.ws as unknown as { _socket: net.Socket })._socket;
  }

  async next(): Promise<string> {
    await this.until('message', () => this.received.length > 0);
    return this.received.shift()!;
  }

  /** Sends a text, and reads the answer as JSON. */
  async ask(text: string): Promise<Record<string, unknown>> {
    this.ws.send(text);
    return JSON.parse(await this.next());
  }

  end(): Promise<void> {
    return this.until('close', () => this.closed !== null);
  }

  async until(what: string, look: () => boolean): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!look()) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no ${what}: ${JSON.stringify(this.closed)}`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        this.#waiting.add(wake);
      });
    }
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ws.terminate();
  }
}

export function connect(url: string, protocols: string[] = [], options: object = {}): Promise<WsClient> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, protocols, options);
    const client = new WsClient(ws);
    ws.once('open', () => resolve(client));
    ws.once('error', reject);
  });
}
