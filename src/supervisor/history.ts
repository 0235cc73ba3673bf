/**
 * The history of releases: each attempt with what came of it. It is read when it is needed first, so that it delays no
 * takeover, and a disk that fails is said and stops nothing.
 */
import type { HistoryRow, ReloadOutcome } from '../control/messages.js';
import { BatondError } from '../errors.js';
import type { Attempt, AttemptKind } from '../inventory/attempt.js';
import { type HistoryEntry, readHistory, writeHistory } from '../inventory/history-file.js';
import type { Log } from '../log.js';
import { describeRelease, isUsable } from '../release/compare.js';
import { type Release, rootOf } from '../release/release.js';

export class History {
  readonly #file: string;
  readonly #log: Log;
  readonly #added: (kind: AttemptKind, code: string | null) => void;
  #entries: HistoryEntry[] | null = null;

  /** `added` hears of each. */
  constructor(file: string, log: Log, added: (kind: AttemptKind, code: string | null) => void) {
    this.#file = file;
    this.#log = log;
    this.#added = added;
  }

  /** The number that no generation on record has: they go on over restarts of the service. */
  get nextGeneration(): number {
    return this.#read().reduce((highest, { generation }) => Math.max(highest, generation ?? 0), 0) + 1;
  }

  rows(): HistoryRow[] {
    return this.#read().map(({ release, root, ...entry }) => ({
      ...entry,
      label: release?.label ?? null,
      directory: root,
      runs: release === null ? null : describeRelease(release),
      isThere: release !== null && isUsable(release),
    }));
  }

  /** What became of an attempt. `served` is false where it was refused, whatever its verdict for the outside. */
  add(
    { kind, release, generation, target }: Attempt,
    { code, message, at, durationMs }: ReloadOutcome,
    served: boolean,
  ): void {
    this.#added(kind, code);
    const entries = this.#read();
    if (served) {
      const verdict = kind === 'rollback' || kind === 'regret' ? 'rolledBack' : 'replaced';
      for (const entry of entries) if (entry.verdict === 'serving') entry.verdict = verdict;
    }
    const verdict = served ? 'serving' : 'refused';
    const root = release === null ? (target?.root ?? null) : rootOf(release);
    entries.push({ generation, kind, release, root, at, durationMs, verdict, code, message });
    try {
      writeHistory(this.#file, entries);
    } catch (error) {
      const { message: reason } = error as Error;
      this.#log.error(
        { event: 'history-unwritable', err: error },
        `the history of releases could not be written: ${reason}`,
      );
    }
  }

  /** The release of a generation, to go back to. Throws NO_ROLLBACK_TARGET. */
  releaseOf(generation: number): Release {
    const entry = this.#read().findLast((one) => one.generation === generation);
    const refuse = (reason: string) => new BatondError('NO_ROLLBACK_TARGET', { reason });
    if (entry === undefined) throw refuse(`generation ${generation} is not on record; see batond history`);
    const { release, verdict } = entry;
    if (verdict === 'refused' || release === null) throw refuse(`generation ${generation} never served`);
    if (verdict === 'serving') throw refuse(`generation ${generation} serves`);
    if (!isUsable(release)) throw refuse(`${describeRelease(release)} of generation ${generation} is gone`);
    return release;
  }

  #read(): HistoryEntry[] {
    if (this.#entries !== null) return this.#entries;
    try {
      this.#entries = readHistory(this.#file);
    } catch (error) {
      const { message } = error as Error;
      this.#log.warn({ event: 'history-unreadable', err: error }, `beginning a new history of releases: ${message}`);
      this.#entries = [];
    }
    return this.#entries;
  }
}
