/**
 * How much a generation is to be trusted: the part of its time in service in which it was healthy, 0 to 1. Pure, and kept
 * by CLOCK_MONOTONIC, so that it goes on over a change of supervisors: the time between two counts as what was known last.
 */

export interface Trust {
  readonly healthyMs: number;
  readonly upMs: number;
  /** Until when it has been reckoned, milliseconds of CLOCK_MONOTONIC. */
  readonly atMs: number;
  /** What it has been since. */
  readonly healthy: boolean;
}

/** Of a generation that begins to serve. */
export function newTrust(nowMs: number): Trust {
  return { healthyMs: 0, upMs: 0, atMs: nowMs, healthy: true };
}

/** Reckoned until now; `healthy` holds from here on. */
export function reckon(trust: Trust, nowMs: number, healthy: boolean): Trust {
  // A record of another boot of the machine may lie in the future.
  const passedMs = Math.max(0, nowMs - trust.atMs);
  return {
    healthyMs: trust.healthyMs + (trust.healthy ? passedMs : 0),
    upMs: trust.upMs + passedMs,
    atMs: nowMs,
    healthy,
  };
}

/** 0 to 1, to four digits; 1 for one that has served no time yet and is healthy. */
export function trustRatio(trust: Trust, nowMs: number): number {
  const { healthyMs, upMs, healthy } = reckon(trust, nowMs, trust.healthy);
  if (upMs === 0) return healthy ? 1 : 0;
  return Math.round((healthyMs / upMs) * 10_000) / 10_000;
}
