/** What the app knows goes on in the next generation; what cannot be had is never worse than no reload. */
import { spawn } from 'node:child_process';
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ReloadLine } from '../../src/control/messages.js';
import type { Report } from '../../src/inventory/report.js';
import { arm, hasFallen } from '../support/faults/faults.js';
import { ask } from '../support/service/ask.js';
import { MAIN, NODE, ROOT } from '../support/service/batond.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { type HostedOptions, HostedService } from '../support/service/hosted.js';
import { descriptorCount } from '../support/service/processes.js';
import { eventually } from '../support/service/wait.js';

const MODES = { fresh: { perSecond: 50 }, keepAlive: { connections: 8, gapMs: [0, 50] as const } };
/** Long enough for a start on a busy machine, and what each test waits for that lets something hang. */
const SHORT = '[upgrade]\nready_timeout = "3s"';
const MEGABYTE = 1_000_000;
/** `npm test` takes smaller ones of what differs in its form alone; BATOND_LONG=1 the whole. */
const LONG = process.env.BATOND_LONG === '1';

/** Looked up by the fixture whenever it matters. */
interface Behaviour {
  readonly kind?: 'buffer' | 'buffers' | 'objects';
  readonly ballast?: number;
  readonly save?: 'throws' | 'hangs' | 'blocks' | 'kills' | 'function';
  readonly restore?: 'throws' | 'hangs' | 'blocks' | 'kills';
  readonly otherwise?: 'rollback' | 'empty';
}

interface Known {
  readonly count: number;
  readonly hash: string;
  readonly origins: readonly { readonly generation: number; readonly slot: number; readonly slots: number }[];
  readonly pid: number;
}

async function start(behaviour: Behaviour = {}, options: HostedOptions = {}): Promise<HostedService> {
  const service = await HostedService.start({
    app: 'keeps-state',
    workers: 1,
    idle: true,
    ...options,
    env: { BATOND: ROOT, ...options.env },
  });
  service.env.BEHAVIOUR = join(service.folder, 'behaviour.json');
  behave(service, behaviour);
  service.run();
  await service.untilServing();
  return service;
}

const behave = (service: HostedService, behaviour: Behaviour): void =>
  writeFileSync(join(service.folder, 'behaviour.json'), JSON.stringify(behaviour));

async function get<Answer>(service: HostedService, path: string): Promise<Answer> {
  return JSON.parse(await (await ask(service.port, path)).body) as Answer;
}

async function count(service: HostedService, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await get(service, '/count');
}

const known = (service: HostedService) => get<Known>(service, '/state');

async function report(service: HostedService): Promise<Report> {
  return JSON.parse((await service.batond('report', '--json')).stdout) as Report;
}

async function reload(service: HostedService) {
  service.deploy('keeps-state');
  const result = await service.reload();
  return {
    ...result,
    lines: result.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as ReloadLine),
  };
}

/** Every worker of the generation that serves; a worker answers for itself, and which one is asked is the kernel's choice. */
async function knownOfAll(service: HostedService, workers: number): Promise<Known[]> {
  const all = new Map<number, Known>();
  await eventually(
    async () => {
      const one = await known(service);
      all.set(one.pid, one);
    },
    () => all.size === workers,
    { what: () => `an answer of each of ${workers} workers` },
  );
  return [...all.values()];
}

function stateFiles(service: HostedService): string[] {
  return service.processes().flatMap(({ pid }) =>
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
        return target.includes('batond-state') ? [`${pid}: ${target}`] : [];
      } catch {
        return [];
      }
    }),
  );
}

test('counters survive five reloads under load', async () => {
  await using service = await start();
  await count(service, 7);
  const load = await service.load({ modes: MODES });
  for (let n = 1; n <= 5; n++) {
    const { verdict } = await reload(service);
    expect(verdict, service.log).toMatchObject({ ok: true });
    await service.untilDrained();
    expect(await known(service)).toMatchObject({
      count: 7 + n - 1,
      origins: [{ version: 3, generation: n, slot: 0, slots: 1 }],
    });
    await count(service, 1);
  }
  expectNothingLost(await load.stop(), service.log);
  expect(stateFiles(service)).toEqual([]);
  await service.expectNoLeftovers();
});

