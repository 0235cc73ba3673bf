/** Writes the OpenAPI document of the control socket, of what was compiled last and of the types as they stand. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openApiText } from '../dist/manual/openapi.js';
import { jsonSchemas } from './json-schemas.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

writeFileSync(join(ROOT, 'batond.openapi.json'), openApiText(jsonSchemas()));
