/** Clients whose connections are to stay open, whatever is reloaded below them. */
import { expect } from 'vitest';
import type { LoadHandle, LoadResult } from '../load/start-load.mjs';
import { expectNothingLost } from './expectations.js';
import { eventually } from './wait.js';

/** Nothing is lost, and every connection that was opened is still the one that it was. */
export function expectNobodyClosed(result: LoadResult, connections: number, context: string): void {
  expectNothingLost(result, context);
  const { closedByAnswer, idleClosed } = result;
  expect({ closedByAnswer, idleClosed, connections: result.connections }, context).toEqual({
    closedByAnswer: 0,
    idleClosed: 0,
    connections,
  });
}

export async function untilIdle(load: LoadHandle, connections: number): Promise<void> {
  await eventually(
    async () => (await load.snapshot()).modes.idle?.ok,
    (ok) => ok === connections,
    { deadlineMs: 60_000, what: () => `${connections} idle connections` },
  );
}
