/**
 * Tells a worker that the kernel killed for memory from any other SIGKILL: the count of its control group has grown. The
 * kernel counts before it kills, so whoever sees the exit sees the count.
 *
 * It is looked at when the supervisor begins and when a worker was killed, never by a timer. The count says how many,
 * not who: one that is left over is somebody's whose exit comes in the same moment, or a child's of a worker, and is
 * not kept for longer than that, or the next SIGKILL by hand would pass for it.
 */
import { type MemoryGroup, readMemoryGroup } from '../process/memory-group.js';

/** How long exits may come after one another that were one event: each waits for the process's memory to be freed. */
const SAME_EVENT_MS = 5_000;

export class OomWatch {
  readonly #read: () => MemoryGroup | null;
  #seen: number | null;
  #left = 0;
  #leftUntilMs = 0;

  constructor(read: () => MemoryGroup | null = readMemoryGroup) {
    this.#read = read;
    this.#seen = read()?.oomKills ?? null;
  }

  /** For the next supervisor, so that nothing that happens in between is missed. */
  get record(): number | null {
    return this.#seen;
  }

  /** Goes by what another supervisor had seen; a count that is higher than now was another group's. */
  restore(seen: number | null): void {
    if (seen !== null && this.#seen !== null && seen <= this.#seen) this.#seen = seen;
  }

  /** A worker has ended by a SIGKILL that is not ours, at `nowMs`: the group's memory where that was the reason. */
  takeKill(nowMs: number): MemoryGroup | null {
    const group = this.#read();
    if (group === null || this.#seen === null) return null;
    const grown = group.oomKills - this.#seen;
    this.#seen = group.oomKills;
    if (nowMs > this.#leftUntilMs) this.#left = 0;
    if (grown > 0) {
      this.#left += grown - 1;
      this.#leftUntilMs = nowMs + SAME_EVENT_MS;
      return group;
    }
    if (this.#left === 0) return null;
    this.#left--;
    return group;
  }
}
