/** The copy of the inventory outside the process: what goes to the store and the file, in which order, and what a failure does. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.js';
import { reloadAfterDeath } from '../../src/inventory/after-death.js';
import { Inventory, type Snapshot } from '../../src/inventory/inventory.js';
import { encodeLive, readLive, writeLive } from '../../src/inventory/live-file.js';
import { Mirror, type Mirrored } from '../../src/inventory/mirror.js';
import { reconcile } from '../../src/inventory/reconcile.js';
import { newReport } from '../../src/inventory/report.js';
import { factsOf, isOurs, isPipe, storedName } from '../../src/inventory/stored-names.js';
import type { Log } from '../../src/log.js';
import { jobOf } from '../../src/systemd/unit-job.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batond-mirror-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const CONFIG = { name: 'shop' } as Config;

interface Given {
  /** By generation: its role and the pids of its workers by slot. */
  readonly generations?: readonly {
    number: number;
    role: 'candidate' | 'incumbent' | 'draining';
    pids: number[];
    claims?: string[];
  }[];
  readonly listeners?: readonly string[];
}

function snapshot({ generations = [], listeners = [] }: Given): Snapshot {
  const { state } = new Inventory('shop', folder).snapshot();
  return {
    ...state,
    listeners: listeners.map((name) => ({ name, address: null, origin: 'asked' as const, file: null })),
    generations: generations.map(({ number, role, pids, claims = [] }) => ({
      number,
      role,
      release: {
        kind: 'command',
        label: `r${number}`,
        directory: '/srv',
        program: '/bin/true',
        args: [],
        env: {},
        resolvedAt: 0,
      },
      ready: 'listen' as const,
      slots: pids.length,
      committedAtMs: null,
      drainUntilMs: null,
      claims: claims.map((listener) => ({ listener, slots: [0] })),
      crashes: [],
      workers: pids.map((pid, slot) => {
        const id = `g${number}s${slot}`;
        return {
          id,
          generation: number,
          slot,
          pid,
          phase: 'open' as const,
          startedAtMs: 0,
          listening: [],
          fatal: null,
        };
      }),
    })),
  };
}

const namesOf = (state: Snapshot): string[] => [
  ...state.listeners.map(({ name }) => `listener.${name}`),
  ...state.generations.flatMap(({ workers }) => workers.flatMap(({ id }) => [`pidfd.${id}`, `channel.${id}`])),
];
const storedOf = (state: Snapshot) => new Set(namesOf(state).map((name) => storedName(name, state)));

describe('a stored name', () => {
  const state = snapshot({ generations: [{ number: 7, role: 'incumbent', pids: [41, 42] }] });

  test('is exact: the same slot with another process has another', () => {
    expect(storedName('channel.g7s1', state)).toBe('batond.channel.g7s1.42');
    expect(factsOf('batond.channel.g7s1.42')).toEqual({ kind: 'channel', id: 'g7s1', pid: 42, generation: 7 });
  });

  test('is one that systemd takes, whatever a .socket unit is called', () => {
    for (const name of ['listener.http', `listener.${'x'.repeat(250)}-3`, 'listener.a:b-3', 'listener.ä-3']) {
      const stored = storedName(name, state);
      expect(stored).toMatch(/^batond\.listener\.[\x20-\x39\x3b-\x7e]{1,230}$/);
      expect(isOurs(stored)).toBe(true);
    }
    expect(isOurs('shop.socket')).toBe(false);
  });
});

describe('the live state file', () => {
  const live = { supervisor: 1, state: snapshot0(), config: CONFIG, leftovers: [] };

  test('comes back as it was, and only its user may read it', () => {
    const path = join(folder, 'live.json');
    writeLive(path, encodeLive(live));
    expect(readLive(path)).toEqual({ live });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['live.json']);
  });

  test('counts as none at whatever byte it is cut, and with any byte changed', () => {
    const path = join(folder, 'live.json');
    const text = encodeLive(live);
    for (let length = 0; length < text.length; length += 7) {
      writeFileSync(path, text.slice(0, length));
      expect(readLive(path).live, `${length}`).toBeNull();
    }
    for (let at = 0; at < text.length; at += 7) {
      writeFileSync(path, `${text.slice(0, at)}\u0001${text.slice(at + 1)}`);
      expect(readLive(path).live, `${at}`).toBeNull();
    }
    expect(readLive(join(folder, 'none'))).toEqual({ live: null, why: 'there is none' });
  });
});

function snapshot0(): Snapshot {
  const { state } = new Inventory('shop', '/run/shop').snapshot();
  return JSON.parse(JSON.stringify(state)) as Snapshot;
}

