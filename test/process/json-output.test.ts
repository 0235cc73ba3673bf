/** What commands print with --json, and what the control socket answers, is what their schemas say. */
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HOSTED_RUNS, PLAIN_RUNS } from '../support/json/runs.js';
import { complaint, openApi, outputComplaint, type Schema } from '../support/json/schemas.js';
import { batond, ROOT } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const TOML = `
[upgrade]
soak = "1s"
canary = [{ weight = 0.5, for = "1s" }]

[[service.process]]
name = "queue"
command = ["sleep", "1000"]
tier = "auxiliary"
`;

test('every command prints with --json what its schema says', async () => {
  await using service = await HostedService.start({ app: 'tells-health', env: { BATOND: ROOT }, toml: TOML });
  service.deploy('answers');
  const { generations } = await service.status();
  process.kill(generations[0]!.workers[0]!.pid, 'SIGSEGV');
  await eventually(
    async () => (await service.batond('crashes', '--json')).stdout,
    (text) => text.includes('SIGSEGV'),
    { what: () => 'a crash is kept' },
  );
  for (const [line, [command, ...args]] of Object.entries(HOSTED_RUNS)) {
    const { stdout, stderr } = await service.batond(command!, ...args, '--json');
    expect({ line, stderr, wrong: outputComplaint(line, stdout) }).toEqual({ line, stderr: '', wrong: null });
  }
  for (const [line, args] of Object.entries(PLAIN_RUNS)) {
    const words = args.map((word) => word.replace('RELEASE', service.releases.path('r2')));
    const { stdout, stderr } = await batond([...words, '--json'], service.env, service.folder);
    expect({ line, stderr, wrong: outputComplaint(line, stdout) }).toEqual({ line, stderr: '', wrong: null });
  }
  const { stdout } = await service.batond('report', '--json');
  expect(Object.keys(JSON.parse(stdout))).toEqual(expect.arrayContaining(['phases', 'drains', 'peak']));

  // What no command asks for.
  const socketPath = join(service.folder, 'run/control.sock');
  const ask = (path: string) =>
    new Promise<string>((resolve, reject) => {
      const asked = request({ socketPath, path }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      });
      asked.on('error', reject).end();
    });
  const schemaOf = (path: string, status: string) =>
    (openApi.paths[path]!.get as { responses: Record<string, { content: Record<string, { schema: Schema }> }> })
      .responses[status]!.content['application/json']!.schema;
  for (const path of ['/v1', '/readyz', '/livez', '/healthz']) {
    expect(complaint(schemaOf(path, '200'), JSON.parse(await ask(path)))).toBeNull();
  }
  expect(JSON.parse(await ask('/v1/openapi.json'))).toEqual(openApi);
  const refusal = JSON.parse(await ask('/v1/reports/99'));
  expect(complaint(schemaOf('/v1/reports/{number}', '404'), refusal)).toBeNull();
  expect(complaint(schemaOf('/v1/reports/{number}', 'default'), JSON.parse(await ask('/v1/nothing')))).toBeNull();
});
