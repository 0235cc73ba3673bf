/**
 * The log of the supervisor and of the host: one pino instance a process, and where its lines go. To the journal with
 * all their fields under systemd, else to stdout: as NDJSON for machines, as short lines for a person at a terminal.
 *
 * Nothing here starts a thread (pino's transports do): the log is written when the call returns, or it never will be.
 */
import { existsSync } from 'node:fs';
import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import type { LogLevel } from './config/config.js';
import { formatLogLine, wantsColor } from './log-format.js';
import { type Hear, tapped } from './log-tap.js';
import { JournalDestination } from './systemd/journal.js';
import { JOURNAL_SOCKET } from './systemd/journal-socket.js';
import { isJournalStream } from './systemd/journal-stream.js';
import { LineWriter } from './systemd/line-writer.js';
import { messageIdOf } from './systemd/message-ids.js';

/** `level` may be set while it runs. */
export type Log = Logger;

/**
 * The fields of a record that have a name of their own in the journal, so that `journalctl BATOND_GENERATION=7` finds
 * them. Any other is upper-cased as it is: `durationMs` is DURATION_MS.
 */
export const LOG_FIELDS = {
  /** What happened, as a word that stays the same over versions. */
  event: 'BATOND_EVENT',
  generation: 'BATOND_GENERATION',
  slot: 'BATOND_SLOT',
  /** What the slot is for: "main", or the name of a [[service.process]]. */
  process: 'BATOND_PROCESS',
  /** The id of a worker. */
  worker: 'BATOND_WORKER',
  /** The process that is spoken of; _PID is who speaks. */
  pid: 'BATOND_PID',
  release: 'BATOND_RELEASE',
  /** Of a roll, as `batond reload` shows it. */
  step: 'BATOND_STEP',
  /** A code of the table of errors. */
  code: 'BATOND_CODE',
  /** How well a worker, or the service, is. */
  health: 'BATOND_HEALTH',
  /** Of an audit: what was done, and how it went. */
  action: 'BATOND_ACTION',
  outcome: 'BATOND_OUTCOME',
  /** Who asked, as the kernel vouches for it. */
  peerUid: 'BATOND_PEER_UID',
  peerPid: 'BATOND_PEER_PID',
  peerUser: 'BATOND_PEER_USER',
  peerComm: 'BATOND_PEER_COMM',
  peerCgroup: 'BATOND_PEER_CGROUP',
} as const;

export interface LogOptions {
  /** The service: SYSLOG_IDENTIFIER in the journal, `name` in a record. */
  readonly name: string;
  readonly level: LogLevel;
  readonly env: NodeJS.ProcessEnv;
  /** 1 by default. */
  readonly stdout?: number;
  /** Hears of each event, whatever the level leaves out. */
  readonly hear?: Hear;
}

export function createLog({ name, level, env, stdout = 1, hear }: LogOptions): Log {
  // Without pino's pid and hostname: the journal has them, and `pid` is the process that a record speaks of.
  const options = { level, base: { name } };
  const written = destination(name, env, stdout);
  return hear === undefined ? pino(options, written) : tapped(options, written, hear);
}

function destination(name: string, env: NodeJS.ProcessEnv, stdout: number): { write(line: string): void } {
  if (isJournalStream(env, [stdout, 2]) && existsSync(JOURNAL_SOCKET)) {
    return new JournalDestination({ identifier: name, fields: LOG_FIELDS, messageIdOf });
  }
  const writer = new LineWriter(stdout);
  if (!isatty(stdout)) return writer;
  const format = { color: wantsColor(true, env) };
  return { write: (line) => writer.write(`${formatLogLine(line, format)}\n`) };
}
