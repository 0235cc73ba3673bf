/** A supervisor that dies around a roll: while a release is verified, while a hook runs, before and after the commit. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sealRelease } from '../../src/release/seal.js';
import { SEAL_FILE } from '../../src/release/seal-format.js';
import { arm, type Fault, hasFallen } from '../support/faults/faults.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

/** Runs two folders below the service's, notes its name and the code, and waits for nothing once `go` is there. */
const NOTES =
  'echo $BATOND_HOOK-$BATOND_CODE >> ../../hooks; [ -e ../../go ] || { echo $BATOND_HOOK waits; sleep 300 & sleep 300; }';

const hooks = (...names: string[]) =>
  `[hooks]\n${names.map((name) => `${name} = ["sh", "-c", ${JSON.stringify(NOTES)}]`).join('\n')}\n`;

const ran = (service: HostedService) => readFileSync(join(service.folder, 'hooks'), 'utf8').trim().split('\n');
const lastOf = (service: HostedService) => service.history().at(-1);
const current = (service: HostedService) => readlinkSync(service.releases.current);

const untilLogged = (service: HostedService, text: string) =>
  eventually(
    () => service.log,
    (log) => log.includes(text),
    { what: () => `${text} is in the log:\n${service.log}` },
  );

/** The hooks of later reloads do not wait. */
const letGo = (service: HostedService) => writeFileSync(join(service.folder, 'go'), '');

describe('a supervisor that is killed', () => {
  test('while pre_reload runs: the reload has failed, once, and on_error hears of it', async () => {
    await using service = await HostedService.start({ toml: hooks('pre_reload') });
    service.configure({
      toml: `${hooks('pre_reload')}on_error = ["sh", "-c", "echo $BATOND_HOOK-$BATOND_CODE >> ../../hooks"]`,
    });
    const name = service.deploy('answers');
    const reload = service.reload();
    await untilLogged(service, '"pre_reload waits"');
    const after = await service.killSupervisor();
    expect(after.generations.map(({ number, role }) => [number, role])).toEqual([[1, 'incumbent']]);
    expect((await reload).verdict, service.log).toMatchObject({ ok: false, code: 'SUPERVISOR_DIED', generation: 1 });
    expect(service.history()).toMatchObject([
      { kind: 'start', generation: 1, verdict: 'serving' },
      { kind: 'reload', generation: null, verdict: 'refused', code: 'SUPERVISOR_DIED' },
    ]);
    expect(lastOf(service)?.release?.directory).toBe(service.releases.path(name));
    expect(ran(service)).toEqual(['pre_reload-', 'on_error-SUPERVISOR_DIED']);
    // What the hook had started went with it.
    await service.expectNoLeftovers();
    letGo(service);
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation: 2 });
    expect(service.history().map(({ verdict }) => verdict)).toEqual(['replaced', 'refused', 'serving']);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });

  test('while pre_reload of a rollback runs: what serves is still counted good, and the rollback can be asked for again', async () => {
    await using service = await HostedService.start();
    service.deploy('answers');
    expect((await service.reload()).status, service.log).toBe(0);
    service.configure({ toml: hooks('pre_reload') });
    const rollback = service.batond('rollback', '--json');
    await untilLogged(service, '"pre_reload waits"');
    await service.killSupervisor();
    expect((await rollback).stdout).toContain('"code":"SUPERVISOR_DIED"');
    expect(lastOf(service)).toMatchObject({ kind: 'rollback', generation: null, verdict: 'refused' });
    expect(lastOf(service)?.release?.directory).toBe(service.releases.path('r1'));
    letGo(service);
    const again = await service.batond('rollback', '--json');
    expect(again.status, again.stderr + service.log).toBe(0);
    expect(service.history()).toMatchObject([
      { verdict: 'replaced' },
      { verdict: 'rolledBack' },
      { verdict: 'refused', code: 'SUPERVISOR_DIED' },
      { kind: 'rollback', verdict: 'serving', generation: 3 },
    ]);
  });

  test('while post_reload runs: the reload is done, and the hook is not run twice', async () => {
    await using service = await HostedService.start({ toml: hooks('post_reload') });
    service.deploy('answers');
    const reload = service.reload();
    await untilLogged(service, '"post_reload waits"');
    await service.killSupervisor();
    expect((await reload).verdict, service.log).toMatchObject({ ok: true, code: null, generation: 2 });
    expect(ran(service)).toEqual(['post_reload-']);
    expect(service.history()).toMatchObject([
      { kind: 'start', generation: 1, verdict: 'replaced' },
      { kind: 'reload', generation: 2, verdict: 'serving', code: null },
    ]);
    await service.expectNoLeftovers();
    letGo(service);
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation: 3 });
    expect(service.history().map(({ verdict }) => verdict)).toEqual(['replaced', 'replaced', 'serving']);
    expect(ran(service)).toEqual(['post_reload-', 'post_reload-']);
  });

  test('while on_error runs: the verdict is the one that the roll came to', async () => {
    await using service = await HostedService.start({ toml: hooks('on_error') });
    service.deploy('exits-at-once');
    const reload = service.reload();
    await untilLogged(service, '"on_error waits"');
    await service.killSupervisor();
    expect((await reload).verdict, service.log).toMatchObject({ ok: false, code: 'CANDIDATE_EXITED', generation: 1 });
    expect(ran(service)).toEqual(['on_error-CANDIDATE_EXITED']);
    expect(service.history()).toMatchObject([
      { kind: 'start', verdict: 'serving' },
      { kind: 'reload', generation: 2, verdict: 'refused', code: 'CANDIDATE_EXITED' },
    ]);
    await service.expectNoLeftovers();
  });

  test('while a release is verified: it counts as refused, and the symlink is put back', async () => {
    await using service = await HostedService.start({ idle: true });
    service.configure({ toml: '[release]\ncurrent = "srv/current"\nverify = "manifest"\nrevert = true' });
    sealRelease(service.releases.path('r1'), { keyFile: null, without: [] });
    service.run();
    await service.untilServing();
    const hanging = service.releases.make('answers');
    execFileSync('mkfifo', [join(service.releases.path(hanging), SEAL_FILE)]);
    service.releases.pointTo(hanging);
    await untilLogged(service, `verifying ${hanging}@2.0.0`);
    await service.killSupervisor();
    expect(await service.untilJudged(hanging), service.log).toMatchObject({
      kind: 'watch',
      generation: null,
      verdict: 'refused',
      code: 'SUPERVISOR_DIED',
    });
    expect(current(service)).toBe('r1');
    const good = service.releases.make('answers');
    sealRelease(service.releases.path(good), { keyFile: null, without: [] });
    service.releases.pointTo(good);
    expect(await service.untilJudged(good), service.log).toMatchObject({ verdict: 'serving', generation: 2 });
    expect(service.history()).toHaveLength(3);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });
});

