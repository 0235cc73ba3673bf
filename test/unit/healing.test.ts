/** The rules of healing: which one is followed, what becomes of the slot, and when there were too many restarts. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSpent, type Restart, withRestart } from '../../src/healing/budget.js';
import { decide, type Limits, type SlotState } from '../../src/healing/decide.js';
import { ACTIONS, CAUSES, DEFAULT_RULES, type Ended, type Rule, ruleFor } from '../../src/healing/rules.js';

const ended = (more: Partial<Ended>): Ended => ({ status: null, signal: null, cause: null, serving: true, ...more });
const LIMITS: Limits = { delayMs: 100, delayMaxMs: 10_000, hasStandby: true };
const FRESH: SlotState = { inARow: 0, waits: 0, standby: false };
const YOUNG = { stable: false, isSpent: false, chance: 0.5 };
const byName = (name: string) => DEFAULT_RULES.find((rule) => rule.name === name)!;

const anyEnd: fc.Arbitrary<Ended> = fc.record({
  status: fc.option(fc.nat(255)),
  signal: fc.option(fc.constantFrom('SIGSEGV', 'SIGKILL', 'SIGTERM', 'SIGUSR1')),
  cause: fc.option(fc.constantFrom(...CAUSES)),
  serving: fc.boolean(),
});
const ownRule: fc.Arbitrary<Rule> = fc.record({
  name: fc.string(),
  word: fc.option(fc.string()),
  match: fc.oneof(
    fc.record({ kind: fc.constant('status' as const), status: fc.nat(255) }),
    fc.record({ kind: fc.constant('signal' as const), signal: fc.constantFrom('SIGSEGV', 'SIGKILL') }),
    fc.record({ kind: fc.constant('cause' as const), cause: fc.constantFrom(...CAUSES) }),
  ),
  servingOnly: fc.constant(false),
  action: fc.constantFrom(...ACTIONS),
  delayMs: fc.nat(10_000),
});
const slot: fc.Arbitrary<SlotState> = fc.record({ inARow: fc.nat(50), waits: fc.nat(50), standby: fc.boolean() });

describe('the rule of an end', () => {
  test.each([
    [ended({ status: 0 }), 'ended', 'restart'],
    [ended({ status: 0, serving: false }), 'done', 'done'],
    [ended({ status: 100 }), 'config-error', 'keep'],
    [ended({ status: 101 }), 'temporary', 'retry'],
    [ended({ status: 102 }), 'dependency-refused', 'standby'],
    [ended({ status: 105 }), 'dependency-unavailable', 'backoff'],
    [ended({ status: 201 }), 'data-check-failed', 'keep'],
    [ended({ status: 1 }), 'status', 'restart'],
    [ended({ signal: 'SIGSEGV' }), 'signal', 'restart'],
    [ended({ signal: 'SIGKILL' }), 'signal', 'restart'],
    [ended({ signal: 'SIGKILL', cause: 'oom' }), 'oom', 'restart'],
    [ended({ signal: 'SIGKILL', cause: 'liveness' }), 'liveness', 'restart'],
    [ended({ signal: 'SIGABRT', cause: 'watchdog' }), 'watchdog', 'restart'],
    [ended({ signal: 'SIGKILL', cause: 'boot' }), 'boot', 'restart'],
    [ended({ signal: 'SIGKILL', cause: 'channel' }), 'channel', 'restart'],
    [ended({ cause: 'start' }), 'start', 'restart'],
    [ended({}), 'unknown', 'restart'],
  ])('%j is %s: %s', (end, name, action) => {
    expect(ruleFor(end, [])).toMatchObject({ name, action });
  });

  test('is there for every end, and the first of one own that fits stands before the defaults', () => {
    fc.assert(
      fc.property(anyEnd, fc.array(ownRule, { maxLength: 4 }), (end, own) => {
        const rule = ruleFor(end, own);
        const fitting = own.filter(
          ({ match }) =>
            (match.kind === 'status' && match.status === end.status) ||
            (match.kind === 'signal' && match.signal === end.signal) ||
            (match.kind === 'cause' && match.cause === end.cause),
        );
        if (fitting.length > 0) expect(rule).toBe(fitting[0]);
        else expect(DEFAULT_RULES).toContain(rule);
      }),
    );
  });

  test('is listed in the README, each with its action', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const rows = [...readme.matchAll(/^\| .+ \| `([a-z-]+)` \| `([a-z]+)` \|/gm)].map(([, name, action]) => [
      name,
      action,
    ]);
    expect(rows).toEqual(DEFAULT_RULES.map(({ name, action }) => [name, action]));
  });
});

describe('what becomes of the slot', () => {
  test('crashes pause ever longer, and count in a row until one has lived', () => {
    let state = FRESH;
    const pauses = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(() => {
      const decision = decide(byName('signal'), state, YOUNG, LIMITS);
      state = decision.slot;
      return decision.delayMs;
    });
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    expect(state.inARow).toBe(9);
    expect(decide(byName('signal'), state, { ...YOUNG, stable: true }, LIMITS).slot.inARow).toBe(1);
  });

  test('what something else is to blame for pauses alike, and is no crash', () => {
    const first = decide(byName('dependency-unavailable'), { ...FRESH, inARow: 2 }, YOUNG, LIMITS);
    expect(first).toEqual({ action: 'backoff', delayMs: 100, slot: { inARow: 2, waits: 1, standby: false } });
    expect(decide(byName('dependency-unavailable'), first.slot, YOUNG, LIMITS)).toMatchObject({ delayMs: 200 });
  });

  test('a temporary failure is retried after two seconds, each time', () => {
    const first = decide(byName('temporary'), FRESH, YOUNG, LIMITS);
    expect(first).toMatchObject({ action: 'retry', delayMs: 2_000, slot: { inARow: 0 } });
    expect(decide(byName('temporary'), first.slot, YOUNG, LIMITS).delayMs).toBe(2_000);
  });

  test('a refused dependency is tried at its standby, then again, ever more slowly', () => {
    const rule = byName('dependency-refused');
    const first = decide(rule, FRESH, YOUNG, LIMITS);
    expect(first).toMatchObject({ action: 'standby', delayMs: 0, slot: { standby: true } });
    const second = decide(rule, first.slot, YOUNG, LIMITS);
    expect(second).toMatchObject({ action: 'backoff', delayMs: 200, slot: { standby: false } });
    const third = decide(rule, second.slot, YOUNG, LIMITS);
    expect(third).toMatchObject({ action: 'standby', slot: { standby: true } });
    expect(decide(rule, third.slot, YOUNG, LIMITS)).toMatchObject({ action: 'backoff', delayMs: 800 });
    // Any other end of the standby goes back to the first.
    expect(decide(byName('signal'), first.slot, YOUNG, LIMITS).slot.standby).toBe(false);
  });

  test('without a standby a refused dependency is waited for', () => {
    const decision = decide(byName('dependency-refused'), FRESH, YOUNG, { ...LIMITS, hasStandby: false });
    expect(decision).toMatchObject({ action: 'backoff', delayMs: 100, slot: { standby: false } });
  });

  test('of any rule, is a pause within its bounds or none, and a spent budget makes it the longest', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(...DEFAULT_RULES), ownRule),
        slot,
        fc.record({ stable: fc.boolean(), isSpent: fc.boolean(), chance: fc.double({ min: 0, max: 1, noNaN: true }) }),
        (rule, before, circumstances) => {
          const { action, delayMs, slot: after } = decide(rule, before, circumstances, LIMITS);
          expect(delayMs === null).toBe(action === 'keep' || action === 'done');
          if (delayMs !== null) {
            expect(delayMs).toBeGreaterThanOrEqual(circumstances.isSpent ? LIMITS.delayMaxMs : 0);
            expect(delayMs).toBeLessThanOrEqual(Math.max(rule.delayMs, LIMITS.delayMaxMs * 1.25));
          }
          expect(after.inARow > before.inARow).toBe(
            action === 'restart' && (!circumstances.stable || before.inARow === 0),
          );
          expect(after.standby && action !== 'standby').toBe(false);
        },
      ),
    );
  });
});

describe('the budget', () => {
  const budget = { restarts: 3, windowMs: 1_000 };
  const restartsAt = (...times: [number, boolean][]) =>
    times.reduce<readonly Restart[]>((list, [atMs, isCrash]) => withRestart(list, { atMs, isCrash }, budget), []);

  test('is spent by more crashes than that within the window, which slides', () => {
    const list = restartsAt([0, true], [100, true], [200, true], [300, true]);
    expect(isSpent(list, 300, budget, 'crashes')).toBe(true);
    expect(isSpent(list, 999, budget, 'crashes')).toBe(true);
    expect(isSpent(list, 1_000, budget, 'crashes')).toBe(false);
  });

  test('of crashes is not spent by what something else is to blame for', () => {
    const list = restartsAt([0, false], [1, false], [2, false], [3, false], [4, true]);
    expect(isSpent(list, 4, budget, 'crashes')).toBe(false);
    expect(isSpent(list, 4, budget, 'all')).toBe(true);
  });

  test('remembers no more than it needs, and answers as if it remembered all', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(100), fc.boolean()), { maxLength: 60 }), (steps) => {
        let [nowMs, list] = [0, [] as readonly Restart[]];
        const all: Restart[] = [];
        for (const [ms, isCrash] of steps) {
          nowMs += ms;
          const one = { atMs: nowMs, isCrash };
          all.push(one);
          list = withRestart(list, one, budget);
          expect(list.length).toBeLessThanOrEqual(2 * (budget.restarts + 1));
          for (const of of ['all', 'crashes'] as const) {
            expect(isSpent(list, nowMs, budget, of)).toBe(isSpent(all, nowMs, budget, of));
          }
        }
      }),
    );
  });
});
