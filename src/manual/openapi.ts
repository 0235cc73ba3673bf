/**
 * The OpenAPI document of the control socket: its routes from their table, and what they answer, as well as what commands
 * print with --json, from the schemas of their types. Made when batond is built, of sources that it is not shipped with.
 */
import type { Parameter } from '../control/options.js';
import { ROUTES, type Route, statusOf } from '../control/routes.js';
import type { ErrorCode } from '../errors.js';
import { VERSION } from '../version.js';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** By the name of the type: RouteAnswers, JsonDocuments and JsonLines, whose properties are answers, and what they name. */
export type JsonSchemas = Readonly<Record<string, JsonSchema>>;

const ABOUT = `HTTP over the Unix socket control.sock in the runtime directory of the service, as in
\`curl --unix-socket /run/batond/shop/control.sock http://batond/v1/status\`. Each connection carries one request.

Who asks is who connects, as the kernel vouches for it: root and the user of the service may do everything, others what
\`control.read\` and \`control.act\` of batond.toml say (\`x-right\`).

A path of /v1 keeps its meaning, and what it answers only gains fields: pass over fields, events and codes that you do not
know. Fields that are not required are absent where an older supervisor answers. A route that the supervisor is too old
for is answered with 404 and NOT_FOUND; \`GET /v1\` says which it has. A change that breaks this will be /v2.

\`x-commands\` has what the commands print with --json.`;

export function openApiText(schemas: JsonSchemas): string {
  return `${JSON.stringify(openApi(schemas), null, 2)}\n`;
}

function openApi({ RouteAnswers, JsonDocuments, JsonLines, ...named }: JsonSchemas): object {
  const answers = propertiesOf(RouteAnswers);
  const paths: Record<string, Record<string, object>> = {};
  for (const [key, route] of Object.entries(ROUTES as Readonly<Record<string, Route<never>>>)) {
    const [method = '', path = ''] = key.split(' ');
    paths[path] ??= {};
    paths[path][method.toLowerCase()] = operation(key, route, answers[key] ?? {});
  }
  return placed({
    openapi: '3.1.0',
    info: { title: 'The control socket of batond', version: VERSION, description: ABOUT, license: { name: 'MIT' } },
    servers: [{ url: 'http://batond', description: 'By control.sock: any name of a host will do' }],
    paths,
    components: { schemas: sorted(named) },
    'x-commands': {
      ...Object.fromEntries(commands(JsonDocuments, 'one document')),
      ...Object.fromEntries(commands(JsonLines, 'a document a line')),
    },
  }) as object;
}

function commands(all: JsonSchema | undefined, prints: string): [string, object][] {
  return Object.entries(propertiesOf(all)).map(([words, schema]) => [`batond ${words} --json`, { prints, schema }]);
}

function operation(key: string, route: Route<never>, schema: JsonSchema): object {
  const { about, right, status = 200, or = {}, media = 'application/json', query = [], parameter } = route;
  const content = { [media]: { schema } };
  const parameters = [
    ...(parameter === undefined ? [] : [{ ...described(parameter), in: 'path', required: true }]),
    ...query.map((one) => ({ ...described(one), in: 'query', required: false })),
  ];
  return {
    operationId: operationId(key),
    summary: about,
    'x-right': right,
    ...(parameters.length === 0 ? {} : { parameters }),
    responses: {
      [status]: { description: media === 'application/json' ? 'So it is.' : STREAMS[media], content },
      ...Object.fromEntries(Object.entries(or).map(([other, when]) => [other, { description: `${when}.`, content }])),
      ...refusals(route, or),
    },
  };
}

const STREAMS = {
  'application/x-ndjson': 'A document a line, until the connection ends.',
  'application/octet-stream': 'A file, until the connection ends; cut off where not all of it comes.',
  'text/event-stream': 'Of each event its id, and as data what the schema says.',
  'text/plain': 'A line of text.',
} as const;

const described = ({ name, about, schema }: Parameter) => ({ name, description: `${about}.`, schema });

/** Those of one status of HTTP together; what has a status of its own already is told there. */
function refusals({ refuses = [] }: Route<never>, or: Readonly<Record<number, string>>): Record<string, object> {
  const codes = new Map<number, ErrorCode[]>();
  for (const code of ['NOT_PERMITTED', ...refuses] as const) {
    codes.set(statusOf(code), [...(codes.get(statusOf(code)) ?? []), code]);
  }
  const content = { 'application/json': { schema: { $ref: '#/$defs/Refusal' } } };
  const told = [...codes].filter(([status]) => !Object.hasOwn(or, status));
  return {
    ...Object.fromEntries(
      told.map(([status, all]) => [status, { description: `Refused: ${all.join(', ')}.`, ...retry(status), content }]),
    ),
    default: { description: 'Refused, as the code says.', content },
  };
}

function retry(status: number): object {
  if (status !== 429) return {};
  return { headers: { 'Retry-After': { description: 'Seconds, where it is known.', schema: { type: 'integer' } } } };
}

/** "getV1ReportsNumber" */
function operationId(key: string): string {
  const [method = '', ...words] = key.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return [method.toLowerCase(), ...words.map((word) => word[0]!.toUpperCase() + word.slice(1))].join('');
}

const propertiesOf = (schema: JsonSchema | undefined) => (schema?.properties ?? {}) as Record<string, JsonSchema>;

const sorted = (schemas: JsonSchemas) =>
  Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));

/** References as OpenAPI has them, and objects open for the fields of newer versions. */
function placed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(placed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, part]) => {
      if (key === 'additionalProperties' && part === false) return [];
      if (key === '$ref') return [[key, String(part).replace('#/$defs/', '#/components/schemas/')]];
      return [[key, placed(part)]];
    }),
  );
}
