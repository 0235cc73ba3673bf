/** What the restarter does with the ends of real processes, and what the next one makes of its record. */
import { openSync } from 'node:fs';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Config } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load.js';
import type { Cause } from '../../src/healing/rules.js';
import { isSnapshot } from '../../src/inventory/check-snapshot.js';
import { Generation } from '../../src/inventory/generation.js';
import { Inventory } from '../../src/inventory/inventory.js';
import { Worker } from '../../src/inventory/worker.js';
import { native } from '../../src/native.js';
import { monotonicMs } from '../../src/process/monotonic.js';
import type { Exit } from '../../src/process/process.js';
import { Restarter, type RestarterHost } from '../../src/supervisor/restarter.js';

const CONFIG = loadConfig({ cwd: '/', flags: { entry: 'a.js', name: 'shop' }, cores: 1 });
const none = () => {};

interface Stage {
  readonly restarter: Restarter;
  readonly generation: Generation;
  readonly inventory: Inventory;
  readonly entries: Record<string, unknown>[];
  readonly calls: string[];
  readonly host: { busy: boolean; regrets: boolean; starts: boolean };
}

function stage(restart: Partial<Config['restart']> = {}, record?: Generation['record'], slots = 2): Stage {
  const inventory = new Inventory('shop', '/nowhere');
  const release = { kind: 'command', label: 'r1', directory: '/', program: '/bin/sleep', args: ['600'] } as const;
  const generation = new Generation({
    number: 1,
    role: 'incumbent',
    release: { ...release, env: {}, resolvedAt: 0 },
    ready: 'notify',
    slots,
    committedAtMs: monotonicMs(),
    drainUntilMs: null,
    claims: [],
    crashes: [],
    workers: [],
    ...record,
  });
  inventory.generations.set(1, generation);
  const [entries, calls] = [[] as Record<string, unknown>[], [] as string[]];
  const host = { busy: false, regrets: false, starts: true };
  const log = pino({ level: 'trace' }, { write: (line: string) => void entries.push(JSON.parse(line)) });
  const asked: RestarterHost = {
    inventory,
    config: { ...CONFIG, restart: { ...CONFIG.restart, ...restart } },
    log,
    get busy() {
      return host.busy;
    },
    takeOomKill: () => null,
    judged: () => {},
    startWorker: (_generation, slot) => {
      if (!host.starts) throw new Error('no memory');
      calls.push(`start ${slot}`);
    },
    regret: (_generation, reason) => {
      calls.push(`regret: ${reason}`);
      return host.regrets;
    },
    lost: (_generation, reason) => calls.push(`lost: ${reason}`),
    over: (_generation, reason) => calls.push(`over: ${reason}`),
  };
  return { restarter: new Restarter(asked), generation, inventory, entries, calls, host };
}

/** A process of the slot that ends in this way, as the supervisor is told of it. */
async function ended({ restarter, generation }: Stage, slot: number, script: string, cause?: Cause): Promise<void> {
  const [nothing, [channel, theirs]] = [openSync('/dev/null', 'r'), native().socketpair('seqpacket')];
  const { pid, pidfd } = native().spawn({
    file: '/bin/sh',
    argv: ['sh', '-c', script],
    env: [],
    cwd: '/',
    fds: [nothing, nothing, nothing],
    parent: 'self',
    newSession: true,
  });
  native().close(nothing);
  const record = { id: `g1s${slot}`, generation: 1, slot, pid, phase: 'open', startedAtMs: monotonicMs() } as const;
  await new Promise<void>((resolve) => {
    const worker = new Worker(
      { ...record, listening: [], fatal: null },
      { pidfd, channel, notify: null, pipes: null },
      {
        readLines: none,
        onPhase: none,
        onListen: none,
        onListening: none,
        onUnlisten: none,
        onForeign: none,
        onState: none,
        onChecks: none,
        onExit: (one: Worker, exit: Exit) => {
          generation.workers.delete(slot);
          restarter.ended(generation, one, exit);
          resolve();
        },
      } as unknown as ConstructorParameters<typeof Worker>[2],
    );
    generation.workers.set(slot, worker);
    if (cause !== undefined) worker.killFor(cause);
  });
  native().close(theirs);
}

const decisions = ({ entries }: Stage) => entries.filter(({ event }) => event === 'healing');

describe('a worker that was killed by us', () => {
  test.each(['liveness', 'watchdog', 'boot', 'channel'] as const)('for %s falls under that rule', async (cause) => {
    const it = stage();
    await ended(it, 0, 'sleep 600', cause);
    expect(decisions(it)).toMatchObject([{ rule: cause, action: 'restart', cause, signal: 'SIGKILL', slot: 0 }]);
    it.restarter.freeze();
  });
});

describe('slots that are not started again', () => {
  test('wait for a reload that is under way, and end the service only after it', async () => {
    const it = stage();
    it.host.busy = true;
    await ended(it, 0, 'exit 100');
    await ended(it, 1, 'exit 0');
    it.restarter.review();
    expect(it.calls).toEqual([]);
    it.host.busy = false;
    it.restarter.review();
    expect(it.calls.at(-1)).toBe('over: its worker 0 exited with status 100 (config error)');
  });

  test('are left alone by the next supervisor, which is told of them in the record', async () => {
    const it = stage();
    await ended(it, 0, 'exit 201');
    await ended(it, 1, 'exit 105');
    it.restarter.freeze();
    const record = JSON.parse(JSON.stringify(it.generation.record));
    expect(record.healing.slots).toMatchObject([
      { slot: 0, rest: 'kept', dueAtMs: null },
      { slot: 1, rest: 'waiting', waits: 1 },
    ]);
    expect(isSnapshot({ ...it.inventory.snapshot().state, generations: [record] })).toBe(true);
    const next = stage({}, record);
    next.restarter.activate();
    await vi.waitFor(() => expect(next.calls).toEqual(['start 1']), 5_000);
    expect(next.generation.healing.slots.get(1)).toMatchObject({ rest: null, dueAtMs: null });
  });

  test('of a generation that an older supervisor has recorded are none', () => {
    const it = stage();
    const { healing, ...older } = it.generation.record;
    expect(healing?.slots).toEqual([]);
    expect(isSnapshot({ ...it.inventory.snapshot().state, generations: [older] })).toBe(true);
    expect(new Generation(older).healing.isSettled(0)).toBe(false);
  });
});

describe('with fake time', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  test('a start that fails is tried again until the limit of every slot is used up', async () => {
    const it = stage({ limit: 4 }, undefined, 1);
    it.host.starts = false;
    it.restarter.activate();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(decisions(it).map(({ rule, action }) => `${rule}: ${action}`)).toEqual(Array(4).fill('start: restart'));
    expect(it.calls.at(-1)).toBe('lost: its workers keep ending, the last one could not be started: no memory');
  });

  test('a spent budget asks for the release before first, and spares what still serves', async () => {
    const it = stage({ budget: 2 });
    it.generation.workers.set(1, { phase: 'open' } as Worker);
    it.host.starts = false;
    it.restarter.activate();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(decisions(it)[2]).toMatchObject({ restarts: 3, spent: true });
    expect(Number(decisions(it)[2]?.delayMs)).toBeGreaterThanOrEqual(10_000);
    expect(it.calls[0]).toBe(
      'regret: its workers have ended more than 2 times in 600 s, the last one could not be started: no memory',
    );
    expect(it.calls.filter((call) => call.startsWith('lost'))).toEqual([]);
    it.restarter.freeze();
  });
});
