/**
 * A real browser for a test, driven over the DevTools protocol: what the promise "nothing is cut" comes to for those it
 * is made to. Its keeper ends it with the test, however the test ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export interface Page {
  /** What an expression is in the page, as far as JSON takes it; a promise is waited for. */
  evaluate<T>(expression: string): Promise<T>;
}

export interface Browser extends AsyncDisposable {
  open(url: string): Promise<Page>;
}

export async function startBrowser(): Promise<Browser> {
  const keeper = spawn(process.execPath, [fileURLToPath(new URL('keeper.mjs', import.meta.url))], {
    stdio: ['pipe', 'ignore', 'pipe', 'pipe', 'pipe'],
    // An interrupt from the terminal must not end it before the browser.
    detached: true,
  });
  const ended = once(keeper, 'exit');
  const devTools = new DevTools(keeper);
  const end = async () => {
    keeper.stdin!.end();
    await ended;
  };
  try {
    await devTools.call('Browser.getVersion');
  } catch (error) {
    await end();
    throw error;
  }
  return {
    async open(url) {
      const { targetId } = await devTools.call<{ targetId: string }>('Target.createTarget', { url });
      const attach = { targetId, flatten: true };
      const { sessionId } = await devTools.call<{ sessionId: string }>('Target.attachToTarget', attach);
      return { evaluate: (expression) => evaluate(devTools, sessionId, expression) };
    },
    [Symbol.asyncDispose]: end,
  };
}

interface Evaluated<T> {
  readonly result: { readonly value: T };
  readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } };
}

async function evaluate<T>(devTools: DevTools, sessionId: string, expression: string): Promise<T> {
  const how = { expression, returnByValue: true, awaitPromise: true };
  const { result, exceptionDetails: thrown } = await devTools.call<Evaluated<T>>('Runtime.evaluate', how, sessionId);
  if (thrown !== undefined) throw new Error(`in the page: ${thrown.exception?.description ?? thrown.text}`);
  return result.value;
}

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** Commands and their answers, JSON ended by a NUL; events are not asked for. */
class DevTools {
  readonly #commands: Writable;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  #lastId = 0;
  #complaints = '';
  #ended = false;

  constructor(keeper: ChildProcess) {
    this.#commands = keeper.stdio[3] as Writable;
    // Its end is heard of by the end of the keeper.
    this.#commands.on('error', () => {});
    let text = '';
    (keeper.stdio[4] as Readable).setEncoding('utf8').on('data', (chunk: string) => {
      const packets = (text + chunk).split('\0');
      text = packets.pop()!;
      for (const packet of packets) this.#settle(JSON.parse(packet) as Answer);
    });
    keeper.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      this.#complaints += chunk;
    });
    keeper.on('close', () => {
      this.#ended = true;
      for (const { reject } of this.#waiting.values()) reject(this.#gone());
    });
  }

  call<T>(method: string, params: object = {}, sessionId?: string): Promise<T> {
    if (this.#ended) return Promise.reject(this.#gone());
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#commands.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  #settle({ id, result, error }: Answer): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(result as never);
    else waiting.reject(new Error(error.message));
  }

  #gone(): Error {
    return new Error(`the browser has ended; it said:\n${this.#complaints}`);
  }
}
