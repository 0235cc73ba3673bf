/** What surrounds a roll ends, whatever a file system or a hook does. */
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Config } from '../../src/config/config.js';
import type { Attempt } from '../../src/inventory/attempt.js';
import type { Release } from '../../src/release/release.js';
import type { verifyBeside } from '../../src/release/verify-beside.js';
import { Deployment } from '../../src/supervisor/deployment.js';

let tell: (done: number, total: number) => void = () => {};

vi.mock(
  '../../src/release/verify-beside.js',
  () =>
    ({
      verifyBeside: (_question, onProgress, signal) => {
        tell = onProgress;
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    }) satisfies { verifyBeside: typeof verifyBeside },
);
vi.mock('../../src/supervisor/hooks.js', () => ({ runHook: () => new Promise(() => {}) }));

const release: Release = {
  kind: 'command',
  label: 'r2',
  directory: '/srv/r2',
  program: '/bin/true',
  args: [],
  env: {},
  resolvedAt: 0,
};
const attempt: Attempt = { kind: 'reload', release, generation: null, from: null, target: null, outcome: null };

function deployment(verify: 'off' | 'manifest', preReload: string[] | null): Deployment {
  const config = {
    name: 'shop',
    env: {},
    release: { verify, publicKey: null, current: null, revert: false },
    hooks: { preReload, postReload: null, onError: null, timeoutMs: 10_000 },
  } as unknown as Config;
  return new Deployment({
    config,
    env: {},
    log: pino({ enabled: false }),
    serving: () => null,
    step: () => {},
    announce: () => {},
  });
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a verification', () => {
  test('of which nothing comes for a minute is refused, and gives nobody up before', async () => {
    const one = deployment('manifest', null);
    const refused = expect(one.before(attempt, 2)).rejects.toMatchObject({
      code: 'RELEASE_NOT_SEALED',
      message: expect.stringContaining('nothing has come of it for 60 s'),
    });
    await vi.dynamicImportSettled();
    await vi.advanceTimersByTimeAsync(59_000);
    tell(1, 10);
    await vi.advanceTimersByTimeAsync(59_000);
    expect([one.busy, one.stuck]).toEqual([true, false]);
    await vi.advanceTimersByTimeAsync(2_000);
    await refused;
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect([one.busy, one.stuck]).toEqual([false, false]);
  });
});

describe('a hook', () => {
  test('that outlasts even its own deadline is where the supervisor hangs', async () => {
    const one = deployment('off', ['/bin/true']);
    void one.before(attempt, 2);
    await vi.dynamicImportSettled();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(one.stuck).toBe(false);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(one.stuck).toBe(true);
  });
});
