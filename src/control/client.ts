/** What the CLI says to a running service, over its control socket. */
import { existsSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { BatondError, ERRORS, type ErrorCode } from '../errors.js';
import type { Crash, CrashSummary } from '../inventory/crash-files.js';
import type { Report } from '../inventory/report.js';
import { parseLine } from './check-line.js';
import type { Following } from './follow-events.js';
import type {
  EventOptions,
  HealthReport,
  HistoryRow,
  ReloadLine,
  ReloadOptions,
  ReloadOutcome,
  ReportSummary,
  RollbackOptions,
  Status,
} from './messages.js';
import { controlSockets } from './paths.js';
import { type ProfileLine, type ProfileOptions, parseProfileLine } from './profile-messages.js';
import { refuseForeign } from './runtime-directory.js';
import { isControlProcess, verdictWithoutSupervisor } from './supervisor-watch.js';

// An `import` of node:http reads each of its exports, the lazy ones too, which loads a WebSocket client: 20 ms on Node
// 22, 40 on 24, 100 on 26, and this is part of each reload. Taken like this it is 3.
const { request } = process.getBuiltinModule('node:http');

/** The largest answer, and the longest stream of a reload: a hundred reports are far below it. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** One of today has 55 characters. */
const MAX_TRACEPARENT_LENGTH = 256;

/** The status with which /healthz says that the service is down. */
const DOWN = 503;

/** A refusal as it came over the socket: its code may be newer than this CLI, so it carries its own exit status. */
export class RemoteError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly exitStatus: number,
  ) {
    super(message);
    this.name = 'RemoteError';
  }
}

export class ControlClient {
  readonly #name: string;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #sockets: readonly string[];

  constructor(name: string, env: Readonly<Record<string, string | undefined>>) {
    this.#name = name;
    this.#env = env;
    this.#sockets = controlSockets(name, env);
  }