describe('a supervisor that is killed at a start which follows a live state that is lost', () => {
  const rows = (service: HostedService) =>
    service.history().map(({ kind, generation, verdict, code }) => [kind, generation, verdict, code]);

  async function startAnew(fault: Omit<Fault, 'signal'>): Promise<HostedService> {
    const service = await HostedService.start({ faults: true });
    const { supervisor } = await service.status();
    arm(service.folder, { ...fault, signal: 'SIGKILL' });
    rmSync(join(service.folder, 'run/live.json'));
    process.kill(supervisor.pid, 'SIGKILL');
    await eventually(
      () => hasFallen(service.folder),
      (fallen) => fallen,
      { what: () => `the next one has fallen too; log:\n${service.log}` },
    );
    await service.untilServing();
    return service;
  }

  test('between the commit and its word about it: the start is in the history', async () => {
    await using service = await startAnew({
      machine: 'roll',
      state: 'committing',
      event: 'committed',
      after: 'promote',
    });
    expect(rows(service), service.log).toEqual([
      ['start', 1, 'replaced', null],
      ['start', 2, 'serving', null],
    ]);
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation: 3 });
    await service.expectNoLeftovers();
  });
});

describe('the watch of a supervisor that adopts', () => {
  const WATCHED = '[release]\ncurrent = "srv/current"\ndebounce = "0s"';

  test('sees a switch that was made while there was no supervisor', async () => {
    await using service = await HostedService.start({ toml: WATCHED });
    const { supervisor } = await service.status();
    process.kill(service.hostPid, 'SIGSTOP');
    process.kill(supervisor.pid, 'SIGKILL');
    const name = service.deploy('answers');
    process.kill(service.hostPid, 'SIGCONT');
    expect(await service.untilJudged(name), service.log).toMatchObject({ kind: 'watch', verdict: 'serving' });
    expect(service.history().map(({ verdict }) => verdict)).toEqual(['replaced', 'serving']);
  });

  test('tries neither what serves nor what was refused again', async () => {
    await using service = await HostedService.start({ toml: WATCHED });
    await service.killSupervisor();
    const bad = service.deploy('exits-at-once');
    expect(await service.untilJudged(bad), service.log).toMatchObject({ verdict: 'refused' });
    await service.killSupervisor();
    await service.killSupervisor();
    const good = service.deploy('answers');
    expect(await service.untilJudged(good), service.log).toMatchObject({ verdict: 'serving' });
    expect(service.history().map(({ kind }) => kind)).toEqual(['start', 'watch', 'watch']);
  });
});
