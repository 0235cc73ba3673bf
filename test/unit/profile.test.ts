/** What is told of a profile is what is in it: on profiles and snapshots that V8 makes here. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Examined } from '../../src/channel/messages.js';
import type { ProfileLine, ProfileOptions } from '../../src/control/profile-messages.js';
import { parseProfileLine } from '../../src/control/profile-messages.js';
import { profileOptions } from '../../src/control/profiles.js';
import type { Inventory } from '../../src/inventory/inventory.js';
import { KEPT_PROFILES, ProfileFiles, profileName } from '../../src/inventory/profile-files.js';
import type { Phase, Worker } from '../../src/inventory/worker.js';
import type { Log } from '../../src/log.js';
import { type CpuProfile, parseCpuProfile, sampleTimes } from '../../src/profile/cpu-profile.js';
import { summarizeCpu } from '../../src/profile/cpu-summary.js';
import { HeapSnapshotReader } from '../../src/profile/heap-summary.js';
import { ownerOf, placeOf } from '../../src/profile/place.js';
import { summarizeStartup } from '../../src/profile/startup-summary.js';
import { Profiling } from '../../src/supervisor/profiling.js';

let folder: string;
let cpu: CpuProfile;
let heap: Buffer;

const PROGRAM = `
const { Session } = require('node:inspector');
const { writeHeapSnapshot } = require('node:v8');
class Basket { constructor(i) { this.i = i; } }
globalThis.baskets = Array.from({ length: 4321 }, (_, i) => new Basket(i));
globalThis['sch\\u00f6n "quoted" \\\\'] = 1;
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.start');
require('busy')();
session.post('Profiler.stop', (error, { profile }) => {
  require('node:fs').writeFileSync('cpu', JSON.stringify(profile));
  writeHeapSnapshot('heap');
});
`;

const BUSY = `
const until = (ms) => { for (const end = Date.now() + ms; Date.now() < end; ) Math.sqrt(2); };
until(20);
module.exports = function outer(depth = 3) { if (depth > 0) outer(depth - 1); else until(60); };
`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'batond-profile-'));
  mkdirSync(join(folder, 'node_modules/busy'), { recursive: true });
  writeFileSync(join(folder, 'node_modules/busy/index.js'), BUSY);
  writeFileSync(join(folder, 'program.cjs'), PROGRAM);
  execFileSync(process.execPath, ['program.cjs'], { cwd: folder });
  cpu = parseCpuProfile(readFileSync(join(folder, 'cpu'), 'utf8'));
  heap = readFileSync(join(folder, 'heap'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a CPU profile', () => {
  const all = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0);

  test('is told by function, with its file and line', () => {
    const { bySelf, byTotal } = summarizeCpu(cpu, '/opt/batond');
    const file = join(folder, 'node_modules/busy/index.js');
    expect(bySelf[0]).toMatchObject({ name: 'until', place: `${file}:2`, owner: 'node_modules/busy' });
    expect(bySelf[0]!.selfMs).toBeGreaterThan(1);
    const outer = byTotal.filter(({ name }) => name === 'outer');
    expect(outer).toHaveLength(1);
    // However deep it calls itself, its time is counted once.
    expect(outer[0]!.totalMs).toBeGreaterThan(1);
    expect(outer[0]!.totalMs).toBeLessThanOrEqual(all(sampleTimes(cpu)));
    expect(outer[0]!.selfMs).toBeLessThan(outer[0]!.totalMs);
  });

  test('is told by package, and nothing of its time is lost or twice', () => {
    const { byOwner } = summarizeCpu(cpu, '/opt/batond');
    expect(byOwner.map(({ owner }) => owner)).toContain('node_modules/busy');
    expect(all(byOwner.map(({ selfMs }) => selfMs))).toBeCloseTo(all(sampleTimes(cpu)), 0);
  });

  test('has the evaluation of modules apart', () => {
    const { modules, bySelf } = summarizeCpu(cpu, '/opt/batond');
    const busy = modules.find(({ file }) => file.endsWith('/busy/index.js'));
    expect(busy).toMatchObject({ owner: 'node_modules/busy' });
    expect(busy!.totalMs).toBeGreaterThan(0);
    // What is called when it has been evaluated is not part of that.
    expect(busy!.totalMs).toBeLessThan(bySelf[0]!.totalMs);
  });

  test('whose nodes go round in a circle, or that has none, comes to an end', () => {
    const callFrame = { functionName: 'a', url: '', lineNumber: -1, columnNumber: -1 };
    const nodes = [
      { id: 1, callFrame, children: [2] },
      { id: 2, callFrame, children: [1, 2, 9] },
    ];
    const circle = { nodes, startTime: 0, endTime: 2_000, samples: [2], timeDeltas: [1_000] };
    expect(summarizeCpu(circle, '/x').byTotal).toEqual([]);
    expect(summarizeCpu(circle, '/x').bySelf).toMatchObject([{ selfMs: 1, totalMs: 1, owner: 'node' }]);
    expect(summarizeCpu({ ...circle, nodes: [], samples: [], timeDeltas: [] }, '/x').bySelf).toEqual([]);
  });

  test.each(['{}', 'null', '{"nodes":[],"startTime":0,"endTime":0,"samples":[1],"timeDeltas":[]}', 'x'])(
    'is not what %s is',
    (text) => expect(() => parseCpuProfile(text)).toThrow(),
  );

  test('of a start is told by its phases, one after the other', () => {
    const frame = (url: string, id: number, children: number[] = []) => {
      return { id, callFrame: { functionName: '', url, lineNumber: 0, columnNumber: 0 }, children };
    };
    const nodes = [
      frame('', 1, [2, 4]),
      frame('node:internal/loader', 2, [3]),
      frame('file:///srv/app.js', 3),
      frame('file:///opt/batond/dist/x.js', 4),
    ];
    const marks = { bootstrapped: 20, preload: 30, evaluated: 55, listen: 60, ready: 70 };
    const profile = {
      nodes,
      startTime: 0,
      endTime: 40_000,
      samples: [4, 2, 3, 2],
      timeDeltas: [1_000, 4_000, 5_000, 5_000],
    };
    const of = (given: object) =>
      summarizeStartup({ ...profile, batond: { marks: { ...marks, ...given } } } as CpuProfile, '/opt/batond');
    expect(of({})).toMatchObject({
      totalMs: 70,
      phases: [
        { phase: 'node', ms: 20 },
        { phase: 'preload', ms: 10 },
        { phase: 'load', ms: 10 },
        { phase: 'app', ms: 20 },
        { phase: 'ready', ms: 10 },
      ],
    });
    expect(of({ listen: null }).phases.map(({ phase }) => phase)).toEqual(['node', 'preload', 'load', 'ready']);
    expect(of({ listen: 35, ready: 36 })).toMatchObject({
      totalMs: 36,
      phases: [{ ms: 20 }, { ms: 10 }, { phase: 'app', ms: 5 }, { phase: 'ready', ms: 1 }],
    });
    expect(() => summarizeStartup(cpu, '/opt/batond')).toThrow('no profile of a start');
  });

  test('knows whose code it is', () => {
    const owner = (url: string) => ownerOf(url, '/srv/app/node_modules/batond');
    expect(owner('file:///srv/app/a%20b.js')).toBe('app');
    expect(owner('/srv/app/main.cjs')).toBe('app');
    expect(owner('file:///srv/app/node_modules/a/node_modules/@s/b/c.js')).toBe('node_modules/@s/b');
    expect(owner('file:///srv/app/node_modules/batond/dist/worker/worker.js')).toBe('batond');
    expect(owner('node:internal/timers')).toBe('node');
    expect(owner('')).toBeNull();
    const frame = { functionName: '', url: 'file:///srv/a%20b.js', lineNumber: 0, columnNumber: 0 };
    expect(placeOf(frame)).toBe('/srv/a b.js:1');
  });
});

describe('a heap snapshot', () => {
  const read = (bytes: Buffer, size: number) => {
    const reader = new HeapSnapshotReader();
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    return reader.summary;
  };

  test('is summed up as its JSON says', () => {
    const { snapshot, nodes, strings } = JSON.parse(heap.toString('utf8')) as {
      snapshot: { node_count: number; meta: { node_fields: string[]; node_types: [string[]] } };
      nodes: number[];
      strings: string[];
    };
    const { node_fields: fields, node_types: types } = snapshot.meta;
    const size = fields.indexOf('self_size');
    let bytes = 0;
    let baskets = 0;
    for (let at = 0; at < nodes.length; at += fields.length) {
      bytes += nodes[at + size]!;
      if (types[0][nodes[at]!] === 'object' && strings[nodes[at + 1]!] === 'Basket') baskets += nodes[at + size]!;
    }
    const told = read(heap, 65_536);
    expect(told).toMatchObject({ nodes: snapshot.node_count, bytes });
    expect(told.byCount).toContainEqual({ name: 'Basket', count: 4_321, bytes: baskets });
    expect(told.byBytes.map(({ name }) => name)).toContain('(string)');
  });

  test('is the same in whatever pieces it comes', () => {
    const small = smallSnapshot(['Plain', 'sch\u00f6n "quoted" \\', '"strings":[', 'last']);
    const whole = read(small, small.length);
    expect(whole.byCount).toEqual([
      { name: 'sch\u00f6n "quoted" \\', count: 2, bytes: 30 },
      { name: '"strings":[', count: 1, bytes: 40 },
      { name: '(string)', count: 1, bytes: 50 },
    ]);
    for (const size of [1, 2, 3, 7, 64]) expect(read(small, size), `${size}`).toEqual(whole);
  });

  test.each([
    ['nothing', Buffer.from('')],
    ['half of one', smallSnapshot(['a']).subarray(0, -4)],
    ['other JSON', Buffer.from('{"nodes":[1,2,3],"strings":["a"]}')],
    ['no JSON', Buffer.from('{"snapshot":x,"nodes":[1],"strings":["a"]}')],
  ])('is not %s', (_what, bytes) => expect(() => read(bytes, 10)).toThrow());

  function smallSnapshot(names: string[]): Buffer {
    const meta = { node_fields: ['type', 'name', 'self_size'], node_types: [['object', 'string'], 'string', 'number'] };
    const nodes = [0, 1, 10, 0, 1, 20, 0, 2, 40, 1, 3, 50];
    return Buffer.from(JSON.stringify({ snapshot: { meta, node_count: 4 }, nodes, edges: [1, 2, 3], strings: names }));
  }
});

describe('the files', () => {
  const at = (second: number) => profileName(new Date(Date.UTC(2026, 0, 1, 12, 0, second)), 'g1s0', 'cpuprofile');
  let state: string;
  beforeEach(() => {
    state = mkdtempSync(join(folder, 'state-'));
  });
  const keep = (files: ProfileFiles, name: string, bytes: number) => {
    writeFileSync(files.begin(name), Buffer.alloc(bytes), { mode: 0o644 });
    return files.complete(name);
  };
  const names = () => readdirSync(join(state, 'profiles')).sort();

  test('are few, and no more bytes than they may: the oldest go', () => {
    const files = new ProfileFiles(state, 10_000, () => 2 ** 40);
    for (let i = 0; i < KEPT_PROFILES + 2; i++) expect(keep(files, at(i), 10)).toBe(10);
    expect(names()).toHaveLength(KEPT_PROFILES - 1);
    expect(names()[0]).toBe(at(3));
    expect(statSync(files.pathOf(at(5))).mode & 0o777).toBe(0o600);
    keep(files, at(59), 9_995);
    expect(names()).toEqual([at(59)]);
    expect(() => keep(files, at(58), 10_001)).toThrow('10000 are kept');
    expect(names()).toEqual([at(59)]);
  });

  test('leave the disk what the service needs, and nothing half', () => {
    const spared = 64 * 2 ** 20;
    const files = new ProfileFiles(state, 10_000, () => spared + 100);
    writeFileSync(files.begin(at(1)), 'half');
    files.begin(at(2));
    expect(files.leftBytes()).toBe(100);
    expect(names()).toEqual([`${at(1)}.partial`]);
    new ProfileFiles(state).begin(at(3));
    expect(names()).toEqual([]);
  });

  test('are found by their names and by no other', () => {
    const files = new ProfileFiles(state, 10_000, () => 2 ** 40);
    keep(files, at(1), 1);
    writeFileSync(join(state, 'profiles', 'notes'), '');
    expect(files.find(at(1))).toBe(files.pathOf(at(1)));
    for (const name of ['notes', '../state.json', at(2), '']) expect(files.find(name)).toBeNull();
  });
});

describe('what is asked for', () => {
  const options = (query: string) => profileOptions(new URLSearchParams(query));

  test('is one worker, or all', () => {
    expect(options('kind=cpu')).toEqual({ kind: 'cpu', durationMs: 10_000, slot: null, all: false });
    expect(options('kind=heap&slot=2&ms=5')).toEqual({ kind: 'heap', durationMs: 5, slot: 2, all: false });
    expect(options('kind=cpu&all=1')).toMatchObject({ all: true });
  });

  test.each([
    '',
    'kind=x',
    'kind=cpu&ms=0',
    'kind=cpu&ms=300001',
    'kind=cpu&slot=-1',
    'kind=cpu&all=1&slot=0',
    'kind=heap&all=1',
    'kind=startup&all=1',
  ])('is not %s', (query) =>
    expect(() => options(query)).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' })),
  );
});

describe('profiling', () => {
  class FakeWorker {
    readonly generation = 3;
    readonly hasChannel: boolean;
    phase: Phase = 'open';
    readonly id: string;
    readonly process = { pid: 7, alive: true };
    inFlight = 0;
    answer: Examined | null = { bytes: 2, reason: null };
    /** Settles what it was asked. */
    finish: (answer?: Examined | null) => void = () => {};
    signal: AbortSignal | undefined;

    constructor(
      readonly slot: number,
      hasChannel = true,
    ) {
      this.id = `g3s${slot}`;
      this.hasChannel = hasChannel;
    }

    async measure() {
      return { inFlight: this.inFlight, connections: 0, heapUsedBytes: 1_000 };
    }

    examine(_what: string, path: string, _bounds: object, signal?: AbortSignal): Promise<Examined | null> {
      this.signal = signal;
      return new Promise((resolve) => {
        this.finish = (answer = this.answer) => {
          if (answer?.bytes != null) writeFileSync(path, '{}');
          resolve(answer);
        };
        signal?.addEventListener('abort', () => this.finish());
      });
    }
  }

  const silent = { info() {}, warn() {} } as unknown as Log;

  function stage(workers: FakeWorker[], memoryBytes: number | null = null) {
    const generation = {
      number: 3,
      workers: new Map(workers.map((one) => [one.slot, one])),
      isMain: () => true,
      processOf: () => ({ name: 'main' }),
    };
    const inventory = { incumbent: workers.length === 0 ? null : generation, generations: new Map([[3, generation]]) };
    const state = mkdtempSync(join(folder, 'stage-'));
    const released: string[] = [];
    const profiling = new Profiling({
      inventory: inventory as unknown as Inventory,
      files: new ProfileFiles(state, 10_000_000, () => 2 ** 40),
      log: silent,
      memoryBytes: () => memoryBytes,
      release: ({ id }) => released.push(id),
      startup: async () => {
        throw new Error('nothing is started here');
      },
    });
    const lines: ProfileLine[] = [];
    let gone = () => {};
    const ask = (asked: Partial<ProfileOptions>) =>
      new Promise<string | null>((resolve, reject) => {
        const stream = {
          line: (line: ProfileLine) => lines.push(parseProfileLine(JSON.stringify(line))!),
          set onGone(callback: () => void) {
            gone = callback;
          },
        };
        const options: ProfileOptions = { kind: 'cpu', durationMs: 10, slot: null, all: false, ...asked };
        profiling.begin(options, stream, resolve).catch(reject);
      });
    const events = () => lines.map(({ event }) => event);
    return {
      profiling,
      ask,
      lines,
      events,
      released,
      files: () => readdirSync(join(state, 'profiles')),
      leave: () => gone(),
    };
  }

  const turn = () => new Promise((resolve) => setImmediate(resolve));

  test('is of the first worker, or of all beside each other, and of a worker once at a time', async () => {
    const workers = [new FakeWorker(0), new FakeWorker(1), new FakeWorker(2, false)];
    const { ask, events, files, released } = stage(workers);
    const first = ask({});
    await turn();
    await expect(ask({ all: true })).rejects.toMatchObject({ code: 'PROFILE_BUSY' });
    workers[0]!.finish();
    expect(await first).toBeNull();
    expect(events()).toEqual(['step', 'file', 'verdict']);
    const both = ask({ all: true });
    await turn();
    workers[0]!.finish();
    workers[1]!.finish({ bytes: null, reason: 'no inspector' });
    expect(await both).toBeNull();
    expect(events().slice(3).sort()).toEqual(['file', 'missing', 'step', 'step', 'verdict']);
    expect(files()).toHaveLength(2);
    expect(released).toEqual(['g3s0', 'g3s0', 'g3s1']);
  });

  test('of a heap takes the worker with the least to do, and where memory is short none', async () => {
    const workers = [new FakeWorker(0), new FakeWorker(1)];
    workers[0]!.inFlight = 3;
    const { ask, lines } = stage(workers);
    const asked = ask({ kind: 'heap' });
    await turn();
    await turn();
    workers[1]!.finish();
    expect(await asked).toBeNull();
    expect(lines).toContainEqual(expect.objectContaining({ event: 'file', worker: 'g3s1' }));
    const scarce = stage(workers, 10);
    expect(await scarce.ask({ kind: 'heap' })).toBe('PROFILE_FAILED');
    expect(scarce.lines.at(-1)).toMatchObject({
      ok: false,
      exitStatus: 1,
      message: expect.stringContaining('available'),
    });
  });

  test('is refused where there is nothing that could be', async () => {
    await expect(stage([]).ask({})).rejects.toMatchObject({ code: 'PROFILE_REFUSED' });
    await expect(stage([new FakeWorker(0, false)]).ask({})).rejects.toThrow('no worker is a Node program');
    await expect(stage([new FakeWorker(0)]).ask({ slot: 4 })).rejects.toThrow('slot 4');
  });

  test('ends early with what there is, and says why', async () => {
    const worker = new FakeWorker(0);
    const { profiling, ask, lines, files } = stage([worker]);
    const asked = ask({});
    await turn();
    expect(profiling.holds(worker as unknown as Worker)).toBe(true);
    profiling.enough('a reload began');
    expect(await asked).toBeNull();
    expect(profiling.holds(worker as unknown as Worker)).toBe(false);
    expect(lines[1]).toMatchObject({ message: 'the profile of g3s0 is shorter: a reload began' });
    expect(files()).toHaveLength(1);
  });

  test('ends with a reason where nobody hears the worker any more, or it says nothing', async () => {
    const worker = new FakeWorker(0);
    const { profiling, ask, lines, files } = stage([worker]);
    const frozen = ask({});
    await turn();
    profiling.freeze();
    expect(await frozen).toBe('PROFILE_FAILED');
    expect(lines.at(-1)).toMatchObject({ message: expect.stringContaining('another supervisor takes over') });
    const unheard = ask({});
    await turn();
    worker.finish(null);
    expect(await unheard).toBe('PROFILE_FAILED');
    expect(lines.at(-1)).toMatchObject({ message: expect.stringContaining('its event loop is blocked') });
    expect(files()).toEqual([]);
  });

  test('leaves nothing of one whose client went away', async () => {
    const { ask, leave, files } = stage([new FakeWorker(0)]);
    const asked = ask({});
    await turn();
    leave();
    expect(await asked).toBe('PROFILE_FAILED');
    expect(files()).toEqual([]);
  });
});
