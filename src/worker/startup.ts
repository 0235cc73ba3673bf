/**
 * The profile of a start, from the first instruction of the preload until the app is ready, with the moments between.
 * All of it is synchronous: what comes before the entry must not wait for a turn of the loop.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { performance } from 'node:perf_hooks';
import type { Channel } from './channel.js';

/** Milliseconds since the process was started; null is what did not come to be. */
export interface StartupMarks {
  /** Node itself was there. */
  readonly bootstrapped: number;
  /** The profile began. */
  readonly preload: number;
  /** The entry had been evaluated. */
  evaluated: number | null;
  /** The first server began to listen. */
  listen: number | null;
  ready: number | null;
}

const MODE = 0o600;

export class Startup {
  readonly #bounds: { readonly path: string; readonly maxBytes: number };
  readonly #session = new Session();
  readonly #marks: StartupMarks;

  /** Throws where this Node has no inspector; then there is no profile, and the supervisor finds out by its deadline. */
  constructor(bounds: { readonly path: string; readonly maxBytes: number }) {
    this.#bounds = bounds;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.start');
    const { bootstrapComplete } = performance.nodeTiming;
    const preload = performance.now();
    this.#marks = { bootstrapped: bootstrapComplete, preload, evaluated: null, listen: null, ready: null };
  }

  mark(what: 'evaluated' | 'listen'): void {
    this.#marks[what] ??= performance.now();
  }

  /** Ends it. Never throws. */
  ready(channel: Pick<Channel, 'send'>): void {
    this.#marks.ready = performance.now();
    this.#session.post('Profiler.stop', (error, result) => {
      try {
        if (error !== null) throw error;
        const text = JSON.stringify({
          ...result.profile,
          batond: { marks: this.#marks, entry: process.argv[1] ?? null },
        });
        const bytes = Buffer.byteLength(text);
        if (bytes > this.#bounds.maxBytes)
          throw new Error(`it would have ${bytes} bytes, and ${this.#bounds.maxBytes} are left for it`);
        writeFileSync(this.#bounds.path, text, { mode: MODE, flag: 'wx' });
        channel.send({ type: 'examined', id: 0, bytes, reason: null });
      } catch (problem) {
        channel.send({
          type: 'examined',
          id: 0,
          bytes: null,
          reason: String((problem as Error).message).slice(0, 500),
        });
      }
    });
    this.#session.disconnect();
  }
}
