/**
 * SIGTERM: a stop, or the first half of a restart. In a restart the fd store stays (FileDescriptorStorePreserve=restart,
 * the default), so the supervisor leaves at once and the next one has everything; in a stop everything ends. Only
 * systemd knows which, and where it does not say so in time, it is a stop.
 */
import type { ManagedBy } from '../systemd/managed-by.js';
import { storedFds, unitJob } from '../systemd/unit-job.js';

const ANSWER_MS = 1_000;

export interface Departing {
  /** Drains and ends everything; the second time at once. */
  stop(): void;
  /** Ends this process alone, where `stored`, the number of descriptors that systemd has, is all there is to keep. */
  leave(stored: number): void;
}

export class Departure {
  readonly #supervisor: Departing;
  readonly #managedBy: ManagedBy | null;
  #asked = false;

  constructor(supervisor: Departing, managedBy: ManagedBy | null) {
    this.#supervisor = supervisor;
    this.#managedBy = managedBy;
  }

  /** A second signal is a stop, whatever the first one was. */
  async signalled(): Promise<void> {
    if (this.#managedBy === null || this.#asked) {
      this.#supervisor.stop();
      return;
    }
    this.#asked = true;
    const [job, stored] = await Promise.all([
      unitJob(this.#managedBy, ANSWER_MS),
      storedFds(this.#managedBy, ANSWER_MS),
    ]);
    if (job === 'restart') this.#supervisor.leave(stored);
    else this.#supervisor.stop();
  }
}
