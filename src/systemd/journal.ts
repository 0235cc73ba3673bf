/**
 * Where pino writes under systemd: each line of its NDJSON becomes one entry of the journal, in its native protocol, a
 * datagram an entry. What journald does not take goes to stderr as plain lines, so that nothing is lost silently.
 *
 * It is synchronous, because the last words before an exit count most; it never throws into who logs, and it never
 * waits for journald longer than PATIENCE_MS, once.
 */
import { encodeEntry } from './journal-entry.js';
import {
  type JournalField,
  type JournalNames,
  journalFields,
  type LogRecord,
  messageOf,
  priorityOf,
} from './journal-fields.js';
import { JournalSocket } from './journal-socket.js';
import { LineWriter } from './line-writer.js';

const PATIENCE_MS = 200;
const STDERR = 2;

export interface JournalOptions extends JournalNames {
  /** Only tests have another. */
  readonly socket?: string;
  readonly fallback?: { write(text: string): void };
}

export class JournalDestination {
  readonly #names: JournalNames;
  readonly #socket: JournalSocket;
  readonly #fallback: { write(text: string): void };

  constructor({ socket, fallback = new LineWriter(STDERR), ...names }: JournalOptions) {
    this.#names = names;
    this.#socket = new JournalSocket(socket);
    this.#fallback = fallback;
  }

  /** Takes one line of pino's. */
  write(line: string): void {
    const record = parse(line);
    const fields = journalFields(record, this.#names);
    if (this.#socket.send(encodeEntry(fields), PATIENCE_MS) === 'sent') return;
    this.#fallback.write(plainText(record, fields));
  }

  close(): void {
    this.#socket.close();
  }
}

/** What is no record is still somebody's message. */
function parse(line: string): LogRecord {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as LogRecord;
  } catch {
    // As it is, below.
  }
  return { level: 30, msg: line.trimEnd() };
}

/** Lines with the prefix of sd-daemon(3), which journald takes off again where stderr is a stream of its own. */
function plainText(record: LogRecord, fields: readonly JournalField[]): string {
  const shown = fields.filter(
    ([name]) => name.startsWith('BATOND_') || name === 'ERROR_MESSAGE' || name === 'ERROR_CODE',
  );
  const facts = shown.map(([name, value]) => ` ${name}=${value}`).join('');
  const prefix = `<${priorityOf(record.level)}>`;
  return `${prefix}${messageOf(record)}${facts}`.replaceAll('\n', `\n${prefix}`).concat('\n');
}
