/**
 * JSON Schemas of what routes answer and commands print, made of the TypeScript types. They are closed: a field that the
 * types do not know is wrong, which is what a test wants to hear. `src/manual/openapi.ts` opens them for everybody else.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { createGenerator } from 'ts-json-schema-generator';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where the types stand whose properties are the answers. */
const SOURCES = {
  'src/control/api.ts': ['RouteAnswers', 'Refusal'],
  'src/cli/json-output.ts': ['JsonDocuments', 'JsonLines'],
};

/** The schemas of the types by their names, those above and all that they name. References lead to "#/$defs/". */
export function jsonSchemas() {
  const schemas = {};
  for (const [path, types] of Object.entries(SOURCES)) {
    const generator = createGenerator({
      path: join(ROOT, path),
      tsconfig: join(ROOT, 'tsconfig.json'),
      expose: 'export',
      skipTypeCheck: true,
      additionalProperties: false,
      encodeRefs: false,
    });
    for (const [name, schema] of types.flatMap((type) =>
      Object.entries(generator.createSchema(type).definitions ?? {}),
    )) {
      const known = schemas[name];
      const now = asOfToday(schema);
      if (known !== undefined && !isDeepStrictEqual(known, now)) throw new Error(`two types are called ${name}`);
      schemas[name] = now;
    }
  }
  return schemas;
}

/** Draft 7 of JSON Schema as 2020-12, the one of OpenAPI 3.1. */
function asOfToday(value) {
  if (Array.isArray(value)) return value.map(asOfToday);
  if (typeof value !== 'object' || value === null) return value;
  const { $ref, items, ...rest } = value;
  return {
    ...Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, asOfToday(part)])),
    ...($ref === undefined ? {} : { $ref: $ref.replace('#/definitions/', '#/$defs/') }),
    ...(items === undefined ? {} : { [Array.isArray(items) ? 'prefixItems' : 'items']: asOfToday(items) }),
  };
}
