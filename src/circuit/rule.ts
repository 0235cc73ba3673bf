/**
 * One rule over time: it fires when its condition has held for as long as it says, and is over when it has not held for
 * as long. A condition that comes and goes within that time changes nothing. Pure: time is what it is told.
 *
 *            holds             held for as long
 *     quiet --------> rising --------------------> firing
 *       ^ <----------                               |  ^
 *       |    ceases               ceases            v  |  holds
 *       +------------------------------------------ falling
 *             has not held for as long
 */

export type RuleState = 'quiet' | 'rising' | 'firing' | 'falling';

/** What a supervisor hands to the next one, so that nothing fires or ends by a reload. */
export interface RuleRecord {
  /** As it is written: what it is known by. */
  readonly when: string;
  readonly state: RuleState;
  /** Since when it is in that state, milliseconds of CLOCK_MONOTONIC. */
  readonly sinceMs: number;
  /** Of 100: how much it leaves of the service's weight while it fires. */
  readonly weight: number;
  /** The command that has still to end, or to be run; null where there is none. */
  readonly due: 'run' | 'run_over' | null;
}

export const RULE_STATES: readonly RuleState[] = ['quiet', 'rising', 'firing', 'falling'];

export interface Step {
  readonly state: RuleState;
  readonly sinceMs: number;
  readonly change: 'fired' | 'over' | null;
}

export function step(
  { state, sinceMs }: Pick<RuleRecord, 'state' | 'sinceMs'>,
  holds: boolean,
  nowMs: number,
  forMs: number,
): Step {
  const stay: Step = { state, sinceMs, change: null };
  const go = (next: RuleState, change: Step['change'] = null): Step => ({ state: next, sinceMs: nowMs, change });
  switch (state) {
    case 'quiet':
      if (!holds) return stay;
      return forMs === 0 ? go('firing', 'fired') : go('rising');
    case 'rising':
      if (!holds) return go('quiet');
      return nowMs - sinceMs >= forMs ? go('firing', 'fired') : stay;
    case 'firing':
      if (holds) return stay;
      return forMs === 0 ? go('quiet', 'over') : go('falling');
    case 'falling':
      if (holds) return go('firing');
      return nowMs - sinceMs >= forMs ? go('quiet', 'over') : stay;
  }
}

export function fires({ state }: Pick<RuleRecord, 'state'>): boolean {
  return state === 'firing' || state === 'falling';
}

/** Of 100: the lowest of all that fire. */
export function weightOf(rules: readonly RuleRecord[]): number {
  return rules.filter(fires).reduce((least, { weight }) => Math.min(least, weight), 100);
}

/** The rules of the config, each with what is on record of it: of equal ones the first goes to the first. */
export function carryOver(
  rules: readonly { readonly when: string; readonly weight: number }[],
  recorded: readonly RuleRecord[],
  nowMs: number,
): RuleRecord[] {
  const left = [...recorded];
  return rules.map(({ when, weight }) => {
    const at = left.findIndex((one) => one.when === when);
    const [known] = at < 0 ? [] : left.splice(at, 1);
    return known === undefined ? { when, weight, state: 'quiet', sinceMs: nowMs, due: null } : { ...known, weight };
  });
}
