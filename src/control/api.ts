/**
 * What each route of the control socket answers, as types: `routes.ts` is held to them by the compiler, and the schemas
 * of the OpenAPI document are made of them. Types alone; nothing of it is loaded.
 *
 * How versions live together: a path of /v1 keeps its meaning, and what it answers only gains fields. So whoever reads
 * passes over fields, events and codes that it does not know, and takes those for absent that an older supervisor does
 * not say. What was added after a supervisor was started is not among the `routes` of its `GET /v1`, and answered with
 * 404 and NOT_FOUND; one that is too old for `GET /v1` answers that with 404 too. A change that breaks this is /v2.
 */
import type { ServiceEvent } from '../events/event.js';
import type { Crash, CrashSummary } from '../inventory/crash-files.js';
import type { Report } from '../inventory/report.js';
import type { HealthReport, HistoryRow, Readiness, ReloadLine, ReportSummary, Status } from './messages.js';
import type { ProfileLine } from './profile-messages.js';

/** What `GET /v1` answers. */
export interface ApiFacts {
  /** Of this interface. */
  readonly version: 1;
  /** The service. */
  readonly name: string;
  /** The version of the batond that answers. */
  readonly batond: string;
  /** "GET /v1/status" and all the others that it knows. */
  readonly routes: readonly string[];
}

/** What is answered, with a status of 400 and above, to whoever is refused. */
export interface Refusal {
  /** Of the README's table of errors; NOT_FOUND where there is no such route. */
  readonly code: string;
  readonly message: string;
  /** Of the command that asked; absent where an older supervisor knows no such route. */
  readonly exitStatus?: number;
}

/** By method and path. */
export interface RouteAnswers {
  'GET /v1': ApiFacts;
  'GET /v1/openapi.json': Readonly<Record<string, unknown>>;
  'GET /v1/status': Status;
  'POST /v1/reload': ReloadLine;
  'POST /v1/rollback': ReloadLine;
  'GET /v1/history': readonly HistoryRow[];
  'GET /v1/reports': readonly ReportSummary[];
  'GET /v1/reports/{number}': Report;
  'GET /v1/crashes': readonly CrashSummary[];
  'GET /v1/crashes/{id}': Crash;
  'POST /v1/profile': ProfileLine;
  'GET /v1/profiles/{name}': string;
  'GET /v1/events': ServiceEvent;
  'POST /v1/stop': { readonly stopping: true };
  'GET /healthz': HealthReport;
  'GET /readyz': Readiness;
  'GET /livez': { readonly alive: boolean };
  'GET /weight': string;
  'GET /metrics': string;
}
