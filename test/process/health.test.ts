/** What load balancers are told, over reloads and the death of a supervisor, and what `batond health` says of it. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { HealthReport } from '../../src/control/messages.js';
import { ROOT } from '../support/service/batond.js';
import { freePort } from '../support/service/free-port.js';
import { HostedService } from '../support/service/hosted.js';
import { askOnce, Poller } from '../support/service/poller.js';
import { eventually } from '../support/service/wait.js';

const at = (port: number) => ({ host: '127.0.0.1', port });

describe('the admin listener', () => {
  test('answers every probe of a load balancer over three reloads and the death of the supervisor', async () => {
    const port = await freePort();
    await using service = await HostedService.start({ toml: `[admin]\nlisten = "${port}"` });
    const [ready, health] = [new Poller(at(port), '/readyz'), new Poller(at(port), '/healthz')];
    for (const generation of [2, 3, 4]) {
      service.deploy('answers');
      expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation });
    }
    const { pid } = (await service.status()).supervisor;
    // A probe that the dying one has read is lost with it; those that come after wait for the next supervisor.
    const stopped = [await health.stop()];
    await ready.between(() => process.kill(pid, 'SIGKILL'));
    await service.untilAdopted(pid);
    stopped.push(await ready.stop());
    for (const { answers, asked } of stopped) {
      expect(answers, service.log).toEqual({ 200: asked });
      expect(asked).toBeGreaterThan(10);
    }
    const { body } = await askOnce<HealthReport>(at(port), '/healthz');
    expect(body).toMatchObject({ status: 'ok', level: 'OK', generation: 4, accepting: 2, release: 'r4@4.0.0' });
    expect(body.workers).toMatchObject([
      { slot: 0, phase: 'open', level: 'OK', answered: true },
      { slot: 1, phase: 'open', level: 'OK', answered: true },
    ]);
    expect((await askOnce(at(port), '/livez')).body).toEqual({ alive: true });
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });

  test('follows its configuration at a reload, and one that cannot be had refuses it', async () => {
    const [first, second] = [await freePort(), await freePort()];
    await using service = await HostedService.start({ toml: `[admin]\nlisten = "${first}"` });
    service.configure({ toml: `[admin]\nlisten = "127.0.0.1:${service.port}"` });
    const { verdict } = await service.reload();
    expect(verdict, service.log).toMatchObject({ ok: false, code: 'LISTENER_NOT_BOUND', generation: 1 });
    expect((await askOnce(at(first), '/readyz')).status).toBe(200);
    service.configure({ toml: `[admin]\nlisten = "${second}"` });
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true });
    expect((await askOnce(at(second), '/readyz')).status).toBe(200);
    await expect(askOnce(at(first), '/readyz')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    service.configure({});
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true });
    await expect(askOnce(at(second), '/readyz')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('batond health', () => {
  test('tells a crash as what it is, until it is of the past, and what an app says of itself', async () => {
    await using service = await HostedService.start({
      app: 'tells-health',
      env: { BATOND: ROOT },
      toml: '[restart]\ndelay = "1ms"\n[health]\ndegraded_within = "2s"\nunhealthy_within = "2s"\nrecover_samples = 1',
    });
    const well = await service.batond('health');
    expect(well.stdout, service.log).toContain('shop: ok');
    expect(well.status).toBe(0);
    for (let crashes = 0; crashes < 2; crashes++) {
      const [victim] = (await service.status()).generations[0]!.workers.filter(({ slot }) => slot === 0);
      process.kill(victim!.pid, 'SIGKILL');
      await eventually(
        async () => (await service.status()).generations[0]!.workers.find(({ slot }) => slot === 0),
        (worker) => worker !== undefined && worker.pid !== victim!.pid && worker.phase === 'open',
        { what: () => `slot 0 serves again; log:\n${service.log}` },
      );
    }
    expect(service.log).toContain('"health":"DEGRADED"');
    await eventually(
      () => service.batond('health', '--json'),
      ({ status, stdout }) => status === 0 && (JSON.parse(stdout) as HealthReport).level === 'OK',
      { deadlineMs: 20_000, what: () => `it is OK again; log:\n${service.log}` },
    );
    await eventually(
      () => service.log,
      (log) => log.includes('the service is OK, it was DEGRADED'),
      { what: () => `the journal says so; log:\n${service.log}` },
    );

    const one = await service.batond('health', '--probe', 'queue', '--json');
    expect(JSON.parse(one.stdout).checks.queue).toMatchObject({
      status: 'ok',
      workers: [
        { slot: 0, facts: { depth: 0 } },
        { slot: 1, facts: { depth: 0 } },
      ],
    });
    await askOnce(at(service.port), '/queue?status=down');
    const half = await eventually(
      () => service.batond('health', '--probe', 'queue'),
      ({ status }) => status === 1,
      { what: () => `one worker is down; log:\n${service.log}` },
    );
    expect(half.stdout).toContain('queue: degraded');
    const unknown = await service.batond('health', '--probe', 'disk');
    expect(unknown).toMatchObject({ status: 1 });
    expect(unknown.stderr).toContain('no worker has a check disk: there is queue');
  });
});

/** The worker that answers there now, by its own word. */
const pidOf = async (service: HostedService) => (await askOnce<{ pid: number }>(at(service.port), '/')).body.pid;

