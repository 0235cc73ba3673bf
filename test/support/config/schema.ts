/** The schema of batond.toml as an editor goes by it. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'smol-toml';
import { configSchema } from '../../../src/config/schema.js';

let validate: ValidateFunction | undefined;

/** What it has against a text; null for nothing. `strict` refuses a schema that says anything unknown. */
export function complaint(toml: string): string | null {
  validate ??= new Ajv2020({ strict: true, strictTypes: false, allErrors: true }).compile(configSchema());
  if (validate(parse(toml, { integersAsBigInt: 'asNeeded' }))) return null;
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`).join('\n');
}
