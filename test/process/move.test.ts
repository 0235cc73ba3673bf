/** Open connections move to the new generation: the old one is gone in a moment though its clients never disconnect. */
import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { arm, hasFallen } from '../support/faults/faults.js';
import { MAIN, NODE } from '../support/service/batond.js';
import { HeldAnswer } from '../support/service/held-answer.js';
import { HostedService } from '../support/service/hosted.js';
import { expectNobodyClosed, untilIdle } from '../support/service/open-connections.js';
import { eventually } from '../support/service/wait.js';

const LONG = process.env.BATOND_LONG === '1';
const INTERVAL_MS = 1_000;
const PATIENT = { KEEP_ALIVE_MS: '120000' };

/** Reloads, and measures how long the old generation still lived after its commit. */
async function reloadTimed(service: HostedService): Promise<number> {
  const { status, stderr } = await service.reload();
  expect(status, stderr + service.log).toBe(0);
  const start = performance.now();
  await service.untilDrained(INTERVAL_MS);
  return performance.now() - start;
}

test(`${LONG ? 100 : 10} reloads under 64 busy and 500 idle connections close none, and each old generation goes at once`, async () => {
  await using service = await HostedService.start({ env: PATIENT });
  const modes = { keepAlive: { connections: 64, gapMs: [0, 50] as const }, idle: { connections: 500 } };
  const load = await service.load({ modes });
  await untilIdle(load, 500);
  const lingered: number[] = [];
  for (let n = 0; n < (LONG ? 100 : 10); n++) {
    const start = performance.now();
    service.deploy('answers');
    lingered.push(await reloadTimed(service));
    const left = INTERVAL_MS - (performance.now() - start);
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
  }
  const result = await load.stop();
  console.log(
    `old generations seen for ${lingered.map(Math.round)} ms; p99 ${result.latency.p99} ms, longest silence ${result.longestSilence.ms} ms`,
  );
  expectNobodyClosed(result, 564, service.log);
  await service.expectNoLeftovers();
}, 300_000);

test('a rollback moves back what the candidates had accepted', async () => {
  await using service = await HostedService.start({ env: PATIENT, faults: true });
  const [incumbent] = (await service.status()).generations;
  const busy = await service.load({ modes: { keepAlive: { connections: 16, gapMs: [0, 50] } } });
  // An old worker that does not answer holds the switch open, with the candidates accepting.
  const { pid } = incumbent!.workers[1]!;
  arm(service.folder, { machine: 'roll', state: 'switching', event: 'opened', signal: 'SIGSTOP', pid });
  service.deploy('answers');
  const client = spawn(NODE, [MAIN, 'reload', '--name', 'shop'], { env: service.env, stdio: 'ignore' });
  try {
    await eventually(
      () => hasFallen(service.folder),
      (fallen) => fallen,
      { what: () => `the candidates accept; log:\n${service.log}` },
    );
    const idle = await service.load({ modes: { idle: { connections: 50 } } });
    await untilIdle(idle, 50);
    expect((await idle.snapshot()).releases.map(({ release }) => release)).toContain('r2');
    // Who asked goes away, so the roll fails although no candidate did.
    client.kill('SIGKILL');
    await eventually(
      () => service.log,
      (log) => log.includes('generation 1 keeps serving'),
      { what: () => `the roll fails; log:\n${service.log}` },
    );
    process.kill(pid, 'SIGCONT');
    const status = await service.untilDrained();
    expect(status.generations[0]).toMatchObject({ number: 1, release: 'r1@1.0.0' });
    expectNobodyClosed(await idle.stop(), 50, service.log);
  } finally {
    client.kill('SIGKILL');
    process.kill(pid, 'SIGCONT');
  }
  expectNobodyClosed(await busy.stop(), 16, service.log);
  await service.expectNoLeftovers();
});

test.runIf(LONG)(
  '10,000 idle connections move in one reload',
  async () => {
    await using service = await HostedService.start({ env: PATIENT });
    const active = await service.load({ modes: { keepAlive: { connections: 16, gapMs: [0, 20] } } });
    // Each process may have 20,000 descriptors, and so may each worker.
    const idle = [
      await service.load({ modes: { idle: { connections: 5_000 } } }),
      await service.load({ modes: { idle: { connections: 5_000 } } }),
    ];
    for (const load of idle) await untilIdle(load, 5_000);
    const before = await active.snapshot();
    service.deploy('answers');
    const { status, stderr, verdict } = await service.reload();
    expect(status, stderr + service.log).toBe(0);
    const committed = performance.now();
    await service.untilDrained(20_000);
    const drainedMs = performance.now() - committed;
    const after = await active.stop();
    console.log(
      `reload ${verdict?.durationMs} ms, drained ${Math.round(drainedMs)} ms later; ` +
        `slowest answer to an active client ${after.latency.max} ms (${before.latency.max} ms before), ` +
        `longest time without any ${after.longestSilence.ms} ms`,
    );
    for (const load of idle) expectNobodyClosed(await load.stop(), 5_000, service.log);
    expectNobodyClosed(after, 16, service.log);
    await service.expectNoLeftovers();
  },
  200_000,
);

test('connections move to a worker that was started again while they were being answered', async () => {
  await using service = await HostedService.start({ env: PATIENT, workers: 1, toml: '[restart]\ndelay = "50ms"' });
  const clients = await Promise.all(Array.from({ length: 4 }, () => HeldAnswer.begin(service.port)));
  service.deploy('answers');
  expect((await service.reload()).status, service.log).toBe(0);
  const incumbent = async () => {
    const { generations } = await service.status();
    return generations.find(({ role }) => role === 'incumbent')!.workers[0];
  };
  const crashed = (await incumbent())!.pid;
  process.kill(crashed, 'SIGKILL');
  const restarted = await eventually(
    incumbent,
    (worker) => worker !== undefined && worker.pid !== crashed && worker.phase === 'open',
    { what: () => `the crashed worker is there again; log:\n${service.log}` },
  );
  for (const client of clients) client.finish();
  await service.untilDrained();
  for (const client of clients) expect(await client.askAgain()).toEqual({ reused: true, pid: restarted!.pid });
  await service.expectNoLeftovers();
});
