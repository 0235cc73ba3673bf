/**
 * The releases that were committed, the newest first, and the last verdict: kept on disk, so that a start after a bad
 * deploy can go back to what worked. A disk that fails is said and never stops a release that works.
 */
import type { Inventory } from '../inventory/inventory.js';
import { readState, writeState } from '../inventory/state-file.js';
import type { Log } from '../log.js';
import { isSameRelease, isUsable } from '../release/compare.js';
import type { Release } from '../release/release.js';

/** So many committed releases are remembered to go back to. */
const REMEMBERED = 10;

export class GoodReleases {
  readonly #file: string;
  readonly #log: Log;
  readonly #inventory: () => Inventory;

  constructor(file: string, log: Log, inventory: () => Inventory) {
    this.#file = file;
    this.#log = log;
    this.#inventory = inventory;
  }

  read(): void {
    const inventory = this.#inventory();
    try {
      const state = readState(this.#file);
      inventory.good = [...(state?.good ?? [])];
      inventory.lastReload = state?.lastReload ?? null;
    } catch (error) {
      const { message } = error as Error;
      this.#log.warn(
        { event: 'state-unreadable', err: error },
        `starting without a record of good releases: ${message}`,
      );
    }
  }

  save(): void {
    const { good, lastReload } = this.#inventory();
    try {
      writeState(this.#file, { good, lastReload });
    } catch (error) {
      const { message } = error as Error;
      this.#log.error(
        { event: 'state-unwritable', err: error },
        `the record of good releases could not be written: ${message}`,
      );
    }
  }

  add(release: Release): void {
    const inventory = this.#inventory();
    inventory.good = [release, ...inventory.good.filter((other) => !isSameRelease(other, release))].slice(
      0,
      REMEMBERED,
    );
    this.save();
  }

  /** It turned out not to be one. */
  remove(release: Release): void {
    const inventory = this.#inventory();
    inventory.good = inventory.good.filter((other) => !isSameRelease(other, release));
    this.save();
  }

  /** The newest other release that is still there to be run. */
  before(release: Release): Release | null {
    return this.#inventory().good.find((other) => !isSameRelease(other, release) && isUsable(other)) ?? null;
  }
}