function mirrorOf(path: string, env: NodeJS.ProcessEnv = {}) {
  const said: string[] = [];
  const logged: string[] = [];
  let mirrored: Mirrored = {
    live: { supervisor: 1, state: snapshot({}), config: CONFIG, leftovers: [] },
    fds: new Map(),
    tickets: null,
    others: new Map(),
  };
  let changes = 0;
  const note = (_: object, text: string) => void logged.push(text);
  const mirror = new Mirror({
    path,
    env,
    log: { info: note, error: note } as unknown as Log,
    notifier: {
      active: true,
      fdStore: (name, fds, { poll }) => {
        said.push(`+${name} ${fds.join()}${poll ? ' poll' : ''}`);
        return true;
      },
      fdStoreRemove: (name) => {
        said.push(`-${name}`);
        return true;
      },
    },
    collect: () => mirrored,
    changed: () => changes++,
  });
  const give = (given: Given) => {
    const state = snapshot(given);
    const fds = new Map(namesOf(state).map((name, i) => [name, 100 + i]));
    mirrored = { ...mirrored, live: { ...mirrored.live, state }, fds };
  };
  return { mirror, said, logged, give, changes: () => changes };
}

describe('the mirror', () => {
  test('stores what is new, removes what is gone, first the one and then the other, and writes once a turn', async () => {
    const path = join(folder, 'live.json');
    const { mirror, said, give } = mirrorOf(path);
    mirror.begin([]);
    give({ listeners: ['http'], generations: [{ number: 1, role: 'incumbent', pids: [5] }] });
    mirror.touch();
    mirror.touch();
    expect(said).toEqual([]);
    await Promise.resolve();
    expect(said.splice(0)).toEqual([
      '+batond.listener.http 100',
      '+batond.pidfd.g1s0.5 101',
      '+batond.channel.g1s0.5 102',
    ]);
    // The slot is started again.
    give({ listeners: ['http'], generations: [{ number: 1, role: 'incumbent', pids: [6] }] });
    mirror.flush();
    expect(said.splice(0)).toEqual([
      '-batond.pidfd.g1s0.5',
      '-batond.channel.g1s0.5',
      '+batond.pidfd.g1s0.6 101',
      '+batond.channel.g1s0.6 102',
    ]);
    mirror.flush();
    expect(said).toEqual([]);
    expect(readLive(path).live?.state.generations[0]?.workers[0]?.pid).toBe(6);
    mirror.clear();
    expect(said).toHaveLength(3);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('begins with what the store has, and drops from it what nothing speaks of', () => {
    const { mirror, said, give } = mirrorOf(join(folder, 'live.json'));
    give({ listeners: ['http'] });
    mirror.begin(['batond.listener.http', 'batond.client.3']);
    mirror.flush();
    expect(said).toEqual(['-batond.client.3']);
  });

  test('says a disk that fails once, shows it, leaves nothing stale, and recovers by itself', () => {
    const path = join(folder, 'sub/live.json');
    const { mirror, logged, give, changes } = mirrorOf(path);
    mirror.begin([]);
    for (const pid of [5, 6, 7]) {
      give({ generations: [{ number: 1, role: 'incumbent', pids: [pid] }] });
      mirror.flush();
    }
    expect(mirror.problem).toContain('ENOENT');
    expect(logged).toHaveLength(1);
    expect(changes()).toBe(1);
    mkdirSync(join(folder, 'sub'));
    mirror.flush();
    expect(mirror.problem).toBeNull();
    expect(readFileSync(path, 'utf8')).toContain('"pid":7');
    // The directory of a file that cannot be replaced: what stood there is removed.
    mkdirSync(join(folder, 'sub/live.json.next'));
    give({ generations: [{ number: 1, role: 'incumbent', pids: [8] }] });
    mirror.flush();
    expect(mirror.problem).not.toBeNull();
    expect(readLive(path).live).toBeNull();
  });

  test('says when the unit may not store as much', () => {
    const { mirror, give } = mirrorOf(join(folder, 'live.json'), { FDSTORE: '2' });
    mirror.begin([]);
    give({ generations: [{ number: 1, role: 'incumbent', pids: [5, 6] }] });
    mirror.flush();
    expect(mirror.problem).toBe('4 descriptors, FileDescriptorStoreMax= is 2');
  });

  test('says nothing to anybody while somebody else keeps the copy', () => {
    const { mirror, said, give } = mirrorOf(join(folder, 'live.json'));
    mirror.begin([]);
    mirror.end();
    give({ listeners: ['http'] });
    mirror.flush();
    expect(said).toEqual([]);
    mirror.again();
    mirror.flush();
    expect(said).toEqual(['+batond.listener.http 100']);
  });
});

describe('a record and a store', () => {
  const state = snapshot0With();

  test('that agree are gone on with', () => {
    expect(reconcile(state, storedOf(state))).toMatchObject({
      state: { generations: state.generations },
      remarks: [],
      broken: [],
    });
  });

  test('of which one lacks a channel or a pidfd: that worker is not kept, the others are', () => {
    for (const kind of ['pidfd', 'channel']) {
      const stored = storedOf(state);
      stored.delete(`batond.${kind}.g2s0.21`);
      const kept = reconcile(state, stored);
      expect(kept?.state.generations[1]?.workers.map(({ pid }) => pid)).toEqual([22]);
      expect(kept?.state.generations[1]?.role).toBe('incumbent');
      expect(kept?.broken.map(({ worker, stored: left }) => [worker.pid, left.length])).toEqual([[21, 1]]);
      expect(kept?.remarks).toEqual([`worker g2s0 (pid 21) cannot be kept: ${kind}.g2s0 is missing`]);
    }
  });

  test('of which one lacks a listener: who uses it is sent away', () => {
    const stored = storedOf(state);
    stored.delete('batond.listener.http');
    const kept = reconcile(state, stored);
    expect(kept?.state.generations.map(({ role }) => role)).toEqual(['draining', 'draining']);
    expect(kept?.state.generations[1]?.claims).toEqual([]);
    expect(kept?.state.listeners).toEqual([]);
  });

  test('of which one lacks the second socket of a listener: it stays, and can have no canary any more', () => {
    const withCanary = { ...state, listeners: state.listeners.map((one) => ({ ...one, canary: 'kept' as const })) };
    const stored = storedOf(withCanary);
    expect(reconcile(withCanary, new Set([...stored, 'batond.canary.http']))).toMatchObject({
      state: { listeners: [{ canary: 'kept' }] },
      remarks: [],
    });
    stored.delete('batond.canary.http');
    expect(reconcile(withCanary, stored)).toMatchObject({
      state: { listeners: [{ canary: 'lost' }], generations: state.generations },
      remarks: ['the second socket of the listener http is missing: it can have no canary any more'],
    });
  });

  test('without a pipe for the output of a worker: that is said, and the worker serves on', () => {
    const piped = {
      ...state,
      generations: state.generations.map((one) => ({
        ...one,
        workers: one.workers.map((worker) => ({ ...worker, piped: true })),
      })),
    };
    const pipes = ['out.g2s0.21', 'err.g2s0.21', 'out.g2s1.22', 'err.g2s1.22', 'out.g1s0.11'];
    const stored = new Set([...storedOf(state), ...pipes.map((name) => `batond.${name}`)]);
    const kept = reconcile(piped, stored)!;
    expect(kept.names.get('out.g2s1')).toBe('batond.out.g2s1.22');
    expect(kept.names.has('out.g1s0')).toBe(false);
    expect(isPipe('batond.out.g1s0.11')).toBe(true);
    expect(isPipe('batond.channel.g1s0.11')).toBe(false);
    expect(kept.state.generations.map(({ workers }) => workers.map((worker) => worker.piped))).toEqual([
      [false],
      [true, true],
    ]);
    expect(kept.remarks).toEqual([
      'what worker g1s0 (pid 11) says from here on is lost: a pipe of its output is missing',
    ]);
    expect(storedName('left.batond.out.g1s0.11', piped)).toBe('batond.out.g1s0.11');
  });

  test('of two times: the record counts as none', () => {
    const older = snapshot({ listeners: ['http'], generations: [{ number: 1, role: 'incumbent', pids: [11] }] });
    const stored = storedOf(state);
    stored.delete('batond.pidfd.g1s0.11');
    expect(reconcile(older, stored)).toBeNull();
  });

  test('in which nobody has outlived the night: the slots are started again', () => {
    expect(reconcile(state, new Set(['batond.listener.http']))?.state.generations[1]).toMatchObject({
      role: 'incumbent',
      workers: [],
    });
  });

  function snapshot0With(): Snapshot {
    const claims = ['http'];
    return snapshot({
      listeners: ['http'],
      generations: [
        { number: 1, role: 'draining', pids: [11], claims },
        { number: 2, role: 'incumbent', pids: [21, 22], claims },
      ],
    });
  }
});

describe('a reload whose supervisor has died', () => {
  const reports = (to: number | null) => {
    const open = newReport(4, 'reload', 1, 100);
    open.report.to = to;
    return { last: 4, open: [open], pid: 1 };
  };
  const incumbent = (number: number) => snapshot({ generations: [{ number, role: 'incumbent', pids: [1] }] });

  test('is done when its candidate is on record as the incumbent, and not before', () => {
    expect(reloadAfterDeath({ ...incumbent(2), reports: reports(2) }, 350)).toMatchObject({
      ok: true,
      generation: 2,
      durationMs: 250,
    });
    expect(reloadAfterDeath({ ...incumbent(1), reports: reports(2) }, 350)).toMatchObject({
      ok: false,
      code: 'SUPERVISOR_DIED',
      generation: 1,
    });
    expect(reloadAfterDeath({ ...incumbent(1), reports: reports(null) }, 350)).toMatchObject({
      ok: false,
      generation: 1,
    });
    const failed = { ok: false, code: 'CANDIDATE_EXITED', message: 'it exited', exitStatus: 1, generation: 1 };
    const outcome = { ...failed, at: 1, durationMs: 7 };
    const attempt = { kind: 'reload', release: null, generation: 2, from: null, target: null, outcome } as const;
    expect(reloadAfterDeath({ ...incumbent(1), reports: reports(2), attempt }, 350)).toMatchObject(failed);
    expect(reloadAfterDeath(incumbent(1), 350)).toBeNull();
  });
});

test('the job of a unit is found among those of systemd', () => {
  const text = ' 812 shop.service    restart running\n1 other.service stop waiting\n';
  expect(jobOf(text, 'shop.service')).toBe('restart');
  expect(jobOf(text, 'other.service')).toBe('stop');
  expect(jobOf('No jobs running.\n', 'shop.service')).toBeNull();
});
