/**
 * From one record of pino's to the fields of a journal entry, systemd.journal-fields(7). Pure. No field of a record can
 * stand in for one that has a meaning (PRIORITY, MESSAGE, ...), and none is so big that journald would drop the entry.
 */
import { fileURLToPath } from 'node:url';

export type JournalField = readonly [name: string, value: string];
export type LogRecord = Readonly<Record<string, unknown>>;

export interface JournalNames {
  /** SYSLOG_IDENTIFIER: what `journalctl -t` finds, and what stands before each line. */
  readonly identifier: string;
  /** The fields of ours that have names of their own: `generation` is BATOND_GENERATION. */
  readonly fields: Readonly<Record<string, string>>;
  /** MESSAGE_ID of a record, for what has a place in the catalog. */
  readonly messageIdOf?: (record: LogRecord) => string | null;
}

/** By pino's numbers; syslog(3) has no level below debug. */
const PRIORITIES: readonly (readonly [least: number, priority: number])[] = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
];
const DEBUG = 7;

/** journald allows more, but no reader is helped by it, and a runaway value must not fill the journal. */
const MAX_VALUE_LENGTH = 4 * 1024 * 1024;
const MAX_FIELDS = 128;
const MAX_NAME_LENGTH = 64;

/** Of pino's own: the level is PRIORITY, the time journald's own and the name the identifier. */
export const OMITTED: ReadonlySet<string> = new Set(['level', 'time', 'name', 'msg', 'err', 'v', 'hostname']);

/** What only this file may set, and what journald would take for the words of another logger. */
const TAKEN = /^(MESSAGE|MESSAGE_ID|PRIORITY|CODE_\w+|SYSLOG_\w+|ERRNO|TID|DOCUMENTATION|INVOCATION_ID|(USER_)?UNIT)$/;

/** OBJECT_PID= makes journald look at that process, COREDUMP_... is what coredumpctl goes by. */
const NOT_THE_APPS = /^(BATOND|OBJECT|COREDUMP)_/;

export function priorityOf(level: unknown): number {
  // Number() throws for an object whose toString is none.
  const number = typeof level === 'object' ? 0 : Number(level);
  return PRIORITIES.find(([least]) => number >= least)?.[1] ?? DEBUG;
}

export function journalFields(record: LogRecord, names: JournalNames): JournalField[] {
  const messageId = names.messageIdOf?.(record) ?? null;
  const own: JournalField[] = messageId === null ? [] : [['MESSAGE_ID', messageId]];
  const head = { priority: priorityOf(record.level), message: messageOf(record), own, identifier: names.identifier };
  return withFields(record, head, (key) =>
    OMITTED.has(key) ? null : Object.hasOwn(names.fields, key) ? names.fields[key]! : fieldName(key),
  );
}

export interface Head {
  readonly priority: number;
  readonly identifier: string;
  readonly message: string;
  /** Fields that no field of the record can take the place of. */
  readonly own: readonly JournalField[];
}

/** What stands at the head, then where an error was thrown, then the record under the names that `nameOf` gives. */
export function withFields(
  record: LogRecord,
  { priority, identifier, message, own }: Head,
  nameOf: (key: string) => string | null,
): JournalField[] {
  const error = asObject(record.err);
  const fields: JournalField[] = [
    ['PRIORITY', String(priority)],
    ['SYSLOG_IDENTIFIER', identifier],
    ['MESSAGE', message],
    ...own,
  ];
  if (error !== null) fields.push(...codePlace(error.stack));
  const used = new Set(fields.map(([name]) => name));
  const add = (name: string, value: unknown) => {
    const text = valueText(value);
    if (text === null || used.has(name) || used.size >= MAX_FIELDS) return;
    used.add(name);
    fields.push([name, text]);
  };
  for (const [key, value] of Object.entries(error ?? {})) add(errorName(key), value);
  if (error === null) add('ERROR_MESSAGE', record.err);
  for (const [key, value] of Object.entries(record)) {
    const name = nameOf(key);
    if (name !== null) add(name, value);
  }
  return fields.map(([name, value]) => [name, bounded(value)]);
}

/** What a person reads of a record that has no message of its own. */
export function messageOf({ msg, err, event }: LogRecord): string {
  if (typeof msg === 'string' && msg !== '') return msg;
  const message = asObject(err)?.message;
  if (typeof message === 'string' && message !== '') return message;
  return typeof event === 'string' ? event : '';
}

/** "exitStatus" is EXIT_STATUS; null where nothing is left of a name. A leading "_" is journald's own, a digit refused. */
export function fieldName(key: string): string | null {
  const name = upperCased(key);
  if (name === '') return null;
  return (TAKEN.test(name) ? `BATOND_${name}` : name).slice(0, MAX_NAME_LENGTH);
}

/** The same for what an app calls its fields, which may not pass for ours, nor for what other tools believe. */
export function appFieldName(key: string): string | null {
  const name = upperCased(key);
  if (name === '') return null;
  return (TAKEN.test(name) || NOT_THE_APPS.test(name) ? `APP_${name}` : name).slice(0, MAX_NAME_LENGTH);
}

function upperCased(key: string): string {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toUpperCase()
    .replace(/[^A-Z0-9_]/g, '_')
    .replace(/^[_0-9]+/, '');
}

function errorName(key: string): string {
  return key === 'type'
    ? 'ERROR_TYPE'
    : `ERROR_${fieldName(key)?.replace(/^BATOND_/, '') ?? 'FIELD'}`.slice(0, MAX_NAME_LENGTH);
}

/** Where the error was thrown: the first frame of its stack that is no internal of Node's. */
export function codePlace(stack: unknown): JournalField[] {
  if (typeof stack !== 'string') return [];
  for (const line of stack.split('\n')) {
    const frame = /^\s+at (?:(.+?) \()?((?:file:|\/)[^()]*):(\d+):\d+\)?$/.exec(line);
    if (frame === null) continue;
    const [, name, file, number] = frame;
    const place: JournalField[] = [
      ['CODE_FILE', pathOf(file!)],
      ['CODE_LINE', number!],
    ];
    return name === undefined ? place : [...place, ['CODE_FUNC', name]];
  }
  return [];
}

function pathOf(file: string): string {
  try {
    return file.startsWith('file:') ? fileURLToPath(file) : file;
  } catch {
    return file;
  }
}

/** Null and undefined make no field: an empty one would match `journalctl FIELD=`. */
function valueText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function bounded(value: string): string {
  return value.length <= MAX_VALUE_LENGTH ? value : `${value.slice(0, MAX_VALUE_LENGTH)}…`;
}

function asObject(value: unknown): LogRecord | null {
  return typeof value === 'object' && value !== null ? (value as LogRecord) : null;
}
