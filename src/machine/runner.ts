/**
 * Runs a table: posts go in one at a time, the state moves first, the effects follow in their order.
 *
 * An effect may post; its event waits until the effects of the current one are done, so no effect ever sees a half-made
 * move. The first cause given on the way to a failure is kept, later ones are only logged.
 */
import type { BatondError } from '../errors.js';
import type { Table } from './table.js';

export interface RunnerHooks<State, Event, Effect, Code> {
  readonly effects: Readonly<Record<Effect & string, () => void>>;
  readonly refused: (code: Code, event: Event) => void;
  readonly moved: (from: State, event: Event, to: State) => void;
  readonly ignored: (state: State, event: Event, why: string, cause: BatondError | undefined) => void;
}

export class Runner<State extends string, Event extends string, Effect extends string, Code extends string> {
  #state: State;
  #cause: BatondError | null = null;
  #running = false;
  readonly #queue: { event: Event; cause: BatondError | undefined }[] = [];
  readonly #table: Table<State, Event, Effect, Code>;
  readonly #hooks: RunnerHooks<State, Event, Effect, Code>;

  constructor(table: Table<State, Event, Effect, Code>, start: State, hooks: RunnerHooks<State, Event, Effect, Code>) {
    this.#table = table;
    this.#state = start;
    this.#hooks = hooks;
  }

  get state(): State {
    return this.#state;
  }

  /** The first cause of the failure that is under way; `forget` begins anew. */
  get cause(): BatondError | null {
    return this.#cause;
  }

  forget(): void {
    this.#cause = null;
  }

  post(event: Event, cause?: BatondError): void {
    this.#queue.push({ event, cause });
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#step(next.event, next.cause);
      }
    } finally {
      this.#running = false;
    }
  }

  #step(event: Event, cause: BatondError | undefined): void {
    const from = this.#state;
    const cell = this.#table[from][event];
    if (cell.kind === 'ignore') {
      this.#hooks.ignored(from, event, cell.why, cause);
      return;
    }
    if (cell.kind === 'refuse') {
      this.#hooks.refused(cell.code, event);
      return;
    }
    this.#cause ??= cause ?? null;
    this.#state = cell.next;
    this.#hooks.moved(from, event, cell.next);
    for (const effect of cell.effects) this.#hooks.effects[effect]();
  }
}
