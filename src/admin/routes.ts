/**
 * What is answered to whoever asks how the service is, on the control socket and on admin.listen alike. Answers are as
 * load balancers and orchestrators expect them: 200 for yes, 503 for no, and a body for people.
 */
import type { HealthReport, Readiness } from '../control/messages.js';
import { BatondError } from '../errors.js';

export interface HealthSource {
  /** How many hundredths of its traffic the service should get. */
  readonly weight: number;
  readonly alive: boolean;
  readonly readiness: Readiness;
  /** Throws NO_CHECK. */
  report(check: string | null): Promise<HealthReport>;
  /** For Prometheus, in the format that `Accept` asks for. */
  metrics(accept: string | undefined): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  /** Said as JSON, or a text as it is. */
  readonly body: object | string;
  /** The media type of a text, where it is not a plain one. */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The media type of its body. */
export function typeOf({ body, type }: Answer): string {
  return type ?? (typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json');
}

/** `accept` is the header of that name. */
export type Route = (query: URLSearchParams, accept: string | undefined) => Promise<Answer>;

/** By the path of a GET. */
export type Routes = ReadonlyMap<string, Route>;

/** Who is degraded still serves: a load balancer that took it out would make it worse for the others. */
export function healthRoutes(source: HealthSource): Routes {
  return new Map<string, Route>([
    [
      '/healthz',
      async (query) => {
        try {
          const body = await source.report(query.get('probe'));
          return { status: body.status === 'down' ? 503 : 200, body };
        } catch (error) {
          if (!(error instanceof BatondError)) throw error;
          const { code, message, exitStatus } = error;
          return { status: 404, body: { code, message, exitStatus } };
        }
      },
    ],
    [
      '/readyz',
      async () => {
        const body = source.readiness;
        return { status: body.ready ? 200 : 503, body };
      },
    ],
    [
      '/weight',
      async () => {
        return { status: 200, body: `${source.weight}%\n` };
      },
    ],
    ['/metrics', (_query, accept) => source.metrics(accept)],
    [
      '/livez',
      async () => {
        const { alive } = source;
        return { status: alive ? 200 : 503, body: { alive } };
      },
    ],
  ]);
}
