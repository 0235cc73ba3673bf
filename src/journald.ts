/**
 * A destination for pino that writes to the journal itself, each record an entry with its keys as fields:
 *
 *   pino({}, journald({ identifier: 'shop' }))                 in the process of the app: nothing is lost at its exit
 *   pino({ transport: { target: 'batond/journald' } })         in a thread beside it
 *
 * It needs no batond around it. Where no journal is, lines go to stderr, as they are or, at a terminal, for people.
 */
import { basename } from 'node:path';
import { Writable } from 'node:stream';
import { said } from './lines/said.js';
import { formatLogLine, wantsColor } from './log-format.js';
import { encodeEntry } from './systemd/journal-entry.js';
import { appFieldName, type JournalField, OMITTED, withFields } from './systemd/journal-fields.js';
import { JournalSocket } from './systemd/journal-socket.js';
import { LineWriter } from './systemd/line-writer.js';

export interface JournaldOptions {
  /** SYSLOG_IDENTIFIER: by default the `name` of the logger, else that of the program. */
  readonly identifier?: string;
  /** Names of fields by the keys of records: `{ req: 'HTTP_REQUEST' }`. Other keys are upper-cased: `userId` is USER_ID. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** How long an entry may wait for a journald that does not read, once. */
const PATIENCE_MS = 200;
/** systemd.journal-fields(7): a leading "_" is journald's own. */
const FIELD = /^[A-Z][A-Z0-9_]{0,63}$/;
const INFO = 6;

/** Throws a RangeError for a name in `fields` that the journal does not take. */
export function journald({ identifier, fields = {} }: JournaldOptions = {}): Writable {
  for (const name of Object.values(fields)) {
    if (!FIELD.test(name)) throw new RangeError(`${JSON.stringify(name)} is no name of a field of the journal`);
  }
  const socket = new JournalSocket();
  const fallback = new LineWriter(2);
  const format = { color: wantsColor(true, process.env) };
  const nameOf = (key: string) => {
    if (Object.hasOwn(fields, key)) return fields[key]!;
    return OMITTED.has(key) || key === 'pid' ? null : appFieldName(key);
  };
  const write = (line: string) => {
    if (line === '') return;
    const entry = encodeEntry(entryOf(line, identifier, nameOf));
    if (socket.send(entry, PATIENCE_MS) === 'sent') return;
    fallback.write(`${process.stderr.isTTY === true ? formatLogLine(line, format) : line}\n`);
  };
  // What comes from another thread is cut anywhere.
  let rest = '';
  return new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _encoding, done) {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop()!;
      for (const line of lines) write(line);
      done();
    },
    final(done) {
      write(rest);
      socket.close();
      done();
    },
  });
}

export default journald;

function entryOf(
  line: string,
  identifier: string | undefined,
  nameOf: (key: string) => string | null,
): readonly JournalField[] {
  const { priority, message, record } = said(line, INFO);
  const named =
    typeof record?.name === 'string' && record.name !== '' ? record.name : basename(process.argv[1] ?? 'node');
  const head = { priority, message, identifier: identifier ?? named, own: [] };
  return withFields(record ?? {}, head, nameOf);
}
