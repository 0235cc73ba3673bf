/**
 * The routes of the control socket, a row each: who may ask, what they are told, and how. The server goes by this table
 * and the OpenAPI document is made of it, so a new route is a row here and one in api.ts.
 */
import type { ErrorCode } from '../errors.js';
import { VERSION } from '../version.js';
import type { RouteAnswers } from './api.js';
import { type Exchange, send } from './exchange.js';
import {
  FOLLOW,
  FORCE,
  NO_OLD_AFTER,
  type Parameter,
  reloadOptions,
  rollbackOptions,
  SINCE,
  TO,
  TRACEPARENT,
} from './options.js';
import { ALL, CPU_MS, KIND, SLOT } from './profile-parameters.js';
import type { Right } from './rights.js';

export interface Route<Body> {
  readonly right: Right;
  /** Completes "you may not", and is followed by the name of the service. */
  readonly what: string;
  /** One sentence, without its full stop. */
  readonly about: string;
  readonly query?: readonly Parameter[];
  /** What stands between the braces of its path; whatever its pattern does not match is another route. */
  readonly parameter?: Parameter & { readonly schema: { readonly pattern: string } };
  /** The codes that it refuses with, beside those that every route has. */
  readonly refuses?: readonly ErrorCode[];
  /** Where it is not 200. */
  readonly status?: number;
  /** Other statuses under which the same is said, and when. */
  readonly or?: Readonly<Record<number, string>>;
  /** Where what it says is not one JSON document. */
  readonly media?: 'application/x-ndjson' | 'application/octet-stream' | 'text/event-stream' | 'text/plain';
  serve(exchange: Exchange<Body>): void | Promise<void>;
}

const NOT_NOW = ['BUSY', 'STOPPING', 'NO_ROOM', 'UNHEALTHY', 'FROZEN', 'TOO_SOON'] as const;

const WITH_PROBE: Parameter = {
  name: 'probe',
  about: 'One check that the app has registered, and nothing else',
  schema: { type: 'string' },
};

/** As it is told on admin.listen. */
const told = (path: string) => async (exchange: Exchange<never>) => {
  send(exchange.response, await exchange.host.health.get(path)!(exchange.query, exchange.accept));
};