const phases = async (service: HostedService) =>
  (await service.status()).generations.find(({ role }) => role === 'incumbent')!.workers.map(({ phase }) => phase);

describe('a readiness probe that fails', () => {
  test('holds one worker back until it succeeds, never the last one, and over a takeover and a death', async () => {
    await using service = await HostedService.start({
      app: 'tells-health',
      env: { BATOND: ROOT },
      toml: '[probe.readiness]\ncheck = "queue"\ninterval = "100ms"\nfailures = 2\n[restart]\ndelay = "1s"',
    });
    const seen = async (wanted: string[]) =>
      eventually(
        () => phases(service),
        (found) => JSON.stringify([...found].sort()) === JSON.stringify(wanted),
        { what: () => `its workers are ${wanted.join(', ')}; log:\n${service.log}` },
      );
    await askOnce(at(service.port), '/queue?status=down');
    await seen(['open', 'paused']);
    // The other one, which alone accepts now.
    const last = await pidOf(service);
    await service.killSupervisor();
    expect(await phases(service)).toContain('paused');
    await askOnce(at(service.port), '/queue?status=down');
    await eventually(
      () => service.batond('health', '--probe', 'queue'),
      ({ stdout }) => stdout.includes('queue: down'),
      { what: () => 'both say that they are down' },
    );
    expect(await pidOf(service)).toBe(last);
    await seen(['open', 'paused']);
    const held = (await service.status()).generations[0]!.workers.find(({ phase }) => phase === 'paused')!;
    // The last one ends: the one held back accepts, since nobody else is there, until there is another.
    process.kill(last, 'SIGKILL');
    expect(await pidOf(service)).toBe(held.pid);
    await seen(['open', 'paused']);
    expect(await pidOf(service)).not.toBe(held.pid);
    process.kill(held.pid, 'SIGUSR2');
    await seen(['open', 'open']);
    service.deploy('answers');
    // What went wrong here is still in the windows, and it is UNHEALTHY by it.
    expect((await service.batond('reload', '--force')).status, service.log).toBe(0);
    expect(await service.generation()).toBe(2);
    await service.expectNoLeftovers();
  });
});

