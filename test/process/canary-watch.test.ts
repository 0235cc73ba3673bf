/** A bad release that one in a hundred connections meets is found out there: nobody else ever sees it. */
import { expect, test } from 'vitest';
import { HostedService } from '../support/service/hosted.js';
import type { App } from '../support/service/releases.js';

const LONG = process.env.BATOND_LONG === '1';
const CANARY = '[upgrade]\ncanary = [{ weight = 0.01, for = "10m" }]';
/** So many standard deviations from the share count as chance. */
const SIGMAS = 3.5;

interface Bad {
  readonly app: App;
  readonly code: string;
  readonly reason: RegExp;
  /** What clients may have seen of it: its own answers, or what a dying worker had in hand. */
  readonly seen: readonly ('wrong' | 'reset' | 'cutShort')[];
}

const DIES: Bad = {
  app: 'dies-in-five-seconds',
  code: 'CANDIDATE_EXITED',
  reason: /a bug that shows/,
  seen: ['reset', 'cutShort'],
};
/** Each is found out in its own time; failing one answer in fifty takes a thousand answers, of a hundred thousand. */
const OTHERS: readonly Bad[] = [
  { app: 'blocks-its-loop', code: 'SOAK_FAILED', reason: /event loop|p99/, seen: [] },
  { app: 'leaks-memory', code: 'SOAK_FAILED', reason: /grows by/, seen: [] },
  { app: 'fails-one-in-fifty', code: 'SOAK_FAILED', reason: /requests failed/, seen: ['wrong'] },
];

// The short run takes the one that only the watch finds out, soonest.
test.each(LONG ? [DIES, ...OTHERS] : OTHERS.slice(0, 1))(
  '$app',
  { timeout: 900_000 },
  async ({ app, code, reason, seen }) => {
    await using service = await HostedService.start({ toml: CANARY });
    const load = await service.load({ modes: { fresh: { perSecond: LONG ? 600 : 400 } } });
    const before = await load.snapshot();
    const release = service.deploy(app);
    const { verdict } = await service.reload();
    expect(verdict, service.log).toMatchObject({ ok: false, code, generation: 1 });
    expect(verdict?.message).toMatch(reason);
    const after = await load.stop();
    const { refused, timedOut, broken, outstanding } = after;
    expect({ refused, timedOut, broken, outstanding }).toEqual({ refused: 0, timedOut: 0, broken: 0, outstanding: 0 });
    for (const bucket of ['wrong', 'reset', 'cutShort'] as const) {
      if (!seen.includes(bucket)) expect(after[bucket], bucket).toBe(0);
    }
    const answered = after.requests - before.requests;
    const good = after.releases.find((one) => one.release === release)?.count ?? 0;
    const ofIt = good + after.failures;
    const expected = answered * 0.01;
    console.log(`${app}: ${ofIt} of ${answered} answers were of the bad release; ${verdict?.message}`);
    expect(ofIt).toBeGreaterThan(0);
    expect(ofIt).toBeLessThanOrEqual(expected + SIGMAS * Math.sqrt(expected * 0.99));
    await service.expectNoLeftovers();
  },
);