export const ROUTES: { readonly [Key in keyof RouteAnswers]: Route<RouteAnswers[Key]> } = {
  'GET /v1': {
    right: 'read',
    what: 'ask anything of',
    about: 'Which version of this interface is spoken here, by which batond, and its routes',
    serve: (exchange) =>
      exchange.send({ version: 1, name: exchange.host.name, batond: VERSION, routes: Object.keys(ROUTES) }),
  },
  'GET /v1/openapi.json': {
    right: 'read',
    what: 'ask anything of',
    about: 'This document',
    serve: async (exchange) => {
      const { readOpenApi } = await import('./openapi-file.js');
      exchange.send(readOpenApi());
    },
  },
  'GET /v1/status': {
    right: 'read',
    what: 'see the status of',
    about: 'The service as it is now: generations, workers, listeners, health, and the last reload',
    serve: async (exchange) => exchange.send(await exchange.host.status()),
  },
  'POST /v1/reload': {
    right: 'act',
    what: 'reload',
    about:
      'Starts the next generation and tells each step; the last line is the verdict, or with no_old_after_ms ' +
      '"old-gone". Whoever goes away before the commit abandons it',
    query: [NO_OLD_AFTER, FORCE, TRACEPARENT],
    refuses: [...NOT_NOW, 'REQUEST_INVALID'],
    media: 'application/x-ndjson',
    serve: (exchange) => {
      const options = reloadOptions(exchange.query);
      exchange.actFor('reload', options, (client) => exchange.handlers.reload(client, options));
    },
  },
  'POST /v1/rollback': {
    right: 'act',
    what: 'roll back',
    about: 'A reload to the last good release but the one that serves, or to that of a generation',
    query: [TO, FORCE, TRACEPARENT],
    refuses: [...NOT_NOW, 'NO_ROLLBACK_TARGET', 'REQUEST_INVALID'],
    media: 'application/x-ndjson',
    serve: (exchange) => {
      const options = rollbackOptions(exchange.query);
      exchange.actFor('rollback', options, (client) => exchange.handlers.rollback(client, options));
    },
  },
  'GET /v1/history': {
    right: 'read',
    what: 'see the history of',
    about: 'What was run and what was tried, the oldest first',
    serve: (exchange) => exchange.send(exchange.handlers.history()),
  },
  'GET /v1/reports': {
    right: 'read',
    what: 'see the reports of',
    about: 'The reports of the last reloads in short, the oldest first',
    serve: (exchange) => exchange.send(exchange.handlers.reports()),
  },
  'GET /v1/reports/{number}': {
    right: 'read',
    what: 'see the reports of',
    about: 'What one reload took, and what became of the connections',
    parameter: {
      name: 'number',
      about: 'Of the reload, or "last"',
      schema: { type: 'string', pattern: '^(last|\\d{1,15})$' },
    },
    refuses: ['NO_REPORT'],
    serve: (exchange) => {
      const { parameter, handlers } = exchange;
      exchange.send(handlers.report(parameter === 'last' ? null : Number(parameter)));
    },
  },
  'GET /v1/crashes': {
    right: 'read',
    what: 'see the crashes of',
    about: 'The workers that ended unasked and of which something is kept, the oldest first',
    serve: async (exchange) => exchange.send(await exchange.handlers.crashes()),
  },
  'GET /v1/crashes/{id}': {
    right: 'read',
    what: 'see the crashes of',
    about: 'What is known of one: how it ended, its stack, its last lines, and where its files are',
    parameter: {
      name: 'id',
      about: 'Of the crash',
      schema: { type: 'string', pattern: '^[\\w-]{1,64}$' },
    },
    refuses: ['NO_CRASH'],
    serve: async (exchange) => exchange.send(await exchange.handlers.crash(exchange.parameter!)),
  },
  'POST /v1/profile': {
    right: 'act',
    what: 'profile',
    about: 'Has workers that serve write a profile, and tells when each is there; whoever goes away gets none',
    query: [KIND, CPU_MS, SLOT, ALL],
    refuses: ['PROFILE_BUSY', 'PROFILE_REFUSED', 'REQUEST_INVALID'],
    media: 'application/x-ndjson',
    serve: async (exchange) => (await import('./profiles.js')).makeProfile(exchange),
  },
  'GET /v1/profiles/{name}': {
    right: 'act',
    what: 'see the profiles of',
    about: 'The file of a profile, as Chrome DevTools load it: a heap has the secrets of the app',
    parameter: {
      name: 'name',
      about: 'As a line of POST /v1/profile has said it',
      schema: { type: 'string', pattern: '^([\\w.-]{1,100})$' },
    },
    refuses: ['NO_PROFILE'],
    media: 'application/octet-stream',
    serve: async (exchange) => (await import('./profiles.js')).sendProfile(exchange),
  },
  'GET /v1/events': {
    right: 'read',
    what: 'see the events of',
    about:
      'What has happened, as server-sent events: what is kept of it, then what happens from now on. Whoever comes back ' +
      'with the header Last-Event-ID gets what came after that; "missed" is sent first where not all of it is kept any more',
    query: [SINCE, FOLLOW],
    refuses: ['REQUEST_INVALID', 'TOO_MANY'],
    media: 'text/event-stream',
    serve: async (exchange) => {
      const { streamEvents } = await import('./event-stream.js');
      streamEvents(exchange);
    },
  },
  'POST /v1/stop': {
    right: 'act',
    what: 'stop',
    about: 'Ends the service when what is in flight is finished; where systemd manages it, ask systemd instead',
    status: 202,
    serve: (exchange) =>
      exchange.act('stop', {}, () => {
        exchange.send({ stopping: true }, 202);
        exchange.handlers.stop();
      }),
  },
  'GET /healthz': {
    right: 'read',
    what: 'see the health of',
    about: 'How well the service is, asked of its workers; as on admin.listen',
    query: [WITH_PROBE],
    refuses: ['NO_CHECK'],
    or: { 503: 'It is down' },
    serve: told('/healthz'),
  },
  'GET /readyz': {
    right: 'read',
    what: 'see the health of',
    about: 'Whether a worker accepts; as on admin.listen',
    or: { 503: 'None does, or the service stops' },
    serve: told('/readyz'),
  },
  'GET /livez': {
    right: 'read',
    what: 'see the health of',
    about: 'Whether the supervisor gets on; as on admin.listen',
    or: { 503: 'A reload hangs beyond every deadline' },
    serve: told('/livez'),
  },
  'GET /weight': {
    right: 'read',
    what: 'see the weight of',
    about: 'How many hundredths of its traffic the service should get, as "20%"; as on admin.listen',
    media: 'text/plain',
    serve: told('/weight'),
  },
  'GET /metrics': {
    right: 'read',
    what: 'see the metrics of',
    about: 'All that is counted, for Prometheus, or as OpenMetrics where Accept prefers it; as on admin.listen',
    media: 'text/plain',
    serve: told('/metrics'),
  },
};

/** Those whose path has a parameter, as what a request line has to match. */
const TEMPLATES = Object.entries(ROUTES as Readonly<Record<string, Route<never>>>).flatMap(([key, route]) =>
  route.parameter === undefined
    ? []
    : {
        route,
        pattern: new RegExp(`^${key.replace(/\{.*\}/, route.parameter.schema.pattern.replace(/^\^|\$$/g, ''))}$`),
      },
);

export interface Found {
  readonly route: Route<never>;
  readonly parameter: string;
}

/** By "GET /v1/status"; null where there is none. */
export function findRoute(asked: string): Found | null {
  if (Object.hasOwn(ROUTES, asked)) {
    const route = ROUTES[asked as keyof RouteAnswers] as Route<never>;
    return route.parameter === undefined ? { route, parameter: '' } : null;
  }
  for (const { route, pattern } of TEMPLATES) {
    const parameter = pattern.exec(asked)?.[1];
    if (parameter !== undefined) return { route, parameter };
  }
  return null;
}

const REFUSAL_STATUS: Partial<Record<ErrorCode, number>> = {
  BUSY: 409,
  PROFILE_BUSY: 409,
  PROFILE_REFUSED: 409,
  NO_ROOM: 429,
  UNHEALTHY: 429,
  FROZEN: 429,
  TOO_SOON: 429,
  TOO_MANY: 429,
  NOT_PERMITTED: 403,
  NO_CHECK: 404,
  NO_REPORT: 404,
  NO_PROFILE: 404,
  NO_ROLLBACK_TARGET: 404,
  REQUEST_INVALID: 400,
};

/** The status of HTTP that a refusal is answered with. */
export const statusOf = (code: ErrorCode): number => REFUSAL_STATUS[code] ?? 503;
