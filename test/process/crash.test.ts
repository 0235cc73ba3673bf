/** A worker that crashes is replaced in its slot; a generation that cannot be kept ends the unit with its reason. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { whoAnswers } from '../support/service/ask.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const FRESH = { fresh: { perSecond: 100 } };

/** The entries of the log with this event, in their order. */
function entries(service: HostedService, event: string): Record<string, unknown>[] {
  return service.log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter((entry) => entry.event === event);
}

/** Waits until the slot of that worker has another that serves. */
function untilReplaced(service: HostedService, slot: number, pid: number) {
  return eventually(
    async () => (await service.tryStatus())?.generations.find(({ role }) => role === 'incumbent'),
    (incumbent) =>
      incumbent?.workers.some((one) => one.slot === slot && one.pid !== pid && one.phase === 'open') === true,
    { what: () => `slot ${slot} has a new worker; log:\n${service.log}` },
  );
}

describe('a worker that is killed', () => {
  test('is replaced in its slot, while the others serve and the generation stays', async () => {
    await using service = await HostedService.start();
    const load = await service.load({ modes: FRESH });
    const [victim, other] = (await service.status()).generations[0]!.workers;
    process.kill(victim!.pid, 'SIGKILL');
    const incumbent = await untilReplaced(service, victim!.slot, victim!.pid);
    expect(incumbent).toMatchObject({ number: 1 });
    expect(incumbent?.workers.map(({ slot }) => slot).sort()).toEqual([0, 1]);
    expect(incumbent?.workers.map(({ pid }) => pid)).toContain(other!.pid);
    // What the dying one held is lost with it; nobody else notices.
    const { refused, timedOut, wrong, outstanding, ok } = await load.stop();
    expect({ refused, timedOut, wrong, outstanding }).toEqual({ refused: 0, timedOut: 0, wrong: 0, outstanding: 0 });
    expect(ok).toBeGreaterThan(0);
    expect(service.log).toContain('"msg":"worker g1s0 was killed by SIGKILL"');
    await service.expectNoLeftovers();
  });

  test('and is the only one keeps nobody out: who connects meanwhile waits and is answered', async () => {
    await using service = await HostedService.start({ workers: 1, toml: '[restart]\ndelay = "500ms"' });
    const load = await service.load({ modes: FRESH });
    const [victim] = (await service.status()).generations[0]!.workers;
    process.kill(victim!.pid, 'SIGKILL');
    // Nobody serves now: this one is answered by the next worker, out of the queue of the listener.
    expect((await whoAnswers(service.port)).pid).not.toBe(victim!.pid);
    await untilReplaced(service, 0, victim!.pid);
    const { refused, timedOut, wrong, outstanding } = await load.stop();
    expect({ refused, timedOut, wrong, outstanding }).toEqual({ refused: 0, timedOut: 0, wrong: 0, outstanding: 0 });
    await service.expectNoLeftovers();
  });

  test('takes what it has started in its group with it', async () => {
    await using service = await HostedService.start({ app: 'has-a-helper', workers: 1 });
    const [victim] = (await service.status()).generations[0]!.workers;
    const helpers = () => service.processes().filter(({ command }) => command.startsWith('sleep'));
    const [helper] = helpers();
    expect(helper?.parentPid).toBe(victim!.pid);
    process.kill(victim!.pid, 'SIGKILL');
    await untilReplaced(service, 0, victim!.pid);
    await eventually(
      () => helpers().map(({ pid }) => pid),
      (pids) => pids.length === 1 && !pids.includes(helper!.pid),
      { what: () => 'only the helper of the new worker is left' },
    );
  });
});

test('the pauses before a worker that keeps crashing double, and are spread by chance', async () => {
  await using service = await HostedService.start({
    workers: 1,
    toml: '[restart]\ndelay = "100ms"\ndelay_max = "400ms"\n[upgrade]\nregret = "0s"',
  });
  const pauses: number[] = [];
  for (let n = 0; n < 4; n++) {
    const { pid, slot } = (await service.status()).generations[0]!.workers[0]!;
    process.kill(pid, 'SIGKILL');
    await untilReplaced(service, slot, pid);
    const [crash, start] = [entries(service, 'crash').at(-1)!, entries(service, 'worker-started').at(-1)!];
    expect(crash.inARow).toBe(n + 1);
    pauses.push(Number(start.time) - Number(crash.time));
  }
  // Each at least its own time less a quarter; how late a busy machine is says nothing.
  for (const [n, atLeast] of [75, 150, 300, 300].entries())
    expect(pauses[n], `${pauses}`).toBeGreaterThanOrEqual(atLeast - 2);
  await service.expectNoLeftovers();
});

describe('a generation that cannot be kept', () => {
  test('and has no other to go back to ends the unit with the reason', async () => {
    const toml = '[restart]\nlimit = 2\ndelay = "50ms"';
    await using service = await HostedService.start({ app: 'dies-when-told', toml });
    writeFileSync(join(service.releases.current, 'fatal'), '');
    expect(await service.exit, service.log).toBe(70);
    const [lost] = entries(service, 'lost');
    expect(lost?.msg).toContain(
      'generation 1 cannot be kept: its workers keep ending, the last one exited with status ',
    );
    expect(lost?.msg).toContain('the disk of the database is full');
    expect(lost?.code).toBe('GENERATION_LOST');
    expect(service.log).not.toContain('the supervisor died');
    await eventually(
      () => service.processes(),
      (processes) => processes.length === 0,
      { what: () => `no process is left; log:\n${service.log}` },
    );
  });
});
