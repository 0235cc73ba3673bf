/** Asks a path over and over, each time by a connection of its own, as a load balancer does; one request at a time. */
import { get } from 'node:http';

export interface Polled {
  /** How often each status was answered, and each error code seen. */
  readonly answers: Readonly<Record<string, number>>;
  readonly asked: number;
}

/** One answer: its status and, where it is JSON, its body. */
export function askOnce<T = unknown>(target: Target, path: string): Promise<{ status: number; body: T }> {
  return new Promise((resolve, reject) => {
    const request = get({ ...target, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as T }));
    });
    request.on('error', reject);
  });
}

export type Target = { readonly host: string; readonly port: number } | { readonly socketPath: string };

export class Poller {
  readonly #target: Target;
  readonly #path: string;
  readonly #answers: Record<string, number> = {};
  #asked = 0;
  #running = true;
  #current: Promise<void> = Promise.resolve();
  readonly #done: Promise<void>;

  constructor(target: Target, path: string) {
    this.#target = target;
    this.#path = path;
    this.#done = this.#poll();
  }

  /** Does that between two questions: the next one is asked right after it. */
  async between(act: () => void): Promise<void> {
    const before = this.#current;
    let go = () => {};
    this.#current = new Promise((resolve) => {
      go = resolve;
    });
    await before;
    act();
    go();
  }

  async stop(): Promise<Polled> {
    this.#running = false;
    await this.#done;
    return { answers: this.#answers, asked: this.#asked };
  }

  async #poll(): Promise<void> {
    while (this.#running) {
      const gate = this.#current;
      await gate;
      if (gate !== this.#current) continue;
      const asking = this.#ask();
      this.#current = asking;
      await asking;
      // Other work of this process has its turn.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #ask(): Promise<void> {
    this.#asked++;
    const key = await askOnce(this.#target, this.#path).then(
      ({ status }) => String(status),
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    );
    this.#answers[key] = (this.#answers[key] ?? 0) + 1;
  }
}
