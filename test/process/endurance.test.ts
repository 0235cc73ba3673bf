/**
 * Endurance: many reloads under load, with supervisors killed in between and in their midst. Nothing is lost, since no
 * worker is killed, and at the end the service costs what it cost at the beginning. Here a sample; `npm run
 * test:endurance` takes as long as it is told, see CONTRIBUTING.md.
 */
import { expect, test } from 'vitest';
import { grown, measure, type Steady } from '../support/endurance/steady.js';
import { random } from '../support/faults/matrix/cases.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService, type ReloadResult } from '../support/service/hosted.js';

const SHORT = { reloads: 8, killsEvery: 3, seed: 1 };
const { reloads, killsEvery, seed }: typeof SHORT = { ...SHORT, ...JSON.parse(process.env.BATOND_ENDURANCE ?? '{}') };
/** From here on the figures are those of a service that has been reloaded for a while. */
const WARM = Math.min(10, Math.ceil(reloads / 4));
/** A reload takes about so long; a kill comes somewhere in it, or after it. */
const USUAL_MS = 900;

const MODES = {
  fresh: { perSecond: 100 },
  keepAlive: [
    { connections: 16, gapMs: [0, 100] as const },
    { connections: 8, gapMs: [1_500, 2_500] as const },
  ],
};

test(`${reloads} reloads under load with a supervisor killed at every ${killsEvery}th lose nothing and leave nothing`, {
  timeout: 60_000 + reloads * 15_000,
}, async () => {
  await using service = await HostedService.start();
  const names = [service.deploy('answers'), service.deploy('answers')];
  const load = await service.load({ modes: MODES, seconds: 60 + reloads * 15, timeoutMs: 30_000 });
  const next = random(seed);
  const start = performance.now();
  let first: Steady | null = null;
  let last: Steady | null = null;
  let kills = 0;
  const taken: number[] = [];
  for (let n = 1; n <= reloads; n++) {
    service.releases.pointTo(names[n % 2]!);
    const asked = service.reload();
    if (n % killsEvery === 0) {
      await after(next() * USUAL_MS * 1.5);
      kills += killSupervisor(service, next);
      judgeInterrupted(await asked);
      await service.untilServing();
    } else {
      const { status, verdict, stderr } = await asked;
      expect(status, `reload ${n}: ${stderr}\n${tail(service)}`).toBe(0);
      taken.push(verdict?.durationMs ?? 0);
    }
    if (n !== WARM && n !== reloads && n % Math.ceil(reloads / 20) !== 0) continue;
    last = await measure(service);
    first ??= n >= WARM ? last : null;
    const { requests, failures } = await load.snapshot();
    if (process.env.BATOND_ENDURANCE !== undefined) {
      const seconds = Math.round((performance.now() - start) / 1_000);
      if (n <= WARM)
        console.log(line(['reloads', 'kills', 's', 'requests', 'lost', 'median ms', ...Object.keys(last)]));
      console.log(line([n, kills, seconds, requests, failures, median(taken), ...Object.values(last)]));
    }
    expect(failures, tail(service)).toBe(0);
  }
  expectNothingLost(await load.stop(), tail(service));
  expect(grown(first!, last!), tail(service)).toEqual([]);
  expect(kills).toBeGreaterThan(0);
  expect(await service.stop()).toBe(0);
});

/** Whichever there is at this moment, of a takeover either of the two. */
function killSupervisor(service: HostedService, next: () => number): number {
  const supervisors = service
    .processes()
    .filter(({ parentPid, command }) => parentPid === service.hostPid && / run( |$)/.test(command));
  const victim = supervisors[Math.floor(next() * supervisors.length)];
  if (victim === undefined) return 0;
  process.kill(victim.pid, 'SIGKILL');
  return 1;
}

/** Done, taken back, or ended with a word: never a hang, never a success that is none. */
function judgeInterrupted({ status, verdict, stdout, stderr }: ReloadResult): void {
  expect(status === 0, stdout + stderr).toBe(verdict?.ok === true);
  if (status !== 0) expect(stderr + (verdict?.message ?? '')).not.toBe('');
}

/** The instant itself is what is tested, so there is nothing to wait for. */
const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const tail = (service: HostedService) => service.log.split('\n').slice(-40).join('\n');

const median = (values: readonly number[]) =>
  Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0);

const line = (cells: readonly (string | number)[]) => cells.map((cell) => String(cell).padStart(9)).join(' ');
