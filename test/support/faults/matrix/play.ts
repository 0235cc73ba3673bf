/**
 * Plays one case under load and judges it: whatever falls, somebody serves, nothing is lost but what a killed worker
 * held, there is one main process and nothing left over, whoever waited was told, and the next reload works.
 */
import type { LoadResult } from '../../load/start-load.mjs';
import { whoAnswers } from '../../service/ask.js';
import type { ReloadResult } from '../../service/hosted.js';
import { lives } from '../../service/processes.js';
import { eventually } from '../../service/wait.js';
import { armAll, disarm, type Fallen, fallen } from '../faults.js';
import type { Case } from './cases.js';
import { expectedOutcomes, mayBeAbsent, type Outcome } from './expected.js';
import type { Stage } from './stage.js';

const MODES = { fresh: { perSecond: 50 }, keepAlive: { connections: 8, gapMs: [0, 50] as const } };
/** The longest deadline of the product on the way to a verdict is ten seconds, twice, and then a restart. */
const VERDICT_MS = 45_000;

export interface Played {
  readonly outcome: Outcome | 'absent';
  readonly lost: number;
  /** What the killed workers held: no more may be lost. */
  readonly held: number;
  readonly ms: number;
  /** A supervisor has died. */
  readonly worn: boolean;
}

export async function play(one: Case, stage: Stage): Promise<Played> {
  const { service } = stage;
  await stage.begin(one.scenario);
  const before = await service.status();
  const incumbent = before.generations.find(({ role }) => role === 'incumbent')!;
  const old = (await whoAnswers(service.port)).release;
  const release = stage.prepare(one.scenario);
  const load = await service.load({ modes: MODES, timeoutMs: 30_000 });
  const strikes = [
    { role: one.victim, signal: one.signal },
    // Stopped so that nobody interferes before this moment: see predecessorGone.
    ...(one.cell.event === 'predecessorGone' ? [{ role: 'host', signal: 'SIGCONT' } as const] : []),
  ];
  armAll(service.folder, [...(one.scenario.arranged ?? []), { ...one.cell, strikes }], incumbent.number);
  const start = performance.now();
  const asked = service.reload();
  const stoppedClient = one.victim === 'client' && one.signal === 'SIGSTOP';
  if (stoppedClient) await untilFallen(one, stage);
  if (stoppedClient) await wake(one, stage, ['client'], untilServing);
  const heard = await within(VERDICT_MS, asked, () => `${one.name}: the client was told`);
  const ms = Math.round(performance.now() - start);
  await untilServing(stage);
  const struck = fallen(service.folder);
  disarm(service.folder);
  const victim = struck.find((fall) => isAt(fall, one));
  if (victim === undefined) throw new Error(`the transition was not reached; fell: ${JSON.stringify(struck)}`);
  const outcome = outcomeOf(heard);
  judge(one, victim, outcome, heard);
  await judgeRelease(stage, outcome, old, release);
  const resumed = await resume(stage, struck);
  stage.restore();
  const next = service.deploy('answers');
  const again = await service.reload();
  if (again.status !== 0) throw new Error(`the next reload failed: ${again.stdout}${again.stderr}`);
  await service.untilDrained();
  const answering = (await whoAnswers(service.port)).release;
  if (answering !== next) throw new Error(`${answering} answers after the next reload, not ${next}`);
  const result = await load.stop();
  const killed = struck.filter(({ pid }) => pid !== null && !resumed.has(pid));
  const held = killed.reduce((sum, fall) => sum + fall.held, 0);
  judgeLoad(result, held);
  const { supervisor } = await service.status();
  await stage.untilNothingIsHeld(supervisor.pid);
  await service.expectNoLeftovers();
  const worn = service.log.includes('"event":"supervisor-died"');
  return { outcome: victim.pid === null ? 'absent' : outcome, lost: result.failures, held, ms, worn };
}

const isAt = (fall: Fallen, { cell, victim }: Case) =>
  fall.machine === cell.machine && fall.state === cell.state && fall.event === cell.event && fall.role === victim;

