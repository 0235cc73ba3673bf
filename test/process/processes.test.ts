/** Processes beside the main program: a core one goes with it, an auxiliary one never runs twice and costs nothing. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GenerationStatus, Status } from '../../src/control/messages.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';
import { FIXTURES } from '../support/service/releases.js';
import { eventually } from '../support/service/wait.js';

const TOML = `
[[service.process]]
name = "queue"
entry = "beside.js"
args = ["queue"]
env = { WORD = "hello" }

[[service.process]]
name = "cron"
entry = "beside.js"
args = ["cron"]
tier = "auxiliary"

[restart]
delay = "20ms"
delay_max = "100ms"
limit = 2
budget = 2

[stop]
kill_timeout = "30s"
`;

/** A main program of two workers, a core process `queue` and an auxiliary `cron`. */
class Several implements AsyncDisposable {
  readonly service: HostedService;
  readonly #notes: string;

  private constructor(service: HostedService) {
    this.service = service;
    this.#notes = service.env.NOTES!;
  }

  static async start(toml = ''): Promise<Several> {
    const service = await HostedService.start({ idle: true });
    service.env.NOTES = join(service.folder, 'notes');
    const it = new Several(service);
    mkdirSync(it.#notes);
    service.configure({ toml: TOML + toml });
    it.deploy();
    service.run();
    await service.untilServing();
    await it.untilStarts('cron', 1);
    return it;
  }

  deploy(): void {
    const name = this.service.releases.make('answers');
    copyFileSync(join(FIXTURES, 'notes-its-life.js'), join(this.service.releases.path(name), 'beside.js'));
    this.service.releases.pointTo(name);
  }

  tell(name: string, what: 'crash' | 'busy', isSo: boolean): void {
    const file = join(this.#notes, `${name}.${what}`);
    if (isSo) writeFileSync(file, '');
    else rmSync(file);
  }

  /** What the process has noted of its lives: "start 12 hello". */
  notes(name: string): string[] {
    const file = join(this.#notes, `${name}.notes`);
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }

  async untilStarts(name: string, count: number): Promise<string[]> {
    return eventually(
      () => this.notes(name),
      (notes) => notes.filter((note) => note.startsWith('start')).length >= count,
      { deadlineMs: 20_000, what: () => `${name} has started ${count} times; log:\n${this.service.log}` },
    );
  }

  async until(what: string, isSo: (incumbent: GenerationStatus, status: Status) => boolean): Promise<Status> {
    const status = await eventually(
      () => this.service.tryStatus(),
      (seen) => seen !== null && isSo(incumbentOf(seen)!, seen),
      { deadlineMs: 20_000, what: () => `${what}; log:\n${this.service.log}` },
    );
    return status!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]();
  }
}

const incumbentOf = (status: Status) => status.generations.find(({ role }) => role === 'incumbent');
const pidsOf = (generation: GenerationStatus | undefined, name: string) =>
  generation?.workers.filter(({ process }) => process === name).map(({ pid }) => pid);

/** One life after the other: no start between a start and its end. */
function expectOneAtATime(notes: readonly string[]): void {
  const kinds = notes.map((note) => note.split(' ')[0]);
  expect(kinds).toEqual(kinds.map((_, index) => (index % 2 === 0 ? 'start' : 'end')));
  for (let index = 1; index < notes.length; index += 2) {
    expect(notes[index]!.split(' ')[1]).toBe(notes[index - 1]!.split(' ')[1]);
  }
}

test('a reload under load loses nothing, and an auxiliary process never runs twice', async () => {
  await using it = await Several.start();
  const { service } = it;
  const load = await service.load({
    modes: { fresh: { perSecond: 50 }, keepAlive: [{ connections: 4, gapMs: [0, 50] }] },
  });
  for (const reloads of [1, 2]) {
    it.deploy();
    const { status, stderr } = await service.reload();
    expect(status, stderr).toBe(0);
    await it.untilStarts('cron', reloads + 1);
  }
  const status = await it.until('all are open', ({ workers }) => workers.every(({ phase }) => phase === 'open'));
  expectNothingLost(await load.stop(), service.log);
  expectOneAtATime(it.notes('cron'));
  // Core processes overlap: each generation's is ready before the one before it is told to go.
  expect(
    it
      .notes('queue')
      .slice(0, 2)
      .map((note) => note.replace(/\d+ /, '')),
  ).toEqual(['start hello', 'start hello']);
  expect(incumbentOf(status)).toMatchObject({
    number: 3,
    processes: [
      { name: 'main', tier: 'core', workers: 2 },
      { name: 'queue', tier: 'core', workers: 1 },
      { name: 'cron', tier: 'auxiliary', workers: 1 },
    ],
    workers: [{ process: 'main' }, { process: 'main' }, { process: 'queue' }, { process: 'cron' }],
    slots: [],
  });
  expect((await service.batond('status')).stdout).toMatch(/\n {2}cron, auxiliary, 1 worker\n {5}3 +\d+ {2}open/);
  await service.expectNoLeftovers();
  expect(await service.stop()).toBe(0);
  expectOneAtATime(it.notes('cron'));
});

test('an auxiliary process that crashes fails neither the reload nor the generation', async () => {
  await using it = await Several.start();
  const { service } = it;
  it.deploy();
  it.tell('cron', 'crash', true);
  expect((await service.reload()).status).toBe(0);
  const status = await it.until(
    'cron crashes, and is missed',
    ({ slots }, { summary: said }) =>
      service.log.includes('"auxiliary-missing"') && slots?.[0]?.state === 'waiting' && said.includes('Degraded'),
  );
  expect(status.summary).toMatch(/Degraded: cron \(worker 3\) exited with status 3, and is started again\./);
  expect(incumbentOf(status)).toMatchObject({ number: 2, slots: [{ slot: 3, process: 'cron' }] });
  it.tell('cron', 'crash', false);
  await it.untilStarts('cron', 2);
  await it.until('nothing is missed', ({ slots }, { summary: said }) => slots?.length === 0 && !said.includes('Degr'));
  expect(service.log).not.toContain('"regret"');
  expectOneAtATime(it.notes('cron'));
});

test('a core process that crashes fails the reload, and leaves the incumbents as they were', async () => {
  await using it = await Several.start();
  const { service } = it;
  const before = incumbentOf(await service.status());
  it.deploy();
  it.tell('queue', 'crash', true);
  const { status, verdict } = await service.reload();
  expect(status).toBe(1);
  expect(verdict).toMatchObject({ code: 'CANDIDATE_EXITED', generation: 1 });
  await service.untilDrained();
  const after = incumbentOf(await service.status());
  for (const name of ['main', 'queue', 'cron']) expect(pidsOf(after, name)).toEqual(pidsOf(before, name));
  expect(it.notes('cron')).toHaveLength(1);
});

test('a supervisor killed while an auxiliary process is on its way out leaves that to the next one', async () => {
  // Only the main program can answer these.
  await using it = await Several.start(
    '[probe.startup]\npath = "/"\n[probe.liveness]\npath = "/"\ninterval = "200ms"\n',
  );
  const { service } = it;
  it.tell('cron', 'busy', true);
  it.deploy();
  expect((await service.reload()).status).toBe(0);
  const isHeld = ({ slots }: GenerationStatus) => slots?.some(({ state }) => state === 'held') === true;
  const held = await it.until('cron is held', isHeld);
  const { pid } = held.supervisor;
  process.kill(pid, 'SIGKILL');
  await service.untilAdopted(pid);
  const adopted = await it.until('cron is held still', isHeld);
  expect(pidsOf(incumbentOf(adopted), 'queue')).toEqual(pidsOf(incumbentOf(held), 'queue'));
  expect(it.notes('cron')).toHaveLength(1);
  it.tell('cron', 'busy', false);
  await it.untilStarts('cron', 2);
  expectOneAtATime(it.notes('cron'));
  await service.expectNoLeftovers();
});
