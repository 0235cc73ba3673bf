/** What load balancers are told, over reloads and the death of a supervisor, and what `batond health` says of it. */
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
    expect(service.log).toContain('the service is OK, it was DEGRADED');

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