function outcomeOf({ status, verdict }: ReloadResult): Outcome {
  if (verdict !== null) return verdict.ok ? 'ok' : (verdict.code ?? 'ok');
  return status === -1 ? 'killed' : 'none';
}

function judge(one: Case, { pid }: Fallen, outcome: Outcome, { status, stdout, stderr }: ReloadResult): void {
  if (pid === null && !mayBeAbsent(one)) throw new Error(`there was no ${one.victim} at that moment`);
  const expected =
    pid === null ? [one.scenario.verdict ?? 'ok', 'none', 'killed', 'SUPERVISOR_DIED'] : expectedOutcomes(one);
  if (!expected.includes(outcome)) {
    throw new Error(`it came to ${outcome}, not to ${expected.join(' or ')}: ${stdout}${stderr}`);
  }
  if ((status === 0) !== (outcome === 'ok')) throw new Error(`${outcome}, and the exit status is ${status}`);
  if (outcome === 'none' && stderr.trim() === '') throw new Error(`exit status ${status}, and not a word why`);
}

/** Who is told that it is done, or that it failed, is told the truth. */
async function judgeRelease({ service }: Stage, outcome: Outcome, old: string, release: string): Promise<void> {
  const { release: serving } = await within(10_000, whoAnswers(service.port), () => 'a fresh request is answered');
  const allowed =
    outcome === 'ok' ? [release] : ['none', 'killed', 'SUPERVISOR_DIED'].includes(outcome) ? [old, release] : [old];
  if (!allowed.includes(serving)) throw new Error(`${serving} serves after ${outcome}, not ${allowed.join(' or ')}`);
}

function judgeLoad({ refused, timedOut, wrong, broken, outstanding, failures, ok, samples }: LoadResult, held: number) {
  if (failures <= held && refused + timedOut + wrong + broken + outstanding === 0 && ok > 0) return;
  throw new Error(
    `${failures} requests were lost, where killed workers held ${held} connections: ${JSON.stringify(samples, null, 1)}`,
  );
}

/**
 * Nothing ends a worker that serves and is stopped; every other stopped process has a deadline that ends it. Returns
 * those that go on.
 */
async function resume(stage: Stage, struck: readonly Fallen[]): Promise<ReadonlySet<number>> {
  const status = await stage.service.status();
  const serving = new Set(
    status.generations
      .filter(({ role }) => role === 'incumbent')
      .flatMap(({ workers }) => workers.map(({ pid }) => pid)),
  );
  for (const { pid, signal } of struck) {
    if (signal === 'SIGSTOP' && pid !== null && serving.has(pid)) process.kill(pid, 'SIGCONT');
  }
  for (const { pid, role, signal } of struck) {
    if (signal !== 'SIGSTOP' || pid === null || serving.has(pid) || role === 'host') continue;
    await eventually(
      () => lives(pid),
      (alive) => !alive,
      { deadlineMs: 25_000, what: () => `a deadline ends the stopped ${role}` },
    );
  }
  return serving;
}

async function untilFallen(one: Case, { service }: Stage): Promise<void> {
  await eventually(
    () => fallen(service.folder),
    (struck) => struck.some((fall) => isAt(fall, one)),
    { deadlineMs: VERDICT_MS, what: () => `${one.name} happens; log:\n${service.log}` },
  );
}

async function wake(one: Case, stage: Stage, roles: string[], first: (stage: Stage) => Promise<void>): Promise<void> {
  await first(stage);
  for (const { pid, role } of fallen(stage.service.folder).filter((fall) => isAt(fall, one))) {
    if (pid !== null && roles.includes(role)) process.kill(pid, 'SIGCONT');
  }
}

async function untilServing({ service }: Stage): Promise<void> {
  await eventually(
    () => service.tryStatus(),
    (status) => status?.state === 'serving',
    { deadlineMs: 30_000, what: () => 'it serves' },
  );
}

async function within<T>(ms: number, promise: Promise<T>, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
