/** Several processes in one generation: which slot is whose, and what is asked of which of them. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { renderStatus } from '../../src/cli/status.js';
import { loadConfig, readConfig } from '../../src/config/load.js';
import { renderConfig } from '../../src/config/render.js';
import type { GenerationStatus, Status, WorkerStatus } from '../../src/control/messages.js';
import { isSnapshot } from '../../src/inventory/check-snapshot.js';
import { Generation, type GenerationRecord } from '../../src/inventory/generation.js';
import { Inventory } from '../../src/inventory/inventory.js';
import type { Worker } from '../../src/inventory/worker.js';
import { monotonicMs } from '../../src/process/monotonic.js';
import { isSameRelease, isUsable } from '../../src/release/compare.js';
import { argvOf, type Release, type ReleaseProcess, resolveRelease, runnablesOf } from '../../src/release/release.js';
import { HealthKeeper } from '../../src/supervisor/health-keeper.js';
import { heldBy } from '../../src/supervisor/held.js';
import { Restarter } from '../../src/supervisor/restarter.js';
import { summarize } from '../../src/supervisor/summary.js';

const run = { kind: 'command', program: '/bin/sleep', args: ['600'], env: {} } as const;
const beside = (name: string, tier: ReleaseProcess['tier'], workers: number): ReleaseProcess => ({
  ...run,
  name,
  tier,
  ready: 'notify',
  workers,
});
const RELEASE: Release = { ...run, label: 'r1', directory: '/', resolvedAt: 0 };
const SEVERAL: Release = { ...RELEASE, processes: [beside('cron', 'auxiliary', 2), beside('queue', 'core', 1)] };

const record = (more: Partial<GenerationRecord> = {}): GenerationRecord => ({
  number: 1,
  role: 'incumbent',
  release: SEVERAL,
  ready: 'listen',
  slots: 5,
  committedAtMs: monotonicMs(),
  drainUntilMs: null,
  claims: [],
  crashes: [],
  workers: [],
  ...more,
});

const worker = (slot: number, phase = 'open') => ({ slot, phase }) as Worker;

describe('the slots of a generation', () => {
  test('are the main program first, then what runs beside it, in its order', () => {
    const generation = new Generation(record());
    const names = [0, 1, 2, 3, 4].map((slot) => generation.processOf(slot).name);
    expect(names).toEqual(['main', 'main', 'cron', 'cron', 'queue']);
    expect(generation.processOf(1)).toMatchObject({ ready: 'listen', run: SEVERAL });
    expect(generation.processOf(4)).toMatchObject({ ready: 'notify', run: { name: 'queue' } });
    expect(generation.coreSlots).toEqual([0, 1, 4]);
    for (const slot of [0, 2, 4]) generation.workers.set(slot, worker(slot));
    expect(generation.coreWorkers.map(({ slot }) => slot)).toEqual([0, 4]);
  });

  test('are all of the main program in what an older supervisor wrote', () => {
    const generation = new Generation(record({ release: RELEASE, slots: 3 }));
    expect(generation.processes).toMatchObject([{ name: 'main', tier: 'core', slots: [0, 1, 2] }]);
    expect(generation.coreSlots).toEqual([0, 1, 2]);
  });

  test('travel with the release', () => {
    const inventory = new Inventory('shop', '/nowhere');
    inventory.generations.set(1, new Generation(record()));
    const state = JSON.parse(JSON.stringify(inventory.snapshot().state));
    expect(isSnapshot(state)).toBe(true);
    expect(new Generation(state.generations[0]).processOf(4).name).toBe('queue');
    state.generations[0].release.processes[0].tier = 'elite';
    expect(isSnapshot(state)).toBe(false);
  });
});

describe('an auxiliary process', () => {
  test('is held while an older generation has one of its name', () => {
    const inventory = new Inventory('shop', '/nowhere');
    const [old, young] = [new Generation(record({ role: 'draining' })), new Generation(record({ number: 2 }))];
    inventory.generations.set(1, old).set(2, young);
    for (const slot of [0, 3, 4]) old.workers.set(slot, worker(slot, 'stopping'));
    expect([0, 2, 3, 4].map((slot) => heldBy(inventory, young, slot)?.number)).toEqual([undefined, 1, 1, undefined]);
    old.workers.delete(3);
    expect(heldBy(inventory, young, 2)).toBeNull();
  });
});

describe('how well the service is', () => {
  function levels(ill: readonly number[]) {
    const inventory = new Inventory('shop', '/nowhere');
    const generation = new Generation(record());
    inventory.generations.set(1, generation);
    for (const slot of [0, 1, 2, 3, 4]) {
      generation.workers.set(slot, { generation: 1, slot, phase: 'open' } as Worker);
    }
    const { health: rules } = loadConfig({ cwd: '/', flags: { entry: 'a.js', name: 'shop' }, cores: 1 });
    const log = pino({ level: 'silent' });
    const keeper = new HealthKeeper({
      inventory,
      rules: rules!,
      regretMs: 0,
      log,
      look: () => Promise.resolve(null),
      regret: () => false,
      changed: () => {},
    });
    for (const slot of ill) for (let n = 0; n < 20; n++) keeper.sample(generation, slot, 'failed', 'it crashed');
    return { generation, keeper };
  }

  test('is for the main program to say, and a core process beside it makes it DEGRADED at worst', () => {
    expect(levels([]).keeper.level).toBe('OK');
    const { keeper, generation } = levels([4]);
    expect(keeper.levelOf(generation, 4)).toBe('UNHEALTHY');
    expect(keeper.level).toBe('DEGRADED');
    expect(levels([0, 1]).keeper.level).toBe('UNHEALTHY');
  });

  test('does not depend on an auxiliary process', () => {
    expect(levels([2, 3]).keeper.level).toBe('OK');
  });

  test('is UNHEALTHY where nothing but what runs beside the main program is there', () => {
    const { generation, keeper } = levels([]);
    for (const slot of [0, 1]) generation.workers.delete(slot);
    expect(keeper.accepting).toBe(0);
    expect(keeper.level).toBe('UNHEALTHY');
  });
});

describe('what crashes', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  /** Every start of these slots fails; the others serve. */
  function crashing(slots: readonly number[], regrets: boolean) {
    const inventory = new Inventory('shop', '/nowhere');
    const generation = new Generation(record());
    inventory.generations.set(1, generation);
    for (const slot of [0, 1, 2, 3, 4]) if (!slots.includes(slot)) generation.workers.set(slot, worker(slot));
    const [calls, entries] = [[] as string[], [] as Record<string, unknown>[]];
    const config = loadConfig({ cwd: '/', flags: { entry: 'a.js', name: 'shop' }, cores: 1 });
    const restarter = new Restarter({
      inventory,
      config: { ...config, restart: { ...config.restart, limit: 5, budget: 8 } },
      log: pino({ level: 'trace' }, { write: (line: string) => void entries.push(JSON.parse(line)) }),
      busy: false,
      takeOomKill: () => null,
      judged: () => {},
      startWorker: () => {
        throw new Error('no memory');
      },
      regret: (_generation, reason) => calls.push(`regret: ${reason}`) > 0 && regrets,
      lost: (_generation, reason) => calls.push(`lost: ${reason}`),
      over: (_generation, reason) => calls.push(`over: ${reason}`),
    });
    restarter.activate();
    return { restarter, generation, inventory, calls, entries };
  }

  test('costs a generation nothing where it is auxiliary, however often, and has a budget of its own', async () => {
    const { restarter, generation, inventory, calls, entries } = crashing([2, 3], true);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(calls).toEqual([]);
    const missing = entries.filter(({ event }) => event === 'auxiliary-missing');
    expect(missing).toMatchObject([{ process: 'cron' }, { process: 'cron' }]);
    expect(entries.filter(({ event }) => event === 'healing').length).toBeGreaterThan(10);
    expect(entries.findLast(({ event }) => event === 'healing')).toMatchObject({ spent: true, process: 'cron' });
    expect(generation.healing.restartsOf('core')).toEqual([]);
    expect(new Generation(generation.record).healing.restartsOf('auxiliary').length).toBeGreaterThan(8);
    expect(summarize(inventory, 'steady', false, false)).toBe(
      'Generation 1 (r1) serves with 2 workers. ' +
        'Degraded: cron (worker 2) could not be started: no memory, and is started again. ' +
        'Degraded: cron (worker 3) could not be started: no memory, and is started again.',
    );
    generation.healing.started(2);
    generation.healing.started(3);
    generation.workers.set(2, worker(2, 'booting')).set(3, worker(3));
    // One that is about to crash again is not well yet.
    expect(summarize(inventory, 'steady', false, false)).toMatch(/^[^.]+\. Degraded: cron \(worker 2\) [^.]+\.$/);
    restarter.freeze();
  });

  test('costs a young generation its place where it is core', async () => {
    const { restarter, calls } = crashing([4], true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(calls[0]).toMatch(/^regret: its workers keep ending/);
    restarter.freeze();
  });

  test('never ends a main program that serves', async () => {
    const { restarter, calls } = crashing([4], false);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(calls.filter((call) => !call.startsWith('regret'))).toEqual([]);
    restarter.freeze();
  });

  test('ends the service where it is the main program, whatever runs beside it', async () => {
    const { calls } = crashing([0, 1], false);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(calls.at(-1)).toMatch(/^lost: /);
  });
});

