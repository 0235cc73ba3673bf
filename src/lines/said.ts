/**
 * One line of a worker's output as a record, whatever it is: NDJSON of pino or of another logger, a line with the
 * prefix of sd-daemon(3), or plain words. Pure.
 */
import type { LogRecord } from '../systemd/journal-fields.js';
import { priorityOf } from '../systemd/journal-fields.js';

export interface Said {
  /** syslog(3), 0 to 7. */
  readonly priority: number;
  readonly message: string;
  /** Null for a line that is no JSON object. */
  readonly record: LogRecord | null;
}

/** Whose line it is. */
export interface Origin {
  readonly generation: number;
  readonly slot: number;
  readonly pid: number;
  /** "main", or the name of a [[service.process]]; null where nobody knows any more. */
  readonly process: string | null;
}

/** Levels that are written out, as by winston and by pino's formatters. */
const LEVELS: Readonly<Record<string, number>> = {
  trace: 7,
  debug: 7,
  verbose: 7,
  info: 6,
  notice: 5,
  warn: 4,
  warning: 4,
  error: 3,
  fatal: 2,
  critical: 2,
};

/** `usual` is the priority of a line that has none. */
export function said(line: string, usual: number): Said {
  const prefix = /^<([0-7])>/.exec(line);
  const text = prefix === null ? line : line.slice(3);
  const priority = prefix === null ? usual : Number(prefix[1]);
  const record = parse(text);
  if (record === null) return { priority, message: text, record };
  return { priority: levelOf(record.level, priority), message: messageOf(record) ?? text, record };
}

function parse(text: string): LogRecord | null {
  if (!text.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? (value as LogRecord) : null;
  } catch {
    return null;
  }
}

function levelOf(level: unknown, otherwise: number): number {
  if (typeof level === 'number') return priorityOf(level);
  if (typeof level !== 'string') return otherwise;
  const word = level.toLowerCase();
  return Object.hasOwn(LEVELS, word) ? LEVELS[word]! : otherwise;
}

/** `msg` is pino's, `message` that of most others. */
function messageOf({ msg, message, err }: LogRecord): string | null {
  const error = typeof err === 'object' && err !== null ? (err as LogRecord).message : null;
  const found = [msg, message, error].find((text) => typeof text === 'string' && text !== '');
  return (found as string | undefined) ?? null;
}
