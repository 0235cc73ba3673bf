/** Every row of the table of rules with a real process: it ends in that way, and what the rule says is done. */
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/control/messages.js';
import { NODE } from '../support/service/batond.js';
import { type HostedOptions, HostedService } from '../support/service/hosted.js';
import { MemoryGroupFolder, whyNoMemoryGroup } from '../support/service/memory-group.js';
import { eventually } from '../support/service/wait.js';

type Way = { readonly status: number } | { readonly signal: NodeJS.Signals } | { readonly way: string };
type Entry = Record<string, unknown>;

const TOML = `
on_dependency_failure = { DEPENDENCY = "the standby" }

[upgrade]
regret = "0s"

[restart]
delay = "20ms"
delay_max = "100ms"
stable = "1h"
limit = 100

[[healing.rule]]
name = "licence"
status = 7
action = "retry"
delay = "50ms"

[[healing.rule]]
signal = "SIGHUP"
action = "keep"
`;

const start = (options: HostedOptions = {}) =>
  HostedService.start({ app: 'ends-as-told', toml: TOML, env: { DEPENDENCY: 'the first' }, ...options });

/** The entries of the log with this event, in their order. */
function entries({ log }: HostedService, event: string): Entry[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('{"level"'))
    .map((line) => JSON.parse(line))
    .filter((entry) => entry.event === event);
}

const incumbentOf = (status: Status | null) => status?.generations.find(({ role }) => role === 'incumbent');
const inFolder = (service: HostedService, name: string) => join(service.releases.current, name);

/** The worker of the slot, when it can be told to end: it says so by itself. */
async function untilStarted(service: HostedService, slot: number, notPid = 0): Promise<number> {
  const last = () => entries(service, 'worker-started').findLast((entry) => entry.slot === slot)?.pid;
  const pid = await eventually(last, (one) => one !== undefined && one !== notPid && isStarted(service, Number(one)), {
    deadlineMs: 20_000,
    what: () => `slot ${slot} has another worker than ${notPid}; log:\n${service.log}`,
  });
  return Number(pid);
}

/** The worker of the slot, when it serves. */
async function untilOpen(service: HostedService, slot: number, notPid = 0): Promise<number> {
  const status = await eventually(
    () => service.tryStatus(),
    (seen) =>
      incumbentOf(seen)?.workers.some((one) => one.slot === slot && one.pid !== notPid && one.phase === 'open') ===
      true,
    { deadlineMs: 20_000, what: () => `slot ${slot} serves; log:\n${service.log}` },
  );
  return incumbentOf(status)!.workers.find((one) => one.slot === slot)!.pid;
}

/** Lets that worker end, and returns the entry of what was decided. */
async function end(service: HostedService, slot: number, pid: number, way: Way): Promise<Entry> {
  writeFileSync(inFolder(service, 'end'), JSON.stringify(way));
  process.kill(pid, 'SIGUSR2');
  return decided(service, slot, pid);
}

async function decided(service: HostedService, slot: number, pid: number): Promise<Entry> {
  const found = () => entries(service, 'healing').find((entry) => entry.slot === slot && entry.pid === pid);
  const entry = await eventually(found, (one) => one !== undefined, {
    deadlineMs: 20_000,
    what: () => `it is decided what becomes of slot ${slot}; log:\n${service.log}`,
  });
  return entry!;
}

/** What a worker that has been started says of itself. */
const saidBy = ({ log }: HostedService, pid: number) =>
  log
    .split('\n')
    .filter((line) => line.startsWith('{"started"'))
    .map((line) => JSON.parse(line))
    .find(({ started }) => started === pid);
const isStarted = (service: HostedService, pid: number) => saidBy(service, pid) !== undefined;
const dependencyOf = (service: HostedService, pid: number) => saidBy(service, pid)?.dependency;

