/** What a load must have come to when nothing was lost: every bucket but ok is empty, and nobody was kept waiting. */
import { expect } from 'vitest';
import type { LoadResult } from '../load/start-load.mjs';

export function expectNothingLost(result: LoadResult, context = ''): void {
  const { refused, reset, cutShort, timedOut, wrong, broken, outstanding, samples } = result;
  expect(
    { refused, reset, cutShort, timedOut, wrong, broken, outstanding },
    `${JSON.stringify(samples, null, 1)}\n${context}`,
  ).toEqual({
    refused: 0,
    reset: 0,
    cutShort: 0,
    timedOut: 0,
    wrong: 0,
    broken: 0,
    outstanding: 0,
  });
  expect(result.ok).toBeGreaterThan(0);
}
