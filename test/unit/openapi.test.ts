/** The OpenAPI document is valid, complete, and of the sources as they stand. */
import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { beforeAll, describe, expect, test } from 'vitest';
import { jsonSchemas } from '../../scripts/json-schemas.mjs';
import { COMMAND_NAMES, programOf } from '../../src/cli/program.js';
import { findRoute, ROUTES } from '../../src/control/routes.js';
import { openApiText } from '../../src/manual/openapi.js';
import { HOSTED_RUNS, INSTALLED_RUNS, PLAIN_RUNS } from '../support/json/runs.js';
import { commandOutputs, complaint, openApi, type Schema } from '../support/json/schemas.js';

let made: string;
beforeAll(() => {
  made = openApiText(jsonSchemas());
});

test('the document is of the sources as they stand: else npm run build && node scripts/openapi.mjs', () => {
  expect(readFileSync(new URL('../../batond.openapi.json', import.meta.url), 'utf8')).toBe(made);
});

test('the document is valid', async () => {
  const validator = new Validator();
  expect(await validator.validate(JSON.parse(made))).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
});

test('every reference leads somewhere', () => {
  const names = [...made.matchAll(/"\$ref": "(.*)"/g)].map(([, target]) =>
    target!.replace('#/components/schemas/', ''),
  );
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name) => openApi.components.schemas[name] === undefined)).toEqual([]);
});

test('every route is there, with who may ask', () => {
  const there = Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation]),
  );
  expect(there).toEqual(
    Object.entries(ROUTES).map(([key, { right }]) => [key, expect.objectContaining({ 'x-right': right })]),
  );
});

describe('a route', () => {
  test.each(Object.keys(ROUTES).filter((key) => !key.includes('{')))('%s is found', (key) => {
    expect(findRoute(key)).toEqual({ route: ROUTES[key as keyof typeof ROUTES], parameter: '' });
  });

  test('with a parameter is found by what it may be', () => {
    const route = ROUTES['GET /v1/reports/{number}'];
    expect(findRoute('GET /v1/reports/17')).toEqual({ route, parameter: '17' });
    expect(findRoute('GET /v1/reports/last')).toEqual({ route, parameter: 'last' });
  });

  test.each(['GET /v1/reports/', 'GET /v1/reports/lastly', 'GET /v1/reports/1/2', 'GET /v1/reports/{number}'])(
    '%s is none',
    (asked) => expect(findRoute(asked)).toBeNull(),
  );

  test.each(['POST /v1/status', 'GET /v1/', 'GET toString', 'toString', 'GET undefined'])('%s is none', (asked) =>
    expect(findRoute(asked)).toBeNull(),
  );
});

test('every command with --json has its schema, and is run by a test', async () => {
  const program = await programOf(COMMAND_NAMES, () => {});
  const commands = program.commands
    .filter(({ options }) => options.some(({ long }) => long === '--json'))
    .map((command) => command.name());
  expect(commands.length).toBeGreaterThan(10);
  expect([...new Set([...commandOutputs.keys()].map((line) => line.split(' ')[0]))].sort()).toEqual(commands.sort());
  const run = [HOSTED_RUNS, PLAIN_RUNS, INSTALLED_RUNS].flatMap((runs) => Object.keys(runs));
  expect(run.sort()).toEqual([...commandOutputs.keys()].sort());
});

test('a schema tells what is there from what is not', () => {
  const schema: Schema = { $ref: '#/components/schemas/Readiness' };
  expect(complaint(schema, { ready: true, accepting: 1, stopping: false })).toBeNull();
  expect(complaint(schema, { ready: true, accepting: 1 })).toContain('stopping');
  expect(complaint(schema, { ready: true, accepting: 1, stopping: false, more: 1 })).toContain('more');
  expect(complaint(schema, { ready: 'yes', accepting: 1, stopping: false })).toContain('/ready');
});