describe('with a configuration', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = realpathSync(mkdtempSync(join(tmpdir(), 'batond-processes-')));
    for (const file of ['server.js', 'queue.js']) writeFileSync(join(cwd, file), '');
    mkdirSync(join(cwd, 'bin'));
    writeFileSync(join(cwd, 'bin/loop'), '', { mode: 0o755 });
    writeFileSync(
      join(cwd, 'batond.toml'),
      `name = "shop"
entry = "server.js"
runtime = "${process.execPath}"
env = { A = "1", B = "1" }
[[service.process]]
name = "queue"
entry = "queue"
args = ["--fast"]
workers = 2
env = { B = "2" }
[[service.process]]
name = "cron"
command = ["./bin/loop", "hourly"]
tier = "auxiliary"
`,
    );
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  const resolved = () =>
    resolveRelease(loadConfig({ cwd, flags: {}, cores: 1 }), { env: {}, execPath: '/nowhere', now: 7 });

  test('each process is resolved with the release', () => {
    expect(resolved().processes).toEqual([
      {
        name: 'queue',
        tier: 'core',
        ready: 'load',
        workers: 2,
        kind: 'node',
        program: process.execPath,
        runtimeArgs: [],
        entry: join(cwd, 'queue.js'),
        args: ['--fast'],
        env: { A: '1', B: '2' },
      },
      {
        name: 'cron',
        tier: 'auxiliary',
        ready: 'notify',
        workers: 1,
        kind: 'command',
        program: join(cwd, 'bin/loop'),
        args: ['hourly'],
        env: { A: '1', B: '1' },
      },
    ]);
    expect(runnablesOf(resolved()).map((one) => argvOf(one)[0])).toEqual([
      process.execPath,
      process.execPath,
      join(cwd, 'bin/loop'),
    ]);
  });

  test('is another release with other processes, and none without the file of one', () => {
    const release = resolved();
    const [queue, cron] = release.processes!;
    expect(isSameRelease(release, { ...release, processes: [{ ...queue!, workers: 7 }, cron!] })).toBe(true);
    expect(isSameRelease(release, { ...release, processes: [queue!] })).toBe(false);
    expect(isSameRelease(release, { ...release, processes: [{ ...queue!, args: [] }, cron!] })).toBe(false);
    expect(isUsable(release)).toBe(true);
    rmSync(join(cwd, 'queue.js'));
    expect(isUsable(release)).toBe(false);
    expect(resolved).toThrow(/queue/);
  });

  test('the summary names each of them', () => {
    const text = renderConfig(readConfig({ cwd, flags: {}, cores: 1 })).replaceAll(cwd, '/srv');
    expect(text.split('\n').filter((line) => line.startsWith('service.process'))).toEqual([
      expect.stringMatching(/^service\.process +queue \(core, 2 workers\): \/srv\/queue --fast +batond\.toml:/),
      expect.stringMatching(/^service\.process +cron \(auxiliary, 1 worker\): \.\/bin\/loop hourly +batond\.toml:/),
    ]);
  });
});