test('reloads with state leave supervisor and worker with as many descriptors as the first one', async () => {
  await using service = await start({ kind: 'buffers', ballast: MEGABYTE });
  await get(service, '/fill');
  const settled = async (limits: readonly number[]) => {
    const { supervisor, generations } = await service.untilDrained();
    return eventually(
      () => [supervisor.pid, generations[0]!.workers[0]!.pid].map(descriptorCount),
      (counts) => counts.every((open, index) => open <= limits[index]!),
      { what: () => `at most ${limits} descriptors` },
    );
  };
  await reload(service);
  const first = await settled([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  for (let n = 0; n < 5; n++) expect((await reload(service)).status).toBe(0);
  await settled(first);
  expect(stateFiles(service)).toEqual([]);
});

test.each([
  ['buffer', 200 * MEGABYTE],
  ['buffers', (LONG ? 200 : 60) * MEGABYTE],
  ['objects', (LONG ? 30 : 10) * MEGABYTE],
] as const)(
  'state arrives whole: %s, %i bytes',
  async (kind, ballast) => {
    await using service = await start({ kind, ballast });
    await get(service, '/fill');
    const { hash } = await known(service);
    const load = await service.load({ modes: MODES });
    const { verdict, lines } = await reload(service);
    expect(verdict, service.log).toMatchObject({ ok: true });
    const { state, phases, peak } = await report(service);
    const phase = phases.find((one) => one.phase === 'state');
    console.log(
      `${kind}: ${JSON.stringify(state)}, phase ${phase?.ms} ms, at most ${Math.round(peak.rssBytes / 2 ** 20)} MiB`,
    );
    expect(state).toMatchObject({ workers: 1, lost: 0 });
    expect(state!.bytes).toBeGreaterThan(ballast * 0.9);
    expect(state!.saveMs).toBeGreaterThan(0);
    expect(state!.restoreMs).toBeGreaterThan(0);
    // The old value, the bytes on their way and the new value.
    expect(peak.rssBytes).toBeGreaterThan(ballast * 2.9);
    expect(lines).toContainEqual(
      expect.objectContaining({
        step: 'state',
        message: expect.stringMatching(/^state: \d+ MiB of 1 worker saved in \d+ ms/),
      }),
    );
    expect((await known(service)).hash).toBe(hash);
    expectNothingLost(await load.stop(), service.log);
    expect(stateFiles(service)).toEqual([]);
    await service.expectNoLeftovers();
  },
  90_000,
);

test('300 MB are refused with the reason, and the incumbent serves on with all it knows', async () => {
  await using service = await start({ kind: 'buffer', ballast: 300 * MEGABYTE });
  await get(service, '/fill');
  const before = await known(service);
  const load = await service.load({ modes: MODES });
  const { status, verdict } = await reload(service);
  expect(status).toBe(1);
  expect(verdict).toMatchObject({ ok: false, code: 'STATE_TOO_LARGE', generation: 1 });
  expect(verdict?.message).toMatch(
    /g1s0 is too large: 287 MiB or more, upgrade.state_max is 256 MiB; generation 1 keeps/,
  );
  expect(await known(service)).toEqual(before);
  expectNothingLost(await load.stop(), service.log);
  const { peak, phases } = await report(service);
  expect(phases.map(({ phase }) => phase)).toEqual(['takeover', 'boot', 'probe', 'state', 'rollback']);
  // It was refused before any of it was copied.
  expect(peak.rssBytes).toBeLessThan(700 * MEGABYTE);
  expect(stateFiles(service)).toEqual([]);
  await service.expectNoLeftovers();

  behave(service, { otherwise: 'empty' });
  expect((await reload(service)).verdict).toMatchObject({ ok: true });
  expect(await known(service)).toMatchObject({ count: 0, origins: [] });
  expect((await report(service)).state).toMatchObject({ bytes: 0, workers: 0, lost: 1 });
});

const FAULTS: readonly (readonly [Behaviour, string, RegExp])[] = [
  [{ restore: 'throws' }, 'STATE_NOT_RESTORED', /worker g2s0 did not restore the state of g1s0: Error: the database/],
  [
    { save: 'throws' },
    'STATE_NOT_SAVED',
    /worker g1s0 did not save its state: Error: the database of sessions is closed/,
  ],
  [{ save: 'function' }, 'STATE_NOT_SAVED', /could not be cloned/],
  [{ save: 'hangs' }, 'STATE_NOT_SAVED', /no answer within 3 s \(upgrade.ready_timeout\)/],
];

describe.each(FAULTS)('with %j', (behaviour, code, says) => {
  test('the reload is taken back, and nothing is lost', async () => {
    await using service = await start(behaviour, behaviour.save === 'hangs' ? { toml: SHORT } : {});
    await count(service, 3);
    const load = await service.load({ modes: MODES });
    const { status, verdict } = await reload(service);
    expect(status).toBe(1);
    expect(verdict).toMatchObject({ ok: false, code, generation: 1 });
    expect(verdict?.message).toMatch(says);
    expectNothingLost(await load.stop(), service.log);
    expect(await known(service)).toMatchObject({ count: 3, origins: [] });
    expect(stateFiles(service)).toEqual([]);
    behave(service, {});
    expect((await reload(service)).verdict).toMatchObject({ ok: true });
    expect(await known(service)).toMatchObject({ count: 3 });
    await service.expectNoLeftovers();
  });

  test('an app that can do without begins empty, and the journal says so', async () => {
    await using service = await start(
      { ...behaviour, otherwise: 'empty' },
      behaviour.save === 'hangs' ? { toml: SHORT } : {},
    );
    await count(service, 3);
    const load = await service.load({ modes: MODES });
    expect((await reload(service)).verdict, service.log).toMatchObject({ ok: true, generation: 2 });
    expectNothingLost(await load.stop(), service.log);
    expect(await known(service)).toMatchObject({ count: 0, origins: [] });
    expect((await report(service)).state).toMatchObject({ lost: 1 });
    expect(service.log).toMatch(new RegExp(`"event":"state-lost","code":"${code}".*begins without it`));
    expect((await service.batond('report')).stdout).toContain('1 could not be had: the new generation began without');
    await service.expectNoLeftovers();
  });
});

describe('a candidate that', () => {
  test.each([
    ['hangs', 'STATE_NOT_RESTORED', /g2s0 did not restore the state of g1s0: no answer within 3 s/],
    ['blocks', 'STATE_NOT_RESTORED', /g2s0 did not restore the state of g1s0: no answer within 3 s/],
    ['kills', 'CANDIDATE_EXITED', /SIGKILL/],
  ] as const)('%s while it restores is sent away, also where it could do without', async (restore, code, says) => {
    await using service = await start(
      { restore, otherwise: 'empty' },
      { toml: `${SHORT}\n[stop]\nkill_timeout = "300ms"` },
    );
    await count(service, 3);
    const load = await service.load({ modes: MODES });
    const { verdict } = await reload(service);
    expect(verdict).toMatchObject({ ok: false, code, generation: 1 });
    expect(verdict?.message).toMatch(says);
    expectNothingLost(await load.stop(), service.log);
    expect(await known(service)).toMatchObject({ count: 3 });
    expect(stateFiles(service)).toEqual([]);
    await service.expectNoLeftovers();
  });
});

describe('an incumbent', () => {
  test.each(['rollback', 'empty'] as const)('that is killed while it saves has not saved (%s)', async (otherwise) => {
    await using service = await start({ save: 'kills', otherwise });
    await count(service, 3);
    const { verdict } = await reload(service);
    if (otherwise === 'empty') expect(verdict, service.log).toMatchObject({ ok: true, generation: 2 });
    else expect(verdict).toMatchObject({ ok: false, code: 'STATE_NOT_SAVED', generation: 1 });
    if (otherwise === 'rollback')
      expect(verdict?.message).toContain('worker g1s0 did not save its state: it ended meanwhile');
    await service.untilServing();
    expect(await known(service)).toMatchObject({ count: 0 });
    await service.expectNoLeftovers();
  });

  test.each(['rollback', 'empty'] as const)(
    'that is stopped before it saves costs one time-out (%s)',
    async (otherwise) => {
      await using service = await start({ otherwise }, { workers: 2, faults: true, toml: SHORT });
      const [, stopped] = (await service.status()).generations[0]!.workers;
      arm(service.folder, {
        machine: 'roll',
        state: 'probing',
        event: 'answered',
        signal: 'SIGSTOP',
        pid: stopped!.pid,
      });
      const reloading = reload(service);
      await eventually(
        () => service.log,
        (log) => log.includes('worker g1s1 did not save its state: no answer within 3 s'),
        { what: () => `its time is over; log:\n${service.log}` },
      );
      process.kill(stopped!.pid, 'SIGCONT');
      const { verdict } = await reloading;
      expect(hasFallen(service.folder)).toBe(true);
      if (otherwise === 'rollback') {
        expect(verdict).toMatchObject({ ok: false, code: 'STATE_NOT_SAVED', generation: 1 });
      } else {
        expect(verdict, service.log).toMatchObject({ ok: true, generation: 2 });
        expect((await report(service)).state).toMatchObject({ workers: 1, lost: 1 });
      }
      await service.expectNoLeftovers();
      expect(stateFiles(service)).toEqual([]);
    },
  );
});

test('whoever waits for a save and goes away takes the reload back, and the next one asks anew', async () => {
  await using service = await start({ save: 'hangs' });
  await count(service, 2);
  service.deploy('keeps-state');
  const client = spawn(NODE, [MAIN, 'reload', '--name', 'shop'], { env: service.env, stdio: 'ignore' });
  await eventually(
    () => service.log,
    (log) => log.includes("asking a worker for the app's state"),
    { what: () => `it saves; log:\n${service.log}` },
  );
  client.kill('SIGKILL');
  await eventually(
    () => service.status(),
    ({ lastReload }) => lastReload?.code === 'CLIENT_GONE',
    { what: () => `the reload is taken back; log:\n${service.log}` },
  );
  await service.untilDrained();
  behave(service, {});
  expect((await reload(service)).verdict, service.log).toMatchObject({ ok: true, generation: 3 });
  expect(await known(service)).toMatchObject({ count: 2, origins: [{ generation: 1 }] });
  await service.expectNoLeftovers();
});

test('with fewer workers one gets several states, in the order of their slots; with more none is lost', async () => {
  await using service = await start({}, { workers: 3 });
  await count(service, 30);
  const total = (all: readonly Known[]) => all.reduce((sum, one) => sum + one.count, 0);
  service.configure({ workers: 2 });
  await reload(service);
  await service.untilDrained();
  const two = await knownOfAll(service, 2);
  expect(two.map(({ origins }) => origins.map(({ slot }) => slot)).sort()).toEqual([[0, 2], [1]]);
  expect(total(two)).toBe(30);
  // The further one may have been started before the reload is asked for, with nothing of its own.
  service.configure({ workers: 3 });
  await reload(service);
  await service.untilDrained();
  const three = await knownOfAll(service, 3);
  expect(total(three)).toBe(30);
});

test('an app without state is asked nothing, and a release without it takes none', async () => {
  await using service = await start({});
  service.deploy('answers');
  const { verdict, stdout } = await service.reload();
  expect(verdict).toMatchObject({ ok: true });
  expect(stdout).not.toContain('"step":"state"');
  expect(await report(service)).not.toHaveProperty('state');
  expect((await reload(service)).stdout).not.toContain('"step":"state"');
  expect(await known(service)).toMatchObject({ count: 0, origins: [] });
});
