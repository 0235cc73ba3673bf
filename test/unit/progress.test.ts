/** Signs of life are for a supervisor that gets on, not only for one whose loop turns. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Progress } from '../../src/supervisor/progress.js';
import { startWatchdog } from '../../src/systemd/watchdog.js';

describe('a machine', () => {
  test('is stuck when the deadline of its state has passed by far, and not before', () => {
    let now = 1_000;
    const progress = new Progress(() => now);
    expect(progress.stuck).toBe(false);
    progress.allow(10_000);
    now += 10_000 + 30_000;
    expect(progress.stuck).toBe(false);
    now += 1;
    expect(progress.stuck).toBe(true);
  });

  test('that moves on has the time of its new state, and none at rest', () => {
    let now = 0;
    const progress = new Progress(() => now);
    progress.allow(10_000);
    now = 30_000;
    progress.allow(60_000);
    now = 100_000;
    expect(progress.stuck).toBe(false);
    progress.rest();
    now = 10_000_000;
    expect(progress.stuck).toBe(false);
  });
});

describe('the watchdog', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('is not fed while the supervisor is stuck, though its loop turns', () => {
    vi.useFakeTimers();
    let stuck = false;
    let fed = 0;
    const notifier = { watchdog: () => ++fed > 0 };
    const env = { WATCHDOG_USEC: '2000000' };
    const watchdog = startWatchdog(notifier, env, { successor: true, isAlive: () => !stuck });
    vi.advanceTimersByTime(3_000);
    expect(fed).toBe(4);
    stuck = true;
    vi.advanceTimersByTime(10_000);
    expect(fed).toBe(4);
    watchdog.stop();
  });
});
