/** What the CLI says to a running service, over its control socket. */
import { createInterface } from 'node:readline';
import { BatondError, ERRORS, type ErrorCode } from '../errors.js';
import type { Report } from '../inventory/report.js';
import type {
  HistoryRow,
  ReloadLine,
  ReloadOptions,
  ReloadOutcome,
  ReportSummary,
  RollbackOptions,
  Status,
} from './messages.js';
import { controlSockets } from './paths.js';

// An `import` of node:http reads each of its exports, the lazy ones too, which loads a WebSocket client: 20 ms on Node
// 22, 40 on 24, 100 on 26, and this is part of each reload. Taken like this it is 3.
const { request } = process.getBuiltinModule('node:http');

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
  readonly #sockets: readonly string[];

  constructor(name: string, env: Readonly<Record<string, string | undefined>>) {
    this.#name = name;
    this.#sockets = controlSockets(name, env);
  }

  /** Throws NOT_RUNNING, NO_PERMISSION, or what the service refuses with. */
  async status(): Promise<Status> {
    return JSON.parse(await text(await this.#call('GET', '/v1/status')));
  }

  async stop(): Promise<void> {
    await text(await this.#call('POST', '/v1/stop'));
  }

  /** Asks for a reload and stays until the verdict; ending this process before the commit abandons the reload. */
  async reload(onLine: (line: ReloadLine) => void, { noOldAfterMs }: ReloadOptions): Promise<ReloadOutcome> {
    const query = noOldAfterMs === null ? '' : `?no_old_after_ms=${noOldAfterMs}`;
    return this.#followReload(`/v1/reload${query}`, onLine, noOldAfterMs !== null);
  }

  /** As `reload`; `to` is a generation, null the last good release. Throws NO_ROLLBACK_TARGET too. */
  async rollback(onLine: (line: ReloadLine) => void, { to }: RollbackOptions): Promise<ReloadOutcome> {
    return this.#followReload(`/v1/rollback${to === null ? '' : `?to=${to}`}`, onLine, false);
  }

  async #followReload(
    path: string,
    onLine: (line: ReloadLine) => void,
    untilOldIsGone: boolean,
  ): Promise<ReloadOutcome> {
    const response = await this.#call('POST', path);
    let verdict: ReloadOutcome | null = null;
    let oldIsGone = false;
    try {
      for await (const line of createInterface({ input: response })) {
        const parsed = JSON.parse(line) as ReloadLine;
        onLine(parsed);
        if (parsed.event === 'verdict') verdict = parsed;
        if (parsed.event === 'old-gone') oldIsGone = true;
      }
    } catch (error) {
      throw new BatondError('CONTROL_FAILED', { reason: (error as Error).message }, error);
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

  /** The oldest first. */
  async history(): Promise<HistoryRow[]> {
    return JSON.parse(await text(await this.#call('GET', '/v1/history')));
  }

  /** The oldest first. */
  async reports(): Promise<ReportSummary[]> {
    return JSON.parse(await text(await this.#call('GET', '/v1/reports')));
  }

  /** Null is the last one. Throws NO_REPORT. */
  async report(number: number | null): Promise<Report> {
    return JSON.parse(await text(await this.#call('GET', `/v1/reports/${number ?? 'last'}`)));
  }

  async #call(method: string, path: string): Promise<import('node:http').IncomingMessage> {
    let denied: unknown;
    for (const socketPath of this.#sockets) {
      try {
        const response = await send(socketPath, method, path);
        if ((response.statusCode ?? 500) < 400) return response;
        throw refusal(await text(response));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EACCES' || code === 'EPERM') denied ??= error;
        else if (code !== 'ENOENT' && code !== 'ECONNREFUSED' && code !== 'ENOTDIR') throw error;
      }
    }
    const facts = { name: this.#name, socket: this.#sockets.join(' nor ') };
    throw new BatondError(denied === undefined ? 'NOT_RUNNING' : 'NO_PERMISSION', facts, denied);
  }
}

function send(socketPath: string, method: string, path: string): Promise<import('node:http').IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers: { host: 'batond', connection: 'close' } }, resolve);
    sent.on('error', reject);
    sent.end();
  });
}

async function text(response: import('node:http').IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let body = '';
  for await (const chunk of response) body += chunk;
  return body;
}

function refusal(body: string): Error {
  try {
    const { code, message, exitStatus } = JSON.parse(body);
    return new RemoteError(String(code), String(message), Number(exitStatus ?? ERRORS.CONTROL_FAILED.exit));
  } catch {
    return new BatondError('CONTROL_FAILED' satisfies ErrorCode, { reason: body.slice(0, 200) });
  }
}
