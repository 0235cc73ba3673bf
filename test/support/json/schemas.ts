/** The committed schemas of what the control socket and the commands say, closed: a field that they lack is wrong. */
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

export type Schema = Readonly<Record<string, unknown>>;

const FILE = new URL('../../../batond.openapi.json', import.meta.url);

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
  readonly 'x-commands': Readonly<Record<string, { readonly prints: string; readonly schema: Schema }>>;
}

export const openApi = JSON.parse(readFileSync(FILE, 'utf8')) as Document;

/** By the command line without "batond" and --json. */
export const commandOutputs = new Map(
  Object.entries(openApi['x-commands']).map(([line, output]) => [line.replace(/^batond | --json$/g, ''), output]),
);

const compiled = new Map<string, ValidateFunction>();

/** What a schema has against a value; null for nothing. */
export function complaint(schema: Schema, value: unknown): string | null {
  const key = JSON.stringify(schema);
  const validate = compiled.get(key) ?? compile(schema);
  compiled.set(key, validate);
  if (validate(value)) return null;
  return (validate.errors ?? [])
    .map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
    .join('\n');
}

function compile(schema: Schema): ValidateFunction {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true });
  ajv.addKeyword('components');
  return ajv.compile(closed({ ...schema, components: openApi.components }) as Schema);
}

function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const parts = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, closed(part)]));
  const isObject = 'type' in value && value.type === 'object' && 'properties' in value;
  return isObject && !('additionalProperties' in value) ? { ...parts, additionalProperties: false } : parts;
}

/** What is wrong with what a command has printed; null for nothing. */
export function outputComplaint(line: string, stdout: string): string | null {
  const output = commandOutputs.get(line);
  if (output === undefined) return `nothing is known of batond ${line} --json: src/cli/json-output.ts lacks a row`;
  if (output.prints === 'one document') return complaint(output.schema, JSON.parse(stdout));
  const lines = stdout.split('\n').filter((text) => text !== '');
  return lines.flatMap((text) => complaint(output.schema, JSON.parse(text)) ?? []).join('\n') || null;
}