describe('in one service', () => {
  test('each way to end is followed by its rule', async () => {
    await using service = await start({ workers: 4 });
    let pid = await untilStarted(service, 0);
    const rows: [Way, Entry][] = [
      [{ status: 0 }, { rule: 'ended', action: 'restart', code: 0 }],
      [{ status: 3 }, { rule: 'status', action: 'restart', code: 3 }],
      [{ status: 101 }, { rule: 'temporary', action: 'retry', code: 101, delayMs: 2_000 }],
      [{ status: 105 }, { rule: 'dependency-unavailable', action: 'backoff', code: 105 }],
      [{ signal: 'SIGSEGV' }, { rule: 'signal', action: 'restart', signal: 'SIGSEGV', cause: null }],
      [{ signal: 'SIGABRT' }, { rule: 'signal', action: 'restart', signal: 'SIGABRT' }],
      [{ signal: 'SIGKILL' }, { rule: 'signal', action: 'restart', signal: 'SIGKILL', cause: null }],
      [{ way: 'misspeaks' }, { rule: 'channel', action: 'restart', signal: 'SIGKILL', cause: 'channel' }],
      [{ status: 7 }, { rule: 'licence', action: 'retry', code: 7, delayMs: 50 }],
    ];
    for (const [way, expected] of rows) {
      expect(await end(service, 0, pid, way), JSON.stringify(way)).toMatchObject(expected);
      pid = await untilStarted(service, 0, pid);
      expect(dependencyOf(service, pid)).toBe('the first');
    }
    // What something else is to blame for is no crash, and ends no row of them.
    expect(entries(service, 'crash').map(({ inARow }) => inARow)).toEqual([1, 2, 3, 4, 5, 6]);

    // The dependency has refused: at the standby once, then where it was before, then at the standby again.
    expect(await end(service, 0, pid, { status: 102 })).toMatchObject({
      rule: 'dependency-refused',
      action: 'standby',
    });
    pid = await untilStarted(service, 0, pid);
    expect(dependencyOf(service, pid)).toBe('the standby');
    expect(incumbentOf(await service.status())?.slots).toMatchObject([{ slot: 0, state: 'standby' }]);
    expect(await end(service, 0, pid, { status: 102 })).toMatchObject({
      rule: 'dependency-refused',
      action: 'backoff',
    });
    pid = await untilStarted(service, 0, pid);
    expect(dependencyOf(service, pid)).toBe('the first');
    await end(service, 0, pid, { status: 102 });
    pid = await untilStarted(service, 0, pid);
    expect(await end(service, 0, pid, { signal: 'SIGSEGV' })).toMatchObject({ action: 'restart', standby: false });
    expect(dependencyOf(service, await untilStarted(service, 0, pid))).toBe('the first');

    // Kept for a person: shown, and not started again, until a reload.
    for (const [slot, way, rule, code] of [
      [1, { status: 100 }, 'config-error', 100],
      [2, { status: 201 }, 'data-check-failed', 201],
      [3, { signal: 'SIGHUP' }, 'SIGHUP', null],
    ] as const) {
      const entry = await end(service, slot, await untilStarted(service, slot), way);
      expect(entry).toMatchObject({ rule, action: 'keep', delayMs: null, code });
    }
    const status = await service.status();
    expect(incumbentOf(status)?.workers.map(({ slot }) => slot)).toEqual([0]);
    expect(incumbentOf(status)?.slots).toMatchObject([
      { slot: 1, state: 'kept', rule: 'config-error', reason: 'exited with status 100 (config error)', dueInMs: null },
      { slot: 2, state: 'kept', rule: 'data-check-failed', reason: 'exited with status 201 (data check failed)' },
      { slot: 3, state: 'kept', rule: 'SIGHUP', reason: 'was killed by SIGHUP' },
    ]);
    expect(status.summary).toContain('Degraded: worker 1 exited with status 100 (config error)');
    expect((await service.batond('status')).stdout).toMatch(/ 1 +- +kept +for .*, rule config-error: exited with /);
    // Four workers that keep ending are an UNHEALTHY service, of which no reload begins unasked.
    expect((await service.batond('reload', '--force')).status, service.log).toBe(0);
    const after = incumbentOf(await service.untilDrained());
    expect(after?.workers).toHaveLength(4);
    expect(after?.slots).toEqual([]);
    await service.expectNoLeftovers();
  });

  test('one that hangs when it is started again, and one that cannot be started at all', async () => {
    await using service = await start({ idle: true });
    const runtime = join(service.folder, 'node');
    symlinkSync(NODE, runtime);
    const toml = TOML.replace('regret = "0s"', 'regret = "0s"\nready_timeout = "4s"');
    service.configure({ workers: 1, program: `runtime = "${runtime}"\nentry = "server.js"`, toml });
    service.run();
    await service.untilServing();
    let pid = await untilOpen(service, 0);

    writeFileSync(inFolder(service, 'hangs'), '');
    await end(service, 0, pid, { status: 3 });
    const hanging = await eventually(
      async () => incumbentOf(await service.tryStatus())?.workers[0]?.pid ?? pid,
      (one) => one !== pid,
      { what: () => `another worker is started; log:\n${service.log}` },
    );
    const entry = await decided(service, 0, hanging);
    rmSync(inFolder(service, 'hangs'));
    expect(entry).toMatchObject({ rule: 'boot', action: 'restart', signal: 'SIGKILL', cause: 'boot' });
    pid = await untilOpen(service, 0);

    rmSync(runtime);
    process.kill(pid, 'SIGKILL');
    await eventually(
      () => entries(service, 'healing').filter(({ rule }) => rule === 'start').length,
      (count) => count >= 2,
      { what: () => `two starts fail; log:\n${service.log}` },
    );
    symlinkSync(NODE, runtime);
    await untilOpen(service, 0, pid);
    expect(entries(service, 'healing').find(({ rule }) => rule === 'start')).toMatchObject({
      action: 'restart',
      cause: 'start',
      pid: null,
    });
    await service.expectNoLeftovers();
  });

  test('a supervisor that dies leaves what it has decided, and its adopted workers end by the same rules', async () => {
    await using service = await start({ workers: 3 });
    expect(await end(service, 2, await untilOpen(service, 2), { status: 201 })).toMatchObject({ action: 'keep' });
    const status = await service.killSupervisor();
    expect(incumbentOf(status)?.slots).toMatchObject([{ slot: 2, state: 'kept', rule: 'data-check-failed' }]);
    expect(incumbentOf(status)?.workers).toHaveLength(2);
    const adopted = await end(service, 1, await untilOpen(service, 1), { status: 100 });
    // Linux before 6.15 does not tell the exit status of somebody else's child.
    expect([
      ['config-error', 'keep', 100],
      ['unknown', 'restart', null],
    ]).toContainEqual([adopted.rule, adopted.action, adopted.code]);

    // A parent that does not reap lets nobody know how its child ended.
    const pid = await untilOpen(service, 0);
    process.kill(service.hostPid, 'SIGSTOP');
    try {
      const entry = await end(service, 0, pid, { status: 3 });
      expect(entry).toMatchObject({ rule: 'unknown', action: 'restart', code: null, signal: null, cause: null });
    } finally {
      process.kill(service.hostPid, 'SIGCONT');
    }
    await untilOpen(service, 0, pid);
    await service.expectNoLeftovers();
  });
});

