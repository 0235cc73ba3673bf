/** Hooks: what they are told, what their failure means, and that none of them outlives its deadline. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

/** Shell commands by the name of their hook; they run two folders below the service's. */
async function hooked(hooks: Record<string, string>, timeout = '20s'): Promise<HostedService> {
  const lines = Object.entries(hooks).map(([name, script]) => `${name} = ["sh", "-c", ${JSON.stringify(script)}]`);
  return HostedService.start({ toml: `[hooks]\ntimeout = "${timeout}"\n${lines.join('\n')}` });
}

const untilLogged = (service: HostedService, text: string) =>
  eventually(
    () => service.log,
    (log) => log.includes(text),
    { what: () => `${text} is in the log:\n${service.log}` },
  );

function environment(service: HostedService, file: string): Record<string, string> {
  const lines = readFileSync(join(service.folder, file), 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.split('=', 1)[0]!, line.slice(line.indexOf('=') + 1)]));
}

test('are told what happens, before and after, and their output is in the log line by line', async () => {
  await using service = await hooked({
    pre_reload:
      'env | grep -E "^BATOND_|^PORT=|^NOTIFY_SOCKET=" > ../../pre; pwd; echo one; echo two >&2; printf three',
    post_reload: 'env | grep ^BATOND_ > ../../post',
  });
  const name = service.deploy('answers');
  const { status, stdout, verdict } = await service.reload();
  expect(status, service.log).toBe(0);
  const steps = stdout.split('\n').flatMap((line) => /"step":"(\w+)"/.exec(line)?.[1] ?? []);
  expect(steps).toEqual(['takeover', 'hook', 'boot', 'probe', 'switch', 'commit', 'hook']);
  expect(environment(service, 'pre')).toEqual({
    BATOND_NAME: 'shop',
    BATOND_HOOK: 'pre_reload',
    BATOND_KIND: 'reload',
    BATOND_GENERATION: '2',
    BATOND_RELEASE: `${name}@2.0.0`,
    BATOND_DIRECTORY: service.releases.path(name),
    BATOND_FROM_GENERATION: '1',
    BATOND_FROM_RELEASE: 'r1@1.0.0',
    BATOND_FROM_DIRECTORY: service.releases.path('r1'),
    PORT: String(service.port),
  });
  expect(environment(service, 'post')).toMatchObject({
    BATOND_HOOK: 'post_reload',
    BATOND_GENERATION: '2',
    BATOND_CODE: '',
    BATOND_MESSAGE: `generation 2 (${name}@2.0.0) serves`,
  });
  const output = [...service.log.matchAll(/"event":"hook-output","hook":"pre_reload","msg":"([^"]*)"/g)];
  expect(output.map(([, line]) => line)).toEqual([service.releases.path(name), 'one', 'two', 'three']);
  expect(verdict?.message).toBe(`generation 2 (${name}@2.0.0) serves`);
  const { phases } = JSON.parse((await service.batond('report', '--json')).stdout);
  expect(phases.map(({ phase }: { phase: string }) => phase)).toContain('hook');
  await service.expectNoLeftovers();
});

test('pre_reload that fails refuses the reload with its last lines, and on_error hears of it', async () => {
  await using service = await hooked({
    pre_reload: 'echo migrating; echo the column is there already >&2; exit 4',
    on_error: 'env | grep ^BATOND_ > ../../error; pwd; exit 5',
  });
  service.deploy('answers');
  const { status, verdict } = await service.reload();
  expect(status).toBe(1);
  expect(verdict).toMatchObject({ ok: false, code: 'HOOK_FAILED', generation: 1 });
  expect(verdict?.message).toBe(
    'the hook pre_reload exited with status 4: migrating / the column is there already; generation 1 keeps serving',
  );
  expect(environment(service, 'error')).toMatchObject({
    BATOND_HOOK: 'on_error',
    BATOND_CODE: 'HOOK_FAILED',
    BATOND_MESSAGE: verdict?.message,
    BATOND_RELEASE: 'r2@2.0.0',
  });
  // Not in the folder that was refused.
  expect(service.log).toContain(`"hook":"on_error","msg":"${service.releases.path('r1')}"`);
  expect((await service.status()).generations.map(({ number }) => number)).toEqual([1]);
  expect(service.history().at(-1)).toMatchObject({ generation: null, verdict: 'refused', code: 'HOOK_FAILED' });
  await service.expectNoLeftovers();
});

test('on_error hears of every failure, also of a takeover that failed, and changes no verdict', async () => {
  await using service = await hooked({ on_error: 'echo $BATOND_CODE >> ../../codes; exit 1' });
  service.deploy('exits-at-once');
  expect(await service.reload()).toMatchObject({ status: 1, verdict: { code: 'CANDIDATE_EXITED' } });
  service.deploy('answers');
  const config = readFileSync(join(service.folder, 'batond.toml'), 'utf8');
  service.writeConfig(config.replace('name = "shop"', 'name = "other"'));
  expect(await service.reload()).toMatchObject({ status: 1, verdict: { code: 'SUCCESSOR_REFUSED' } });
  expect(readFileSync(join(service.folder, 'codes'), 'utf8')).toBe('CANDIDATE_EXITED\nSUCCESSOR_REFUSED\n');
});

test('post_reload that fails is a warning: the reload is done', async () => {
  await using service = await hooked({ post_reload: 'exit 7' });
  service.deploy('answers');
  const { status, verdict } = await service.reload();
  expect(status).toBe(0);
  expect(verdict).toMatchObject({ ok: true, code: null, generation: 2 });
  expect(verdict?.message).toContain('serves; but the hook post_reload exited with status 7');
  expect(service.log).toMatch(/"level":40[^\n]*"event":"hook-failed"/);
});

test('are killed at their deadline, with what they have started', async () => {
  await using service = await hooked({ pre_reload: 'sleep 300 & echo waiting; sleep 300' }, '500ms');
  const { verdict } = await service.reload();
  expect(verdict?.code).toBe('HOOK_FAILED');
  expect(verdict?.message).toContain('was not done within hooks.timeout (0.5 s): waiting');
  await service.expectNoLeftovers();
});

test('that cannot be started fail as others do', async () => {
  await using service = await HostedService.start({ toml: '[hooks]\npre_reload = ["./migrate.sh"]' });
  const { verdict } = await service.reload();
  expect(verdict?.code).toBe('HOOK_FAILED');
  expect(verdict?.message).toContain('could not be started: there is no runtime ./migrate.sh');
});

test('are part of the reload: another one is told that it is under way', async () => {
  const waits = 'echo $BATOND_HOOK waits; while [ ! -e ../../go-$BATOND_HOOK ]; do sleep 0.02; done';
  await using service = await hooked({ pre_reload: waits, post_reload: waits });
  const reload = service.reload();
  for (const hook of ['pre_reload', 'post_reload']) {
    await untilLogged(service, `"${hook} waits"`);
    expect(await service.tryStatus()).toMatchObject({ state: 'reloading' });
    expect((await service.status()).summary).toContain(`The hook ${hook} runs.`);
    expect((await service.batond('reload')).status).toBe(75);
    writeFileSync(join(service.folder, `go-${hook}`), '');
  }
  expect((await reload).status).toBe(0);
  expect(await service.tryStatus()).toMatchObject({ state: 'serving' });
});

test('are ended when the service stops', async () => {
  await using service = await hooked({ pre_reload: 'echo waits; sleep 300 & sleep 300' });
  const reload = service.reload();
  await untilLogged(service, '"waits"');
  expect(await service.stop()).toBe(0);
  expect((await reload).status).not.toBe(0);
});
