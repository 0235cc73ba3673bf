/** Evidence is bounded in number and size, is its owner's alone, and is whole or is not there. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EvidenceKind, Examined } from '../../src/channel/messages.js';
import { BatondError } from '../../src/errors.js';
import { EvidenceFiles, evidenceName, KEPT_FOLDERS } from '../../src/inventory/evidence-files.js';
import type { Generation } from '../../src/inventory/generation.js';
import type { EvidenceReport } from '../../src/inventory/report.js';
import type { Worker } from '../../src/inventory/worker.js';
import { Gathering } from '../../src/supervisor/gathering.js';

const MAX = 10_000;
const PLENTY = 2 ** 40;

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'batond-evidence-'));
});
afterEach(() => rmSync(state, { recursive: true }));

const name = (generation: number) => evidenceName(new Date(Date.UTC(2026, 0, 1, 12)), generation);
const folders = () => readdirSync(join(state, 'evidence')).sort();
const modeOf = (path: string) => statSync(path).mode & 0o777;

function keep(files: EvidenceFiles, generation: number, bytes: number): void {
  files.begin(name(generation));
  files.makeRoom(name(generation), bytes);
  writeFileSync(files.pathFor(name(generation), 'a'), Buffer.alloc(bytes), { mode: 0o644 });
  files.complete(name(generation), new Set(['a']));
}

describe('the folders', () => {
  test('are called by date and generation, and are their owner’s alone', () => {
    const files = new EvidenceFiles(state, MAX, { folder: 'evidence', kept: KEPT_FOLDERS, freeBytes: () => PLENTY });
    keep(files, 7, 10);
    expect(folders()).toEqual(['20260101T120000Z-g7']);
    expect(modeOf(files.pathOf(name(7)))).toBe(0o700);
    expect(modeOf(join(files.pathOf(name(7)), 'a'))).toBe(0o600);
  });

  test('are few: the oldest goes, by its generation and not by its date', () => {
    const files = new EvidenceFiles(state, MAX, { folder: 'evidence', kept: KEPT_FOLDERS, freeBytes: () => PLENTY });
    const old = evidenceName(new Date(Date.UTC(2030, 0, 1)), 1);
    mkdirSync(files.pathOf(old), { recursive: true });
    mkdirSync(join(state, 'evidence', 'notes-of-mine'));
    for (let generation = 2; generation <= KEPT_FOLDERS + 1; generation++) keep(files, generation, 1);
    expect(folders()).toEqual([...[2, 3, 4, 5, 6].map(name), 'notes-of-mine']);
  });

  test('have no more bytes than they may: older ones make room', () => {
    const files = new EvidenceFiles(state, MAX, { folder: 'evidence', kept: KEPT_FOLDERS, freeBytes: () => PLENTY });
    for (const generation of [1, 2, 3]) keep(files, generation, 3_000);
    files.begin(name(4));
    expect(files.leftBytes(name(4))).toBe(MAX);
    files.makeRoom(name(4), 5_000);
    expect(folders()).toEqual([name(3), `${name(4)}.partial`]);
  });

  test('make room where the disk has none, and leave it what the service needs', () => {
    const spared = 64 * 2 ** 20;
    const files = new EvidenceFiles(state, MAX, {
      folder: 'evidence',
      kept: KEPT_FOLDERS,
      freeBytes: () => spared + 1_000,
    });
    keep(files, 1, 500);
    files.begin(name(2));
    expect(files.leftBytes(name(2))).toBe(1_500);
    files.makeRoom(name(2), 1_200);
    expect(folders()).toEqual([`${name(2)}.partial`]);
    expect(
      new EvidenceFiles(state, MAX, { folder: 'evidence', kept: KEPT_FOLDERS, freeBytes: () => 0 }).leftBytes(name(2)),
    ).toBe(0);
  });

  test('that a supervisor did not live to complete are removed', () => {
    const files = new EvidenceFiles(state, MAX, { folder: 'evidence', kept: KEPT_FOLDERS, freeBytes: () => PLENTY });
    keep(files, 1, 1);
    files.begin(name(2));
    writeFileSync(files.pathFor(name(2), 'half'), 'half');
    files.sweep();
    expect(folders()).toEqual([name(1)]);
  });
});

type Answer = Examined | null;

/** A worker that writes what it answers with. */
class FakeWorker {
  readonly id: string;
  readonly hasChannel = true;
  readonly process = { alive: true };
  heapUsedBytes: number | null = 1_000;
  readonly asked: string[] = [];
  readonly #answers: Partial<Record<EvidenceKind, Answer>>;

  constructor(
    readonly slot: number,
    answers: Partial<Record<EvidenceKind, Answer>> = {},
  ) {
    this.id = `g2s${slot}`;
    this.#answers = answers;
  }

  async measure() {
    return this.heapUsedBytes === null ? null : { heapUsedBytes: this.heapUsedBytes };
  }

  async examine(what: EvidenceKind, path: string): Promise<Answer> {
    this.asked.push(what);
    const answer = this.#answers[what];
    writeFileSync(path, 'x'.repeat(answer?.bytes ?? 100));
    return answer === undefined ? { bytes: 100, reason: null } : answer;
  }
}

interface Options {
  readonly workers: readonly FakeWorker[];
  readonly memoryBytes?: number;
  readonly freeBytes?: number;
}

