/**
 * The vocabulary of the protocol tables: every state × every event has a cell, and a cell says what happens.
 *
 * `Record<State, Record<Event, Cell>>` makes the compiler reject a missing cell. Nothing here has I/O or a clock: time
 * is an event, and an effect is a word that the loop carries out.
 */

export type Cell<State extends string, Effect extends string, Code extends string> =
  | { readonly kind: 'go'; readonly next: State; readonly effects: readonly Effect[] }
  | { readonly kind: 'ignore'; readonly why: string }
  | { readonly kind: 'refuse'; readonly code: Code };

export type Table<State extends string, Event extends string, Effect extends string, Code extends string> = Readonly<
  Record<State, Readonly<Record<Event, Cell<State, Effect, Code>>>>
>;

/** Moves to a state, which may be the same one, and has the loop carry out the effects in their order. */
export const go = <const State extends string, const Effect extends string>(next: State, ...effects: Effect[]) =>
  ({ kind: 'go', next, effects }) as const;

/** The event changes nothing here, for the reason given. */
export const ignore = (why: string) => ({ kind: 'ignore', why }) as const;

/** Whoever caused the event is told the code; nothing changes. */
export const refuse = <const Code extends string>(code: Code) => ({ kind: 'refuse', code }) as const;

/** A Mermaid state diagram of the moves of a table; ARCHITECTURE.md carries it and a test compares the two. */
export function diagram<S extends string, E extends string, F extends string, C extends string>(
  table: Table<S, E, F, C>,
  start: S,
): string {
  const lines = ['stateDiagram-v2', `  [*] --> ${start}`];
  for (const state of Object.keys(table) as S[]) {
    const events = new Map<S, E[]>();
    for (const event of Object.keys(table[state]) as E[]) {
      const cell = table[state][event];
      if (cell.kind === 'go') events.set(cell.next, [...(events.get(cell.next) ?? []), event]);
    }
    for (const [next, names] of events) lines.push(`  ${state} --> ${next}: ${names.join(', ')}`);
  }
  return lines.join('\n');
}