describe('a liveness probe that fails', () => {
  test('ends the worker, whose slot is started again and asked for its startup before it accepts', async () => {
    await using service = await HostedService.start({
      app: 'tells-health',
      workers: 1,
      env: { BATOND: ROOT },
      toml: [
        '[probe.startup]',
        'path = "/"',
        'interval = "50ms"',
        '[probe.liveness]',
        'path = "/"',
        'interval = "100ms"',
        'failures = 2',
      ].join('\n'),
    });
    const before = await pidOf(service);
    await askOnce(at(service.port), '/ill');
    const after = await eventually(
      () => pidOf(service).catch(() => before),
      (pid) => pid !== undefined && pid !== before,
      { what: () => `another worker answers; log:\n${service.log}` },
    );
    expect(service.log).toContain('worker g1s0 is ended, since its liveness probe fails: SIGTERM');
    expect(await phases(service)).toEqual(['open']);
    expect((await service.status()).generations[0]!.workers[0]!.pid).toBe(after);
    await service.expectNoLeftovers();
  });
});

describe.runIf(spawnSync('python3', ['--version']).status === 0)('a command that says WATCHDOG=1', () => {
  test('is ended and started again when it is silent, and its STATUS= is shown', async () => {
    await using service = await HostedService.start({
      app: 'speaks-sd-notify',
      workers: 1,
      program: 'command = ["python3", "server.py"]',
      toml: (port) =>
        `[probe.startup]\nnotify = true\ninterval = "100ms"\n[probe.liveness]\nnotify = true\ninterval = "500ms"\n` +
        `failures = 1\n[[listener]]\nname = "http"\naddress = "127.0.0.1:${port}"`,
    });
    const [before] = (await service.status()).generations[0]!.workers;
    expect(before?.said).toBe('serving');
    // The signs that it gives meanwhile are read by the next supervisor.
    await service.killSupervisor();
    const kept = await service.status();
    expect(kept.generations[0]!.workers[0]).toMatchObject({ pid: before!.pid, said: 'serving' });
    await askOnce(at(service.port), '/hush');
    await eventually(
      async () => (await service.status()).generations[0]!.workers[0],
      (worker) => worker !== undefined && worker.pid !== before!.pid && worker.phase === 'open',
      { what: () => `another worker serves; log:\n${service.log}` },
    );
    expect(service.log).toMatch(/worker g1s0 has failed its liveness probe: it has not said WATCHDOG=1 for \d+ ms/);
    await service.expectNoLeftovers();
  });
});

describe('a startup probe', () => {
  test('is asked until it succeeds, and a candidate that never does is refused with what it answered', async () => {
    await using service = await HostedService.start({
      toml: '[upgrade]\nready_timeout = "2s"\n[probe.startup]\npath = "/"\ninterval = "50ms"\nsuccesses = 2',
    });
    service.deploy('is-unhealthy');
    const { verdict } = await service.reload();
    expect(verdict, service.log).toMatchObject({ ok: false, code: 'CANDIDATE_NOT_ANSWERING', generation: 1 });
    expect(verdict?.message).toContain('/ answered 503, and no success within 2 s');
    service.deploy('answers');
    expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true });
  });
});

test('a generation that stays UNHEALTHY within upgrade.regret makes way for the last good release', async () => {
  await using service = await HostedService.start({
    env: { BATOND: ROOT },
    toml: [
      '[health]',
      'regret_after = "300ms"',
      'unhealthy_failures = 2',
      '[probe.readiness]',
      'path = "/"',
      'interval = "100ms"',
    ].join('\n'),
  });
  const load = await service.load({ modes: { fresh: { perSecond: 20 } } });
  service.deploy('is-unhealthy');
  await service.reload();
  const last = await eventually(
    () => service.history(),
    (entries) => entries.at(-1)?.kind === 'regret',
    { deadlineMs: 20_000, what: () => `it was regretted; log:\n${service.log}` },
  );
  expect(last.at(-1)).toMatchObject({ code: 'GENERATION_LOST', generation: 3 });
  expect(last.at(-1)?.message).toContain('UNHEALTHY for 0.3 s (health.regret_after)');
  expect((await askOnce<{ release: string }>(at(service.port), '/')).body.release).toBe('r1');
  const { refused, reset, timedOut, outstanding } = await load.stop();
  expect({ refused, reset, timedOut, outstanding }).toEqual({ refused: 0, reset: 0, timedOut: 0, outstanding: 0 });
});
