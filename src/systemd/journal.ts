/**
 * Where pino writes under systemd: each line of its NDJSON becomes one entry of the journal, in its native protocol, a
 * datagram an entry. What journald does not take goes to stderr as plain lines, so that nothing is lost silently.
 *
 * It is synchronous, because the last words before an exit count most; it never throws into who logs, and it never
 * waits for journald longer than PATIENCE_MS, once.
 */
import { writeSync } from 'node:fs';
import { Descriptor } from '../inventory/descriptor.js';
import { type Fd, native } from '../native.js';
import { encodeEntry } from './journal-entry.js';
import {
  type JournalField,
  type JournalNames,
  journalFields,
  type LogRecord,
  messageOf,
  priorityOf,
} from './journal-fields.js';
import { LineWriter } from './line-writer.js';

export const JOURNAL_SOCKET = '/run/systemd/journal/socket';

const PATIENCE_MS = 200;
const STDERR = 2;

export interface JournalOptions extends JournalNames {
  /** Only tests have another. */
  readonly socket?: string;
  readonly fallback?: { write(text: string): void };
}

/** What became of a datagram: it is 'full' where journald does not read, 'gone' where nobody does. */
type Outcome = 'sent' | 'full' | 'gone' | 'too-big';

export class JournalDestination {
  readonly #names: JournalNames;
  readonly #path: string;
  readonly #fallback: { write(text: string): void };
  /** Connected, since only then poll(2) tells when journald reads again. */
  #socket: Descriptor | null = null;
  #stalled = false;

  constructor({ socket = JOURNAL_SOCKET, fallback = new LineWriter(STDERR), ...names }: JournalOptions) {
    this.#names = names;
    this.#path = socket;
    this.#fallback = fallback;
  }

  /** Takes one line of pino's. */
  write(line: string): void {
    const record = parse(line);
    const fields = journalFields(record, this.#names);
    if (!this.#deliver(encodeEntry(fields))) this.#fallback.write(plainText(record, fields));
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  #deliver(entry: Buffer): boolean {
    try {
      const outcome = this.#attempt((fd) => native().send(fd, entry));
      return outcome === 'too-big' ? this.#deliverBig(entry) : outcome === 'sent';
    } catch {
      return false;
    }
  }

  /**
   * An entry beyond the socket's send buffer goes as a file: an empty datagram with one descriptor of a memfd, sealed,
   * or journald would have to trust us not to change it while it reads.
   */
  #deliverBig(entry: Buffer): boolean {
    using file = new Descriptor(native().memfdCreate('batond-journal-entry'));
    for (let written = 0; written < entry.length; ) written += writeSync(file.fd, entry, written);
    native().memfdSeal(file.fd);
    return this.#attempt((fd) => native().send(fd, new Uint8Array(0), { fds: [file.fd] })) === 'sent';
  }

  /** A journald that was restarted is behind the same path but another socket: it is tried twice. */
  #attempt(send: (fd: Fd) => number | null): Outcome {
    const outcome = this.#try(send);
    if (outcome !== 'gone') return outcome;
    this.close();
    return this.#try(send);
  }

  #try(send: (fd: Fd) => number | null): Outcome {
    try {
      const fd = this.#connected();
      if (send(fd) !== null) return this.#went();
      const ready = native().poll(fd, { readable: false, writable: true }, this.#stalled ? 0 : PATIENCE_MS);
      if (ready?.writable === true && send(fd) !== null) return this.#went();
      this.#stalled = true;
      return 'full';
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EMSGSIZE' || code === 'ENOBUFS') return 'too-big';
      return 'gone';
    }
  }

  #went(): Outcome {
    this.#stalled = false;
    return 'sent';
  }

  #connected(): Fd {
    if (this.#socket === null) {
      const socket = new Descriptor(native().unixSocket('dgram'));
      try {
        native().connectUnix(socket.fd, this.#path);
      } catch (error) {
        socket.close();
        throw error;
      }
      this.#socket = socket;
    }
    return this.#socket.fd;
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
