/** The OpenAPI document as the package has it; loaded when somebody asks. */
import { readFileSync } from 'node:fs';

const FILE = new URL('../../batond.openapi.json', import.meta.url);

export function readOpenApi(): Readonly<Record<string, unknown>> {
  return JSON.parse(readFileSync(FILE, 'utf8'));
}
