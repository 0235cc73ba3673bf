/** The cases of the fault matrix: each reachable transition × each victim × SIGKILL and SIGSTOP. */
import type { Role } from '../faults.js';
import { CELLS, type Cell, nameOf } from './cells.js';
import { SCENARIOS, type Scenario } from './scenarios.js';

export type Victim = Exclude<Role, 'self' | 'host'>;

export interface Case {
  /** `roll.switching.opened candidate SIGKILL`. */
  readonly name: string;
  readonly cell: Cell;
  readonly scenario: Scenario;
  readonly victim: Victim;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

const SIGNALS = ['SIGKILL', 'SIGSTOP'] as const;

/** Who can be there at that moment. S1 still lives when the roll begins, since it waits for systemd to hear it out. */
function victimsOf({ machine, state, event }: Cell): Victim[] {
  if (event === 'cutOff') return ['S2', 'candidate', 'incumbent', 'client'];
  if (machine !== 'roll') return ['S1', ...(state === 'idle' ? [] : (['S2'] as const)), 'incumbent', 'client'];
  return [...(state === 'steady' ? (['S1'] as const) : (['candidate'] as const)), 'S2', 'incumbent', 'client'];
}

export const CASES: readonly Case[] = CELLS.flatMap((cell) => {
  const scenario = SCENARIOS[nameOf(cell)];
  if (scenario === undefined) return [];
  const fellBefore = new Set(
    scenario.arranged?.flatMap(({ strikes }) =>
      strikes.flatMap(({ role, signal }) => (signal === 'SIGKILL' ? role : [])),
    ),
  );
  return victimsOf(cell)
    .filter(
      (victim) => victim === 'candidate' || (victim === 'S2' && cell.machine === 'roll') || !fellBefore.has(victim),
    )
    .flatMap((victim) =>
      SIGNALS.map((signal) => ({ name: `${nameOf(cell)} ${victim} ${signal}`, cell, scenario, victim, signal })),
    );
});

/** So many of them, the same ones for the same seed, each as likely as any other. */
export function sample(cases: readonly Case[], size: number, seed: number): Case[] {
  const next = random(seed);
  return cases
    .map((one) => ({ one, key: next() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, size)
    .map(({ one }) => one);
}

/** mulberry32: small, and the same everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
