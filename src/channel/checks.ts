/** The vocabulary of what an app registers about its health, for the library, the worker and the supervisor alike. */

/** "db", "cache.sessions": it goes into messages, metrics and logs. */
export const CHECK_NAME = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;

/** Checks of one process, and gauges. */
export const MAX_CHECKS = 64;

/** What the facts of one check may be, as JSON: what is beyond is left out, and its number told as `omitted`. */
export const MAX_FACTS_BYTES = 4 * 1024;

/** All results of one answer together, as JSON: they share a packet. What is beyond are facts, and they are left out. */
export const MAX_RESULTS_BYTES = 60 * 1024;

/** How much of an error is told. */
export const MAX_ERROR_LENGTH = 200;

export type CheckStatus = 'ok' | 'degraded' | 'down';
export type Fact = string | number | boolean | null;
export type Facts = Readonly<Record<string, Fact>>;

export interface CheckResult {
  readonly name: string;
  readonly status: CheckStatus;
  /** How long it took, or was waited for. */
  readonly ms: number;
  readonly facts: Facts;
  /** Why it is down where it did not say so itself: it threw, was late, or gave what is no result. */
  readonly error: string | null;
}
