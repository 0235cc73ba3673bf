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

/** A page of which all is heard that it asks for and complains of. */
export interface WatchedPage extends Page {
  /** The addresses of all that was asked for, the page itself first. */
  readonly requests: readonly string[];
  /** Exceptions, errors on the console, and what the browser itself has to say. */
  readonly complaints: readonly string[];
  /** PNG. */
  screenshot(): Promise<Buffer>;
}

export interface Looks {
  /** CSS pixels. */
  readonly width?: number;
  readonly dark?: boolean;
  readonly javaScript?: boolean;
}

export interface Browser extends AsyncDisposable {
  open(url: string): Promise<Page>;
  /** Resolves when it has been loaded. */
  watch(url: string, looks?: Looks): Promise<WatchedPage>;
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
    watch: (url, looks = {}) => watch(devTools, url, looks),
    [Symbol.asyncDispose]: end,
  };
}

async function watch(devTools: DevTools, url: string, looks: Looks): Promise<WatchedPage> {
  const { width = 1280, dark = false, javaScript = true } = looks;
  const { targetId } = await devTools.call<{ targetId: string }>('Target.createTarget', { url: 'about:blank' });
  const attach = { targetId, flatten: true };
  const { sessionId } = await devTools.call<{ sessionId: string }>('Target.attachToTarget', attach);
  const call = <T>(method: string, params: object = {}) => devTools.call<T>(method, params, sessionId);
  const requests: string[] = [];
  const complaints: string[] = [];
  let loaded = () => {};
  const isLoaded = new Promise<void>((resolve) => {
    loaded = resolve;
  });
  devTools.hear(sessionId, {
    'Network.requestWillBeSent': ({ request }: { request: { url: string } }) => requests.push(request.url),
    'Runtime.exceptionThrown': (thrown: object) => complaints.push(JSON.stringify(thrown)),
    'Runtime.consoleAPICalled': (said: { type: string }) => {
      if (said.type === 'error' || said.type === 'warning') complaints.push(JSON.stringify(said));
    },
    'Log.entryAdded': (said: object) => complaints.push(JSON.stringify(said)),
    'Page.loadEventFired': () => loaded(),
  });
  for (const domain of ['Network', 'Runtime', 'Log', 'Page']) await call(`${domain}.enable`);
  await call('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: 1, mobile: false });
  const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
  await call('Emulation.setEmulatedMedia', { features });
  await call('Emulation.setScriptExecutionDisabled', { value: !javaScript });
  await call('Page.navigate', { url });
  await isLoaded;
  return {
    requests,
    complaints,
    evaluate: (expression) => evaluate(devTools, sessionId, expression),
    screenshot: async () => {
      const whole = { format: 'png', captureBeyondViewport: true };
      return Buffer.from((await call<{ data: string }>('Page.captureScreenshot', whole)).data, 'base64');
    },
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
  /** Of an event. */
  readonly method?: string;
  readonly params?: object;
  readonly sessionId?: string;
}

type Listeners = Readonly<Record<string, (params: never) => void>>;

/** Commands and their answers, JSON ended by a NUL; and events, of pages that are watched. */
class DevTools {
  readonly #commands: Writable;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  readonly #listeners = new Map<string, Listeners>();
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

  hear(sessionId: string, listeners: Listeners): void {
    this.#listeners.set(sessionId, listeners);
  }

  #settle({ id, result, error, method, params, sessionId }: Answer): void {
    if (method !== undefined) this.#listeners.get(sessionId ?? '')?.[method]?.(params as never);
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
