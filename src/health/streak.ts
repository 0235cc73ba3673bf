/**
 * What a probe has found, as a run of answers: it changes its mind only after so many in a row that say otherwise. Pure.
 */

export interface StreakRules {
  /** So many failures in a row, and it has failed. */
  readonly failures: number;
  /** So many successes in a row, and it is well. */
  readonly successes: number;
}

export interface Streak {
  readonly well: boolean;
  /** Answers in a row that say otherwise. */
  readonly against: number;
}

export const newStreak = (well: boolean): Streak => ({ well, against: 0 });

export function answered({ well, against }: Streak, success: boolean, { failures, successes }: StreakRules): Streak {
  if (success === well) return newStreak(well);
  const enough = against + 1 >= (well ? failures : successes);
  return enough ? newStreak(success) : { well, against: against + 1 };
}