test('the status has the workers of each process under its name, within 80 columns', () => {
  const open = (slot: number, process: string): WorkerStatus => ({
    slot,
    process,
    pid: 100 + slot,
    phase: 'open',
    uptimeMs: 5_000,
    rssBytes: null,
    measures: null,
  });
  const generation: GenerationStatus = {
    number: 2,
    role: 'incumbent',
    release: 'r2',
    entry: '/srv/server.js',
    processes: new Generation(record()).processes.map(({ name, tier, slots }) => ({
      name,
      tier,
      workers: slots.length,
      runs: '',
    })),
    workers: [open(0, 'main'), open(1, 'main'), open(4, 'queue')],
    slots: [
      {
        slot: 2,
        process: 'cron',
        state: 'held',
        rule: 'none',
        reason: 'generation 1 has not ended its own yet',
        forMs: 0,
        dueInMs: null,
      },
      {
        slot: 3,
        process: 'cron',
        state: 'kept',
        rule: 'config-error',
        reason: 'exited with status 100',
        forMs: 9_000,
        dueInMs: null,
      },
    ],
    drainLeftMs: null,
  };
  const status = { name: 'shop', state: 'serving', summary: '', listeners: [], generations: [generation] };
  const supervisor = { pid: 9, version: '0', uptimeMs: 1_000 };
  const text = renderStatus({ ...status, supervisor, lastReload: null } as unknown as Status);
  const lines = text.split('\n');
  expect(lines.slice(lines.indexOf('  main, core, 2 workers')).map((line) => line.slice(0, 60).trimEnd())).toEqual([
    '  main, core, 2 workers',
    '     0      100  open        5.0 s         -          -',
    '     1      101  open        5.0 s         -          -',
    '  cron, auxiliary, 2 workers',
    '     2        -  held      generation 1 has not ended its ow',
    '     3        -  kept      for 9.0 s, rule config-error: exi',
    '  queue, core, 1 worker',
    '     4      104  open        5.0 s         -          -',
    '',
    '  last reload  none',
    '',
  ]);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
});
