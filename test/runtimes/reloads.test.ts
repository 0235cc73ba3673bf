/**
 * Reloads under the full load, on the Node of TEST_NODE. `npm run test:runtimes` runs it on every version that batond
 * supports; `npm test` runs a short sample on the Node that is there.
 */
import { expect, test } from 'vitest';
import { expectNothingLost } from '../support/service/expectations.js';
import { HostedService } from '../support/service/hosted.js';

const LONG = process.env.BATOND_LONG === '1';
const RELOADS = LONG ? 20 : 3;

const QUICK = {
  fresh: { perSecond: LONG ? 300 : 100 },
  keepAlive: [
    { connections: 16, gapMs: [25, 75] as const },
    { connections: 16, gapMs: [2_900, 3_100] as const },
  ],
};
/** In flight all the while, they would hide a worker that leaves as soon as it has nothing in hand: hence both. */
const SLOW = { slow: { connections: 4, ms: 1_500 }, upload: { connections: 4, ms: 1_000 } };

test.for([
  ['with slow requests and uploads in flight', { ...QUICK, ...SLOW }],
  ['with nothing slow in flight', QUICK],
] as const)(
  `an Express app is reloaded ${RELOADS} times without losing a request, %s`,
  { timeout: 300_000 },
  async ([_name, modes], context) => {
    await using service = await HostedService.start({ app: 'answers-express' });
    const load = await service.load({ modes, seconds: 240 });
    const reloadMs: number[] = [];
    for (let n = 2; n <= RELOADS + 1; n++) {
      service.deploy('answers-express');
      const { status, verdict, stderr } = await service.reload();
      expect(status, stderr + service.log).toBe(0);
      expect(verdict).toMatchObject({ ok: true, generation: n });
      reloadMs.push(verdict?.durationMs ?? 0);
    }
    const result = await load.stop();
    Object.assign(context.task.meta, { reloadMs, load: result });
    expectNothingLost(result, service.log);
    expect(result.releases.length).toBe(RELOADS + 1);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  },
);