describe('when no worker is left that may be started again', () => {
  const JOB = 'ready = "load"\n';
  const untilWorking = (service: HostedService, slot: number) => untilOpen(service, slot);

  test('and each has done what it had to do, the service ends with status 0', async () => {
    await using service = await start({ toml: `${JOB}${TOML}`, env: { SERVES: 'no' } });
    expect(await end(service, 0, await untilWorking(service, 0), { status: 0 })).toMatchObject({
      rule: 'done',
      action: 'done',
    });
    expect(incumbentOf(await service.status())?.slots).toMatchObject([{ slot: 0, state: 'done' }]);
    await end(service, 1, await untilWorking(service, 1), { status: 0 });
    expect(await service.exit, service.log).toBe(0);
    expect(entries(service, 'done')).toHaveLength(1);
  });

  test('and a person is needed, it fails with the reason, in the way that systemd does not start again', async () => {
    await using service = await start({ workers: 1 });
    await end(service, 0, await untilOpen(service, 0), { status: 201 });
    expect(await service.exit, service.log).toBe(78);
    expect(entries(service, 'lost')).toMatchObject([
      {
        code: 'GENERATION_KEPT',
        msg:
          'no worker of generation 1 is left, and none is started again: its worker 0 exited with status 201 ' +
          '(data check failed)',
      },
    ]);
  });

  test('soon after a reload, it goes back to the release that served before', async () => {
    await using service = await start({ app: 'answers', workers: 1, toml: '' });
    service.deploy('ends-as-told');
    expect((await service.reload()).status).toBe(0);
    await end(service, 0, await untilOpen(service, 0), { status: 100 });
    const status = await eventually(
      () => service.tryStatus(),
      (seen) => incumbentOf(seen)?.number === 3 && seen?.state === 'serving',
      { deadlineMs: 20_000, what: () => `generation 3 serves; log:\n${service.log}` },
    );
    expect(incumbentOf(status)?.release).toBe('r1@1.0.0');
    expect(status?.lastReload).toMatchObject({ ok: false, code: 'GENERATION_LOST' });
    await service.expectNoLeftovers();
  });
});

