/**
 * Keeps a batond that fails at its start from failing for ever, or too fast. Each start under systemd is on record, in the
 * state directory, until it has served for a while; one that finds another's record there pauses, and steps aside for the
 * batond that served last, if that is another one that is still there: what was installed since is what fails.
 *
 *   main.js of 2.0    begins, is on record, throws         systemd starts it again
 *   main.js of 2.0    sees that it has failed, imports ->  main.js of 1.0 begins, is on record, adopts, serves
 *
 * The other one is imported into this very process, not started as another: systemd's main process stays what it is, with
 * all that systemd has passed, and nothing is needed of a batond that may be broken but this file and main.js. So it
 * imports nothing that is ours, and never throws. Reloads go by the command line, so they try what fails anew.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Told to the one that is imported: the main.js in whose place it runs. */
export const STANDS_IN_FOR = 'BATOND_STANDS_IN_FOR';
/** A start that has served for so long has not failed. */
export const STABLE_MS = 5_000;
/** Doubled at each failure in a row. */
const PAUSE_MS = 50;
/** At one start a second a loop costs little of a processor, and who mends the cause does not wait. */
const PAUSE_MAX_MS = 1_000;
/** Ends that say nothing against batond, those of src/errors.ts: done, a configuration refused, a service that is over. */
const MEANT: ReadonlySet<number> = new Set([0, 78, 79]);

/** Real: Node follows symlinks to what it runs. */
export const OWN_MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

interface Starts {
  /** The main.js that served last. */
  readonly good: string | null;
  /** The main.js that began last and has not served; null where it ended for a reason of its app. */
  readonly begun: string | null;
  /** How many in a row have not. */
  readonly failures: number;
}

export interface Beginning {
  readonly pauseMs: number;
  /** The main.js to import instead of going on. */
  readonly standIn: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Puts a start on record. `main` is the real path of the main.js that asks. */
export function beginStart(main: string, env: Environment): Beginning {
  const file = fileOf(env);
  if (file === null) return { pauseMs: 0, standIn: null };
  const { good, begun, failures } = read(file);
  const hasFailed = begun === main;
  const standIn = hasFailed && good !== null && good !== main && existsSync(good) ? good : null;
  write(file, { good, begun: standIn ?? main, failures: failures + 1 });
  if (standIn !== null || failures === 0) return { pauseMs: 0, standIn };
  return { pauseMs: Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** Math.min(failures, 10)), standIn };
}

/** It has ended by itself, with a status that it chose; what fails for its app fails under any batond. */
export function endStart(status: number, env: Environment): void {
  const file = fileOf(env);
  if (file === null) return;
  const { good, failures } = read(file);
  write(file, { good, begun: null, failures: MEANT.has(status) ? 0 : failures });
}

/** It has served for STABLE_MS: the one to go back to. */
export function keepStart(main: string, env: Environment): void {
  const file = fileOf(env);
  if (file !== null) write(file, { good: main, begun: null, failures: 0 });
}

/** Where systemd keeps a state directory for us; elsewhere the host has pauses of its own. */
function fileOf({ NOTIFY_SOCKET, STATE_DIRECTORY }: Environment): string | null {
  const folder = STATE_DIRECTORY?.split(':')[0];
  return folder && NOTIFY_SOCKET?.endsWith('/systemd/notify') ? join(folder, 'starts.json') : null;
}

function read(file: string): Starts {
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<keyof Starts, unknown>>;
    const text = (one: unknown) => (typeof one === 'string' ? one : null);
    const { failures } = value;
    return {
      good: text(value.good),
      begun: text(value.begun),
      failures: Number.isSafeInteger(failures) ? Math.max(0, failures as number) : 0,
    };
  } catch {
    return { good: null, begun: null, failures: 0 };
  }
}

function write(file: string, starts: Starts): void {
  try {
    writeFileSync(`${file}.next`, `${JSON.stringify(starts)}\n`, { mode: 0o600 });
    renameSync(`${file}.next`, file);
  } catch {
    // A full or read-only disk: a start that cannot be put on record is still a start.
  }
}
