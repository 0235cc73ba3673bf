/**
 * Where the lines of workers go: to the journal with their fields, else to our standard output, as lines for a person at
 * a terminal and as NDJSON for machines. What is not taken at once stays in the pipe of its worker.
 */
import { isatty } from 'node:tty';
import { formatLogLine, wantsColor } from '../log-format.js';
import { encodeEntry } from '../systemd/journal-entry.js';
import { appFieldName, type JournalField, OMITTED, withFields } from '../systemd/journal-fields.js';
import { JournalSocket } from '../systemd/journal-socket.js';
import { LineWriter } from '../systemd/line-writer.js';
import type { Origin, Said } from './said.js';

/** Who reads fast is waited for; who does not is asked again, and the loop turns meanwhile. */
const PATIENCE_MS = 5;

export interface Outlet {
  /** False where it cannot be taken now. `line` is what was said, `cut` tells of a part of a line. */
  put(said: Said, line: string, origin: Origin, cut: boolean): boolean;
}

export class JournalOutlet implements Outlet {
  readonly #identifier: string;
  readonly #socket: JournalSocket;
  readonly #fallback = new LineWriter(2);

  /** Only tests have another socket. */
  constructor(identifier: string, socket?: string) {
    this.#identifier = identifier;
    this.#socket = new JournalSocket(socket);
  }

  put(said: Said, line: string, origin: Origin, cut: boolean): boolean {
    const sent = this.#socket.send(encodeEntry(lineFields(said, this.#identifier, origin, cut)), PATIENCE_MS);
    // Where there is no journald any more, nobody would ever take it.
    if (sent === 'gone') this.#fallback.write(`<${said.priority}>${line}\n`);
    return sent !== 'full';
  }
}

/** All fields of an entry. OBJECT_PID= has journald add what it knows of the worker: OBJECT_COMM, OBJECT_CMDLINE, ... */
export function lineFields(
  { priority, message, record }: Said,
  identifier: string,
  { generation, slot, pid, process }: Origin,
  cut: boolean,
): JournalField[] {
  const own: JournalField[] = [
    ['BATOND_GENERATION', String(generation)],
    ['BATOND_SLOT', String(slot)],
    ...(process === null ? [] : [['BATOND_PROCESS', process] as const]),
    ['BATOND_WORKER_PID', String(pid)],
    ['OBJECT_PID', String(pid)],
    ...(cut ? [['BATOND_CUT', '1'] as const] : []),
  ];
  const nameOf = (key: string) => (key !== 'name' && OMITTED.has(key) ? null : appFieldName(key));
  return withFields(record ?? {}, { priority, identifier, message, own }, nameOf);
}

/** pino's numbers, by the priorities of syslog(3). */
const LEVELS = [60, 60, 60, 50, 40, 30, 30, 20] as const;

export class TextOutlet implements Outlet {
  readonly #name: string;
  readonly #writer: LineWriter;
  readonly #format: { readonly color: boolean } | null;
  #stalled = false;

  constructor(name: string, env: NodeJS.ProcessEnv, stdout = 1) {
    this.#name = name;
    this.#writer = new LineWriter(stdout);
    this.#format = isatty(stdout) ? { color: wantsColor(true, env) } : null;
  }

  put(said: Said, line: string, origin: Origin, cut: boolean): boolean {
    this.#stalled = !this.#writer.ready(this.#stalled ? 0 : PATIENCE_MS);
    if (this.#stalled) return false;
    const text = ndjson(said, line, origin, this.#name, cut);
    this.#writer.write(`${this.#format === null ? text : formatLogLine(text, this.#format)}\n`);
    return true;
  }
}

/** A record stays as it was written, to its last digit, with `batond` behind it: whose it is. */
export function ndjson({ priority, message, record }: Said, line: string, origin: Origin, name: string, cut: boolean) {
  const own = JSON.stringify(cut ? { ...origin, cut } : origin);
  if (record === null) {
    const entry = { level: LEVELS[priority], time: Date.now(), name, msg: message };
    return `${JSON.stringify(entry).slice(0, -1)},"batond":${own}}`;
  }
  const body = line.slice(line.indexOf('{'), line.lastIndexOf('}'));
  return `${body}${body.trimEnd() === '{' ? '' : ','}"batond":${own}}`;
}
