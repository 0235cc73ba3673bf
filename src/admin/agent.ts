/**
 * The agent of admin.agent, which HAProxy asks by `agent-check`: whoever connects is told one line, and that is all. It
 * reads nothing, so nothing can be asked of it. A weight is in hundredths of what HAProxy's own configuration gives the
 * server; "up" takes back a "down" of ours and leaves what an operator has set (drain, maint) as it is.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { type Fd, native } from '../native.js';

const MAX_CONNECTIONS = 64;
/** One line to a client that reads; another is cut off. */
const PATIENCE_MS = 2_000;

/** "20% up", or "down" with a reason for HAProxy's page. */
export function agentLine(weight: number, downBecause: string | null): string {
  return downBecause === null ? `${weight}% up\n` : `down #${downBecause}\n`;
}

export class AgentServer {
  readonly #say: () => string;
  readonly #server: Server;
  readonly #guests = new Set<Socket>();
  #idle: (() => void) | null = null;

  constructor(say: () => string) {
    this.#say = say;
    this.#server = createServer((socket) => this.#answer(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Accepts on that socket, of which it takes a duplicate. */
  listen(fd: Fd): void {
    if (!this.#server.listening) this.#server.listen({ fd: native().dup(fd) });
  }

  /** Accepts no more; whoever connects waits in the socket's queue. */
  pause(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** Resolves when everybody has their line; each has its own deadline. */
  async idle(): Promise<void> {
    if (this.#guests.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  #answer(socket: Socket): void {
    this.#guests.add(socket);
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      this.#guests.delete(socket);
      if (this.#guests.size === 0) this.#idle?.();
    });
    // What is sent is thrown away; it has to be read, or closing would cut the line off (RST).
    socket.resume();
    socket.end(this.#say());
  }
}