  /** Throws NOT_RUNNING, NO_PERMISSION, or what the service refuses with. */
  async status(): Promise<Status> {
    return answer(await text(await this.#call('GET', '/v1/status'))) as Status;
  }

  /** Null is all of it. Throws NO_CHECK too; that the service is down is an answer. */
  async health(check: string | null): Promise<HealthReport> {
    const query = check === null ? '' : `?probe=${encodeURIComponent(check)}`;
    return answer(await text(await this.#call('GET', `/healthz${query}`, DOWN))) as HealthReport;
  }

  async stop(): Promise<void> {
    await text(await this.#call('POST', '/v1/stop'));
  }

  /** Asks for a reload and stays until the verdict; ending this process before the commit abandons the reload. */
  async reload(onLine: (line: ReloadLine) => void, { noOldAfterMs, force }: ReloadOptions): Promise<ReloadOutcome> {
    const query = { no_old_after_ms: noOldAfterMs, force: force ? 1 : null, traceparent: this.#traceparent };
    const path = target('/v1/reload', query);
    return this.#followReload(path, onLine, noOldAfterMs !== null);
  }

  /** As `reload`; `to` is a generation, null the last good release. Throws NO_ROLLBACK_TARGET too. */
  async rollback(onLine: (line: ReloadLine) => void, { to, force }: RollbackOptions): Promise<ReloadOutcome> {
    const query = { to, force: force ? 1 : null, traceparent: this.#traceparent };
    return this.#followReload(target('/v1/rollback', query), onLine, false);
  }

  /** Of a pipeline, whose trace goes on in the service. */
  get #traceparent(): string | null {
    const { TRACEPARENT } = this.#env;
    return TRACEPARENT !== undefined && TRACEPARENT.length <= MAX_TRACEPARENT_LENGTH ? TRACEPARENT : null;
  }

  async #followReload(
    path: string,
    onLine: (line: ReloadLine) => void,
    untilOldIsGone: boolean,
  ): Promise<ReloadOutcome> {
    const response = await this.#call('POST', path);
    let verdict: ReloadOutcome | null = null;
    let oldIsGone = false;
    let cutOff = false;
    const cut = () => {
      cutOff = true;
      response.destroy();
    };
    const orphaned = isControlProcess(this.#env) ? this.#untilOrphaned(cut) : null;
    try {
      for await (const line of linesOf(response)) {
        const parsed = parseLine(line);
        if (parsed === null) continue;
        onLine(parsed);
        if (parsed.event === 'verdict') verdict = parsed;
        if (parsed.event === 'old-gone') oldIsGone = true;
      }
    } catch (error) {
      if (!cutOff) throw new BatondError('CONTROL_FAILED', { reason: (error as Error).message }, error);
    }
    if (verdict === null && orphaned !== null) {
      verdict = await orphaned;
      if (verdict !== null) onLine({ event: 'verdict', ...verdict });
    }
    if (verdict === null) {
      throw new BatondError('CONTROL_FAILED', { reason: 'the supervisor went away before the verdict; see its log' });
    }
    if (verdict.ok && untilOldIsGone && !oldIsGone) {
      const reason =
        'the reload is done, but the supervisor went away before the old generations were gone; see its log';
      throw new BatondError('CONTROL_FAILED', { reason });
    }
    return verdict;
  }

  /** Ends the reading when no supervisor is left who could write. What it wrote last is read in the turn between. */
  async #untilOrphaned(end: () => void): Promise<ReloadOutcome | null> {
    const [liveFile] = this.#sockets.map((socket) => join(dirname(socket), 'live.json')).filter(existsSync);
    const verdict = await verdictWithoutSupervisor(liveFile ?? '', Number(this.#env.MAINPID));
    setImmediate(() => setImmediate(end));
    return verdict;
  }

  /** Has workers profiled, and stays until it is done. Throws PROFILE_BUSY, PROFILE_REFUSED, NOT_PERMITTED too. */
  async profile(
    { kind, durationMs, slot, all }: ProfileOptions,
    onLine: (line: ProfileLine) => void,
  ): Promise<Extract<ProfileLine, { event: 'verdict' }>> {
    const path = target('/v1/profile', { ms: durationMs, slot, all: all ? 1 : null });
    const response = await this.#call('POST', `${path}&kind=${kind}`);
    try {
      for await (const line of linesOf(response)) {
        const parsed = parseProfileLine(line);
        if (parsed !== null) onLine(parsed);
        if (parsed?.event === 'verdict') return parsed;
      }
    } catch (error) {
      throw usable(error);
    }
    throw new BatondError('CONTROL_FAILED', { reason: 'the supervisor went away before the profile was there' });
  }

  /** The bytes of a profile, however many; they throw where there are fewer than there should be. */
  async profileFile(name: string): Promise<AsyncIterable<Buffer>> {
    return this.#call('GET', `/v1/profiles/${name}`);
  }

  /** The oldest first. */
  async history(): Promise<HistoryRow[]> {
    return answer(await text(await this.#call('GET', '/v1/history'))) as HistoryRow[];
  }

  /** The oldest first. */
  async reports(): Promise<ReportSummary[]> {
    return answer(await text(await this.#call('GET', '/v1/reports'))) as ReportSummary[];
  }

  /** Null is the last one. Throws NO_REPORT. */
  async report(number: number | null): Promise<Report> {
    return answer(await text(await this.#call('GET', `/v1/reports/${number ?? 'last'}`))) as Report;
  }

  /** The oldest first. */
  async crashes(): Promise<CrashSummary[]> {
    return answer(await text(await this.#call('GET', '/v1/crashes'))) as CrashSummary[];
  }

  /** Throws NO_CRASH. */
  async crash(id: string): Promise<Crash> {
    return answer(await text(await this.#call('GET', `/v1/crashes/${encodeURIComponent(id)}`))) as Crash;
  }

  /**
   * Tells what has happened, and with `follow` what happens from now on, over reloads and the death of supervisors.
   * Throws NOT_RUNNING when the service has ended.
   */
  async events(
    { event, missed }: Pick<Following, 'event' | 'missed'>,
    { sinceMs, follow }: EventOptions,
  ): Promise<void> {
    const { followEvents } = await import('./follow-events.js');
    const path = target('/v1/events', { since: sinceMs, follow: follow ? null : 0 });
    const connect = (lastId: number | null) =>
      this.#call('GET', path, null, lastId === null ? {} : { 'last-event-id': `${lastId}` });
    try {
      await followEvents({ connect, follow, event, missed });
    } catch (error) {
      throw usable(error);
    }
  }

  async #call(
    method: string,
    path: string,
    expected: number | null = null,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<IncomingMessage> {
    let denied: unknown;
    let unsafe: unknown;
    for (const socketPath of this.#sockets) {
      try {
        refuseForeign(socketPath);
        const response = await send(socketPath, method, path, headers);
        if ((response.statusCode ?? 500) < 400 || response.statusCode === expected) return response;
        throw refusal(await text(response), `${method} ${path.split('?', 1)[0]}`);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'DIRECTORY_UNSAFE') unsafe ??= error;
        else if (code === 'EACCES' || code === 'EPERM') denied ??= error;
        else if (code === 'ECONNRESET' || code === 'EPIPE') {
          const reason = 'it closed the connection; too many may be open already, see the log of the service';
          throw new BatondError('CONTROL_FAILED', { reason }, error);
        } else if (code !== 'ENOENT' && code !== 'ECONNREFUSED' && code !== 'ENOTDIR') throw usable(error);
      }
    }
    if (unsafe !== undefined && denied === undefined) throw unsafe;
    const facts = { name: this.#name, socket: this.#sockets.join(' nor '), user: selfText() };
    throw new BatondError(denied === undefined ? 'NOT_RUNNING' : 'NO_PERMISSION', facts, denied);
  }
}

/** The path with what is asked for; what is null is not said, so that a service of before understands the rest. */
function target(path: string, query: Readonly<Record<string, number | string | null>>): string {
  const said = Object.entries(query).flatMap(([name, value]) =>
    value === null ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return said.length === 0 ? path : `${path}?${said.join('&')}`;
}

function selfText(): string {
  const uid = process.getuid?.() ?? 0;
  try {
    return `${userInfo().username} (uid ${uid})`;
  } catch {
    // A user that nobody has a name for.
    return `uid ${uid}`;
  }
}

function send(
  socketPath: string,
  method: string,
  path: string,
  more: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'batond', connection: 'close', ...more };
    const sent = request({ socketPath, method, path, headers }, resolve);
    sent.on('error', reject);
    sent.end();
  });
}

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of bounded(response)) chunks.push(chunk);
  } catch (error) {
    throw usable(error);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The bytes of an answer, and an error where there is no end of them. */
async function* bounded(response: IncomingMessage): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`it says more than ${MAX_ANSWER_BYTES} bytes`);
    yield chunk;
  }
}

/** By "\n" alone: node:readline also ends lines at U+2028, which JSON may hold. */
async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest: string[] = [];
  for await (const chunk of bounded(response)) {
    const [first = '', ...others] = decoder.write(chunk).split('\n');
    rest.push(first);
    for (const next of others) {
      yield rest.join('');
      rest = [next];
    }
  }
  const last = rest.join('') + decoder.end();
  if (last !== '') yield last;
}

function answer(body: string): unknown {
  let value: unknown = null;
  try {
    value = JSON.parse(body);
  } catch {
    // Below.
  }
  if (typeof value === 'object' && value !== null) return value;
  throw new BatondError('CONTROL_FAILED', { reason: body.slice(0, 200) });
}

/** What is wrong with the connection or with what came over it is one situation; a refusal stays what it is. */
function usable(error: unknown): Error {
  if (error instanceof BatondError || error instanceof RemoteError) return error;
  return new BatondError('CONTROL_FAILED', { reason: (error as Error).message }, error);
}

function refusal(body: string, asked: string): Error {
  try {
    const { code, message, exitStatus } = JSON.parse(body);
    if (code === 'NOT_FOUND') {
      const reason = `the batond that runs it is older than this one and does not know ${asked}: a reload brings this one in`;
      return new BatondError('CONTROL_FAILED', { reason });
    }
    // 0 would tell a script that it was done.
    const status = Number.isInteger(exitStatus) && exitStatus > 0 && exitStatus < 256 ? exitStatus : null;
    return new RemoteError(String(code), String(message), status ?? ERRORS.CONTROL_FAILED.exit);
  } catch {
    return new BatondError('CONTROL_FAILED' satisfies ErrorCode, { reason: body.slice(0, 200) });
  }
}
