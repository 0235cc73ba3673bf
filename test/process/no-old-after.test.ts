/** Several generations drain at once, each with its deadline; `--no-old-after` ends all of them by a given time. */
import { expect, test } from 'vitest';
import type { ReloadLine } from '../../src/control/messages.js';
import type { Report } from '../../src/inventory/report.js';
import { ask } from '../support/service/ask.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const SLOW = '/slow?ms=30000&chunks=300';

type OldGone = Extract<ReloadLine, { event: 'old-gone' }>;

function lines(stdout: string): ReloadLine[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ReloadLine);
}

test('status shows each draining generation with its deadline', async () => {
  await using service = await HostedService.start({ workers: 1 });
  await ask(service.port, SLOW);
  await service.reload();
  await ask(service.port, SLOW);
  await service.reload();
  const { generations, summary } = await service.status();
  const draining = generations.filter(({ role }) => role === 'draining');
  expect(draining.map(({ number }) => number)).toEqual([1, 2]);
  for (const { drainLeftMs } of draining) expect(drainLeftMs).toBeGreaterThan(20_000);
  expect(draining[0]!.drainLeftMs!).toBeLessThan(draining[1]!.drainLeftMs!);
  expect(summary).toContain('2 older generations still drain.');
  const { stdout } = await service.batond('status');
  expect(stdout).toMatch(/generation +1, drains, at most \d+ s more/);
});

test('no older generation runs after the time that a reload gives, and the command says what was cut', async () => {
  await using service = await HostedService.start({ workers: 1, app: 'ignores-sigterm' });
  const oldest = await ask(service.port, SLOW);
  await service.reload();
  const old = [await ask(service.port, SLOW), await ask(service.port, SLOW)];
  const started = performance.now();
  const { status, stdout, stderr } = await service.batond('reload', '--json', '--no-old-after', '2s');
  expect(status, stderr + service.log).toBe(0);
  const verdict = lines(stdout).find(({ event }) => event === 'verdict');
  const gone = lines(stdout).at(-1) as OldGone;
  expect(verdict).toMatchObject({ ok: true, generation: 3 });
  expect(gone).toMatchObject({ event: 'old-gone', cut: 3, killed: 2 });
  expect(gone.message).toBe('no older generation runs: 3 connections were cut, 2 workers were killed');
  expect(performance.now() - started).toBeLessThan(6_000);
  expect((await service.status()).generations.map(({ number }) => number)).toEqual([3]);
  for (const { body } of [oldest, ...old]) await expect(body).rejects.toThrow();
  const report = JSON.parse((await service.batond('report', '--json')).stdout) as Report;
  expect(report.drains.map(({ generation, cut }) => [generation, cut.noOldAfter]).sort()).toEqual([
    [1, 1],
    [2, 2],
  ]);
});

test('the command returns as soon as the old generations are gone by themselves', async () => {
  await using service = await HostedService.start({ workers: 1 });
  const slow = await ask(service.port, '/slow?ms=1000&chunks=10');
  const started = performance.now();
  const { status, stdout } = await service.batond('reload', '--no-old-after', '40s');
  expect(performance.now() - started).toBeLessThan(20_000);
  await slow.body;
  expect(status).toBe(0);
  expect(stdout).toContain('no older generation runs: nothing was cut');
});

test('the time, and who waits for it, survive the next reload', async () => {
  await using service = await HostedService.start({ workers: 1 });
  await ask(service.port, SLOW);
  const patient = service.batond('reload', '--json', '--no-old-after', '4s');
  await eventually(
    () => service.tryStatus(),
    (status) => status?.generations.some(({ role }) => role === 'draining') === true && status.state === 'serving',
    { what: () => `generation 1 drains; log:\n${service.log}` },
  );
  expect((await service.reload()).verdict).toMatchObject({ ok: true, generation: 3 });
  const { status, stdout, stderr } = await patient;
  expect(status, stderr + service.log).toBe(0);
  expect(lines(stdout).at(-1)).toMatchObject({ event: 'old-gone', cut: 1 });
  expect((await service.status()).generations.map(({ number }) => number)).not.toContain(1);
});

test('a time that is none is refused before anything is begun', async () => {
  await using service = await HostedService.start({ workers: 1 });
  const { status, stderr } = await service.batond('reload', '--no-old-after', 'soon');
  expect(status).toBe(64);
  expect(stderr).toContain('--no-old-after soon: a duration such as "60s"');
  expect(await service.generation()).toBe(1);
});
