/**
 * The secret that every worker makes its TLS session tickets from; see src/worker/tickets.ts. It is made anew twice a
 * day, so that whoever gets hold of it can read no more than that of the traffic of TLS 1.2 (RFC 5077, 5.5).
 *
 * It goes over the workers' channels and the takeover, and nowhere else: not into the log, the state file, or a
 * worker's environment, which any process of the same user can read in /proc.
 */
import { randomBytes } from 'node:crypto';
import { monotonicMs } from '../process/monotonic.js';

const BYTES = 48;

/** A ticket is taken for two hours at most (OpenSSL's default), so a change voids those of a sixth of the time. */
export const ROTATE_AFTER_MS = 12 * 60 * 60 * 1_000;

export interface TicketSecretRecord {
  /** Base64. */
  readonly secret: string;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly madeAtMs: number;
}

export class TicketSecret {
  readonly #give: (secret: string) => void;
  #record: TicketSecretRecord | null = null;
  #timer: NodeJS.Timeout | null = null;

  /** `give` is called with each new one. */
  constructor(give: (secret: string) => void) {
    this.#give = give;
  }

  /** Base64; made when it is first asked for. */
  get secret(): string {
    this.#record ??= fresh();
    if (this.#timer === null) this.activate();
    return this.#record.secret;
  }

  get record(): TicketSecretRecord | null {
    return this.#record;
  }

  restore(record: TicketSecretRecord | null): void {
    this.#record = record;
  }

  /** Sees to its being replaced in time. */
  activate(): void {
    this.freeze();
    if (this.#record === null) return;
    const left = Math.max(0, this.#record.madeAtMs + ROTATE_AFTER_MS - monotonicMs());
    this.#timer = setTimeout(() => {
      this.#record = fresh();
      this.activate();
      this.#give(this.#record.secret);
    }, left);
    // It is no reason to stay.
    this.#timer.unref();
  }

  freeze(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

function fresh(): TicketSecretRecord {
  return { secret: randomBytes(BYTES).toString('base64'), madeAtMs: monotonicMs() };
}