function gather({ workers, memoryBytes = PLENTY, freeBytes = PLENTY }: Options) {
  const released: string[] = [];
  let told: (report: EvidenceReport) => void;
  const report = new Promise<EvidenceReport>((resolve) => {
    told = resolve;
  });
  const candidate = {
    number: 2,
    release: { label: 'r2' },
    workers: new Map(workers.map((worker) => [worker.slot, worker])),
  };
  const cause = new BatondError('CANDIDATE_NOT_ANSWERING', { generation: 2, reason: '/ answered 503' });
  const gathering = new Gathering(name(2), candidate as unknown as Generation, cause, [], {
    files: new EvidenceFiles(state, MAX, { folder: 'evidence', kept: KEPT_FOLDERS, freeBytes: () => freeBytes }),
    config: { onFailure: ['heap', 'report', 'cpu'], maxBytes: MAX, cpuMs: 1 },
    memoryBytes: () => memoryBytes,
    release: ({ id }) => released.push(id),
    done: (found) => told(found),
  });
  gathering.begin();
  const hold = () => workers.map((worker) => gathering.holds(worker as unknown as Worker));
  return { gathering, released, report, hold };
}

const names = ({ files }: EvidenceReport) => files.map((file) => file.name);

describe('gathering', () => {
  test('takes report and profile of each worker, one heap snapshot, and then lets go', async () => {
    const { hold, report, released } = gather({ workers: [new FakeWorker(0), new FakeWorker(1)] });
    expect(hold()).toEqual([true, true]);
    const found = await report;
    expect(names(found).filter((file) => file.endsWith('.heapsnapshot'))).toHaveLength(1);
    expect(names(found).filter((file) => !file.endsWith('.heapsnapshot'))).toEqual([
      'evidence.json',
      'g2s0.cpuprofile',
      'g2s0.report.json',
      'g2s1.cpuprofile',
      'g2s1.report.json',
    ]);
    expect(found.missing).toEqual([]);
    expect(readdirSync(found.folder)).toEqual(names(found));
    expect(JSON.parse(readFileSync(join(found.folder, 'evidence.json'), 'utf8'))).toMatchObject({
      generation: 2,
      release: 'r2',
      code: 'CANDIDATE_NOT_ANSWERING',
    });
    await Promise.resolve();
    expect(released.sort()).toEqual(['g2s0', 'g2s1']);
    expect(hold()).toEqual([false, false]);
  });

  test('begins a profile at once, and what blocks only when the worker would be told to end', async () => {
    const worker = new FakeWorker(0);
    const { hold, report } = gather({ workers: [worker] });
    expect(worker.asked).toEqual(['cpu']);
    hold();
    await report;
    expect(worker.asked).toEqual(['cpu', 'report', 'heap']);
  });

  test('says of a worker whose event loop is blocked that nothing can be had, and keeps no half file', async () => {
    const silent = new FakeWorker(0, { cpu: null, report: null });
    silent.heapUsedBytes = null;
    const { hold, report } = gather({ workers: [silent] });
    hold();
    const found = await report;
    expect(names(found)).toEqual(['evidence.json']);
    expect(found.missing.map(({ what }) => what)).toEqual(['cpu of g2s0', 'report of g2s0', 'heap of g2s0']);
    expect(found.missing.every(({ reason }) => reason.endsWith('its event loop is blocked'))).toBe(true);
  });

  test.each([
    ['evidence.max', { heapUsedBytes: MAX / 2 }, {}, 'are left of evidence.max or the disk'],
    ['the disk', { heapUsedBytes: 1_000 }, { freeBytes: 64 * 2 ** 20 + 1_000 }, 'are left of evidence.max or the disk'],
    ['memory', { heapUsedBytes: 1_000 }, { memoryBytes: 1_500 }, 'of memory, and 0 MiB are available'],
  ])('takes no heap snapshot for which %s has no room', async (_, { heapUsedBytes }, options, reason) => {
    const worker = new FakeWorker(0);
    worker.heapUsedBytes = heapUsedBytes;
    const { hold, report } = gather({ workers: [worker], ...options });
    hold();
    const found = await report;
    expect(worker.asked).not.toContain('heap');
    expect(found.missing).toMatchObject([{ what: 'heap of g2s0', reason: expect.stringContaining(reason) }]);
  });

  test('removes a snapshot that turned out larger than it may be', async () => {
    const { hold, report } = gather({ workers: [new FakeWorker(0, { heap: { bytes: MAX + 1, reason: null } })] });
    hold();
    const found = await report;
    expect(names(found)).not.toContain('g2s0.heapsnapshot');
    expect(found.missing).toMatchObject([{ what: 'heap of g2s0' }]);
  });

  test('keeps what is there when a takeover cuts it, and holds nobody after that', async () => {
    const { gathering, hold, report, released } = gather({ workers: [new FakeWorker(0)] });
    await Promise.resolve();
    await Promise.resolve();
    gathering.cut('another reload took over');
    const found = await report;
    expect(names(found)).toEqual(['evidence.json', 'g2s0.cpuprofile']);
    expect(found.missing).toEqual([{ what: 'g2s0', reason: 'another reload took over' }]);
    expect(hold()).toEqual([false]);
    expect(released).toEqual([]);
  });

  test('leaves of a worker that ends meanwhile how it ended', async () => {
    const worker = new FakeWorker(0);
    const { gathering, report } = gather({ workers: [worker] });
    const ended = {
      worker: 'g2s0',
      pid: 7,
      how: 'exited with status 1',
      fatal: 'Error: no',
      aliveMs: 5,
      listening: [],
    };
    gathering.exited(worker as unknown as Worker, ended);
    const found = await report;
    expect(JSON.parse(readFileSync(join(found.folder, 'exit.json'), 'utf8'))).toEqual([ended]);
  });

  test('says so where the disk takes nothing', async () => {
    writeFileSync(join(state, 'evidence'), 'a file, where the folder should be');
    const { hold, report } = gather({ workers: [new FakeWorker(0)] });
    const found = await report;
    expect(found).toMatchObject({ files: [], missing: [{ what: 'the folder' }] });
    expect(hold()).toEqual([false]);
  });
});
