/** Starts the WebSocket clients, and asks them in the end what they have seen. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Seen {
  readonly echoes: number;
  readonly ticks: number;
  /** Every close that the client did not begin. */
  readonly closed: readonly string[];
  /** Every message that was lost, repeated, out of order or not what had been sent. */
  readonly wrong: readonly string[];
  /** Clients that waited for an echo in the end, and got none. */
  readonly unanswered: number;
  /** How many processes answered. */
  readonly pids: number;
  /** From a message to its echo. */
  readonly longestMs: number;
}

export interface Clients extends AsyncDisposable {
  stop(): Promise<Seen>;
}

export async function startClients(port: number, count: number, gapMs: number): Promise<Clients> {
  const file = fileURLToPath(new URL('clients.mjs', import.meta.url));
  const child = spawn(process.execPath, [file, port, count, gapMs].map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async stop() {
      child.stdin.end();
      const { value } = await lines.next();
      await exited;
      return JSON.parse(value as string) as Seen;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
