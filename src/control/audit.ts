/**
 * What was done to the service, and by whom: an entry when an action is asked for, and one with its outcome.
 * Attempts of those who have no right to it are entries too, of which one user gets a few a minute and then a number,
 * so that nobody can flood the journal and nobody's attempt is hidden behind somebody else's.
 */
import type { Log } from '../log.js';
import type { Credentials } from '../native.js';
import { peerFields, userText } from './peer.js';

const WINDOW_MS = 60_000;
/** In a window, of one user. */
const MAX_ENTRIES = 5;
/** In a window. More different users than these are counted as one. */
const MAX_USERS = 20;

export type Action = 'reload' | 'rollback' | 'stop' | 'profile' | 'profile-read';

interface Tally {
  entries: number;
  swallowed: number;
}

export class Audit {
  readonly #log: Log;
  readonly #refusals: Log;
  readonly #tallies = new Map<number | null, Tally>();
  #window: NodeJS.Timeout | null = null;

  constructor(log: Log) {
    // Who did what is on record whatever log.level leaves out.
    this.#log = log.child({ event: 'audit' }, { level: 'info' });
    this.#refusals = log.child({ event: 'refused' }, { level: 'warn' });
  }

  /** `outcome` is 'asked', 'done', or a code of the table of errors. */
  action(peer: Credentials, action: Action, outcome: string, options: object = {}): void {
    const text = `${action} by ${userText(peer.uid)}, pid ${peer.pid}: ${outcome}`;
    this.#log.info({ action, outcome, ...options, ...peerFields(peer) }, text);
  }

  /** By a signal: Node does not say who sent it. */
  signalled(action: Action, outcome: string, options: object = {}): void {
    this.#log.info({ action, outcome, ...options }, `${action} by a signal, nobody can tell whose: ${outcome}`);
  }

  /** `what` completes "may not": it is somebody else's words in part, so it has to be printable. */
  refused(peer: Credentials, what: string, code?: string): void {
    const tally = this.#tallyOf(peer.uid);
    if (tally.entries >= MAX_ENTRIES) {
      tally.swallowed++;
      return;
    }
    tally.entries++;
    this.#refusals.warn(
      { code, asked: what, ...peerFields(peer) },
      `refused: ${userText(peer.uid)}, pid ${peer.pid}: ${what}`,
    );
  }

  /** Says what is still to be said: this process is about to end. */
  close(): void {
    if (this.#window !== null) clearTimeout(this.#window);
    this.#window = null;
    for (const [uid, { swallowed }] of this.#tallies) {
      if (swallowed === 0) continue;
      const who = uid === null ? 'other users' : userText(uid);
      const fields = { swallowed, ...(uid === null ? {} : { peerUid: uid }) };
      this.#refusals.warn(fields, `refused: ${swallowed} more attempts of ${who} within a minute`);
    }
    this.#tallies.clear();
  }

  #tallyOf(uid: number): Tally {
    if (this.#window === null) {
      this.#window = setTimeout(() => this.close(), WINDOW_MS);
      this.#window.unref();
    }
    const key = this.#tallies.has(uid) || this.#tallies.size < MAX_USERS ? uid : null;
    const tally = this.#tallies.get(key) ?? { entries: 0, swallowed: 0 };
    this.#tallies.set(key, tally);
    return tally;
  }
}
