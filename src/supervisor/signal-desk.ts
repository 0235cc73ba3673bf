/** Follows src/supervisor/signal-table.ts: acts at once, keeps a signal until it can be followed, or passes it on. */
import type { Log } from '../log.js';
import { type Doing, HEARD, type Heard, SIGNAL_ACTS } from './signal-table.js';

export interface SignalDeskHost {
  readonly log: Log;
  readonly acts: Readonly<Record<Heard, () => void>>;
  doing(): Doing;
  /** To the supervisor that has taken over. */
  passOn(signal: Heard): void;
}

export class SignalDesk {
  readonly #host: SignalDeskHost;
  readonly #waiting = new Set<Heard>();

  constructor(host: SignalDeskHost) {
    this.#host = host;
  }

  hear(signal: Heard): void {
    const { log, doing } = this.#host;
    const state = doing();
    const act = SIGNAL_ACTS[signal][state];
    const isNew = act !== 'later' || !this.#waiting.has(signal);
    if (isNew) log.debug({ event: 'signal', signal, doing: state }, `${signal}: ${words(act)}`);
    this.#waiting.add(signal);
    this.#follow(signal);
  }

  /** What is done has changed: those that have waited may be followed now. */
  review(): void {
    // Each by what is done when its turn comes: the one before may have changed that.
    for (const signal of HEARD) this.#follow(signal);
  }

  #follow(signal: Heard): void {
    if (!this.#waiting.has(signal)) return;
    const act = SIGNAL_ACTS[signal][this.#host.doing()];
    if (act === 'later') return;
    this.#waiting.delete(signal);
    if (act === 'now') this.#host.acts[signal]();
    else if (act === 'passOn') this.#host.passOn(signal);
  }
}

function words(act: (typeof SIGNAL_ACTS)[Heard][Doing]): string {
  if (typeof act === 'object') return `ignored: ${act.ignore}`;
  return act === 'now' ? 'followed' : act === 'later' ? 'kept until what is under way is over' : 'passed on';
}
