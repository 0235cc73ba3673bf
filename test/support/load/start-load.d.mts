// The types of start-load.mjs, which is JavaScript so that load.mjs runs by hand without a compiler.

export interface Modes {
  /** A new connection for each request. `requests` ends the mode after so many. */
  fresh?: { perSecond: number; path?: string; requests?: number };
  /** Connections that are kept, with random gaps. `requests` is per connection; several groups may run at once. */
  keepAlive?: KeepAlive | KeepAlive[];
  /** Slow responses, one after the other on each connection, checked byte for byte. */
  slow?: { connections: number; path?: string; ms?: number; chunks?: number; requests?: number };
  /** Slow uploads, in turn by Content-Length and chunked, whose size and hash the answer must name. */
  upload?: { connections: number; path?: string; ms?: number; bytes?: number; pieces?: number; requests?: number };
  /** One request at the start and one when the load is stopped, on the same connection, and silence between. */
  idle?: { connections: number; path?: string };
}

export interface KeepAlive {
  connections: number;
  /** Shortest and longest gap; default none. */
  gapMs?: readonly [number, number];
  path?: string;
  requests?: number;
}

export interface LoadOptions {
  port?: number | undefined;
  /** Loopback only; default 127.0.0.1. */
  host?: string | undefined;
  socketPath?: string | undefined;
  modes: Modes;
  /** For each request, from its start to the last byte; default 10 s. */
  timeoutMs?: number;
  /** The load ends by itself after so long; default 600. */
  seconds?: number;
}

export interface Response {
  status: number;
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>;
  body: Buffer;
}

export interface Request {
  kind: 'plain' | 'slow' | 'upload';
  expected: { body?: string; bytes?: number; sha256?: string };
}

export type Verdict = { release?: string | undefined; pid?: number | undefined } | { wrong: string };
export type Check = (response: Response, request: Request) => Verdict;

export interface Counts {
  ok: number;
  /** No connection. */
  refused: number;
  /** Ended by RST. */
  reset: number;
  /** Ended by FIN before the response was whole. */
  cutShort: number;
  timedOut: number;
  /** A whole response that is not the right one, or bytes that are no response. */
  wrong: number;
  /** The generator itself could not send: no port, no descriptor, too many unanswered. */
  broken: number;
}

export interface Latency {
  p50: number;
  p99: number;
  max: number;
}

export interface Sample {
  at: string;
  /** Since the start of the load. */
  afterMs: number;
  mode: Mode;
  phase: 'connect' | 'upload' | 'wait' | 'head' | 'body' | 'idle' | 'check';
  detail: string;
  /** How long the request had taken. */
  ms: number;
}

export type Mode = 'fresh' | 'keepAlive' | 'slow' | 'upload' | 'idle';

export interface LoadResult extends Counts {
  startedAt: string;
  seconds: number;
  /** Those that ended, whatever came of them. */
  requests: number;
  /** All but ok. */
  failures: number;
  connections: number;
  /** Idle connections that the server closed in order: no failure. */
  idleClosed: number;
  /** Connections that ended because a response said `Connection: close`. */
  closedByAnswer: number;
  outstanding: number;
  /** Of fresh and keepAlive together. */
  latency: Latency;
  /** The longest time without a good answer. */
  longestSilence: { ms: number; afterMs: number };
  /** The longest time that the generator itself was late. */
  maxLagMs: number;
  releases: { release: string; count: number; first: string; last: string; pids: number[] }[];
  modes: Partial<Record<Mode, Counts & { latency: Latency }>>;
  /** The first failures of each bucket. */
  samples: Record<Exclude<keyof Counts, 'ok'>, Sample[]>;
}

export interface LoadHandle extends AsyncDisposable {
  /** Resolves when the load came to its end by itself, or was stopped. */
  readonly finished: Promise<LoadResult>;
  snapshot(): Promise<LoadResult>;
  /** Sends nothing new, lets what is outstanding come to its end. */
  stop(): Promise<LoadResult>;
}

/** Load in this process. */
export function startLoad(options: LoadOptions & { check?: Check }): LoadHandle;

/**
 * Load in a process of its own, which a busy test does not disturb: the one to use. Resolves when it is under way.
 * `checkModule` is the path of a module whose default export is a Check.
 */
export function startLoadProcess(options: LoadOptions & { checkModule?: string }): Promise<LoadHandle>;

/** The Check that is used when none is given; see requests.mjs for what a test app answers. */
export const checkAnswer: Check;

/** One chunk of the body that a test app answers to /slow. */
export function slowChunk(index: number, chunks: number): string;