test('more crashes than the budget of all slots end the service where nothing of it serves', async () => {
  const toml = TOML.replace('[restart]', '[restart]\nbudget = 3\nwindow = "1h"');
  await using service = await start({ workers: 1, toml });
  let pid = 0;
  for (let crash = 1; crash <= 4; crash++) {
    pid = await untilStarted(service, 0, pid);
    expect(await end(service, 0, pid, { signal: 'SIGSEGV' })).toMatchObject({ restarts: crash, spent: crash === 4 });
  }
  expect(await service.exit, service.log).toBe(70);
  expect(entries(service, 'lost')[0]?.msg).toContain(
    'have ended more than 3 times in 3600 s, the last one was killed by',
  );
});

test('a candidate that ends is refused with what its status means', async () => {
  await using service = await start({ app: 'answers', workers: 1, toml: '' });
  const release = service.deploy('exits-at-once');
  writeFileSync(join(service.releases.path(release), 'server.js'), 'process.exit(100);\n');
  const { status, verdict } = await service.reload();
  expect(status).toBe(1);
  expect(verdict?.code).toBe('CANDIDATE_EXITED');
  expect(verdict?.message).toContain('exited with status 100 (config error) before it was trusted; generation 1 keeps');
  await service.expectNoLeftovers();
});

const noGroup = whyNoMemoryGroup();
test.skipIf(noGroup !== null)(
  `a worker that the kernel kills for memory is told from any other${noGroup === null ? '' : ` (not here: ${noGroup})`}`,
  async () => {
    await using group = MemoryGroupFolder.make();
    await using service = await start({ through: group.through });
    const victim = await untilOpen(service, 0);
    const maxBytes = group.leave(96 * 2 ** 20);
    const killed = await end(service, 0, victim, { way: 'takes all memory' });
    expect(killed).toMatchObject({ rule: 'oom', action: 'restart', signal: 'SIGKILL', cause: 'oom' });
    // The kernel rounds the limit to pages.
    expect(Math.abs(Number(killed.memoryMaxBytes) - maxBytes)).toBeLessThan(65_536);
    expect(killed.memoryBytes).toBeGreaterThan(0);
    const other = await untilOpen(service, 1);
    process.kill(other, 'SIGKILL');
    expect(await decided(service, 1, other)).toMatchObject({ rule: 'signal', cause: null });
    await untilOpen(service, 0, victim);
    await untilOpen(service, 1, other);
    await service.expectNoLeftovers();
  },
);
