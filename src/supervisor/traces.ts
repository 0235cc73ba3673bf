/**
 * Sends reloads as traces to whoever the variables of OpenTelemetry name. Loaded after a verdict and never before one: it
 * can delay and fail nothing. What sends (src/tracing/send.ts) is a process of its own, with a bound to its time.
 *
 * The SDK is looked for beside batond and never in the release: the supervisor runs nothing of that.
 */
import { execFile } from 'node:child_process';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Report } from '../inventory/report.js';
import type { Log } from '../log.js';
import { workerEnvironment } from '../release/worker-environment.js';
import { type TracePlan, traceOfDrains, traceOfReload } from '../tracing/reload-trace.js';
import { NO_SDK, SDK_PACKAGES } from '../tracing/sdk.js';

/** The exporter has 10 s by itself (OTEL_EXPORTER_OTLP_TIMEOUT). */
const SEND_MS = 15_000;
/** What it may say of a failure. */
const MAX_OUTPUT_BYTES = 64 * 1_024;

export interface TracesHost {
  /** Of the service. */
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
}

export class Traces {
  readonly #host: TracesHost;
  #saidMissing = false;

  constructor(host: TracesHost) {
    this.#host = host;
  }

  /** A reload has its verdict. */
  reload(report: Report): void {
    this.#send(traceOfReload(report, this.#place));
  }

  /** Every generation that it sent away is gone. */
  drains(report: Report): void {
    this.#send(traceOfDrains(report, this.#place));
  }

  get #place() {
    return { service: this.#host.name, host: hostname() };
  }

  #send(plan: TracePlan | null): void {
    if (plan === null) return;
    const child = execFile(
      process.execPath,
      [fileURLToPath(new URL('../tracing/send.js', import.meta.url))],
      {
        cwd: '/',
        env: workerEnvironment({}, this.#host.env),
        timeout: SEND_MS,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT_BYTES,
      },
      (error, _stdout, stderr) => {
        if (error !== null) this.#failed(error, stderr.trim());
      },
    );
    // It has ended before it has read: how is told above.
    child.stdin?.on('error', () => {});
    child.stdin?.end(JSON.stringify(plan));
  }

  #failed({ code, killed, message }: Error & { code?: unknown; killed?: boolean }, said: string): void {
    const { log } = this.#host;
    if (code === NO_SDK) {
      if (this.#saidMissing) return;
      this.#saidMissing = true;
      log.warn(
        { event: 'trace-failed', missing: true },
        'OTEL_EXPORTER_OTLP_ENDPOINT is set, but the SDK is not installed beside batond: ' +
          `npm install ${SDK_PACKAGES.join(' ')} where batond is installed (with -g where it is), or unset it (${said})`,
      );
      return;
    }
    const why = killed === true ? `nothing came of it within ${SEND_MS / 1_000} s` : said || message;
    log.warn({ event: 'trace-failed', missing: false }, `the trace of a reload could not be sent: ${why}`);
  }
}
