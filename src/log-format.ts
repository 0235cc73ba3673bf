/**
 * One log entry as a line for a person at a terminal. Machines get the NDJSON that this is made from; nothing here may
 * lose an entry, so a line that is no entry passes as it is.
 */

export interface LogFormat {
  readonly color: boolean;
}

/** The fields that are shown, in this order; the others are for machines. */
const SHOWN = ['generation', 'slot', 'pid', 'code'] as const;

const LEVELS: Readonly<Record<number, { readonly name: string; readonly color: string }>> = {
  10: { name: 'trace', color: '2' },
  20: { name: 'debug', color: '36' },
  40: { name: 'warn', color: '33' },
  50: { name: 'error', color: '31' },
  60: { name: 'fatal', color: '1;31' },
};

/** From one line of pino's NDJSON, with or without its newline, to one line without. */
export function formatLogLine(line: string, { color }: LogFormat): string {
  const parsed = parse(line);
  if (parsed === null) return line.replace(/\n$/, '');
  // A line of a worker says in `batond` whose it is.
  const entry = typeof parsed.batond === 'object' ? { ...parsed, ...parsed.batond } : parsed;
  const paint = (style: string, text: string) => (color && text !== '' ? `\x1b[${style}m${text}\x1b[0m` : text);
  const level = LEVELS[Number(entry.level)];
  const parts = [
    paint('2', formatTime(entry.time)),
    level === undefined ? '' : paint(level.color, level.name),
    formatMessage(entry),
    paint('2', formatFields(entry)),
  ];
  return parts.filter((part) => part !== '').join(' ');
}

/** Colour for a terminal that has it, unless the user said no: see no-color.org. */
export function wantsColor(isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  return isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
}

type Entry = Readonly<Record<string, unknown>>;

function parse(line: string): Entry | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Entry) : null;
  } catch {
    return null;
  }
}

/** The hour of the reader's clock; the day is that of the session. */
function formatTime(time: unknown): string {
  const date = new Date(typeof time === 'number' || typeof time === 'string' ? time : Number.NaN);
  if (Number.isNaN(date.getTime())) return '';
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => `${part}`.padStart(2, '0')).join(':');
}

/** The message, and that of the error behind it where it does not say the same already. */
function formatMessage({ msg, err }: Entry): string {
  const message = typeof msg === 'string' ? msg : '';
  const cause = (err as Entry | null | undefined)?.message;
  const both = typeof cause === 'string' && !message.includes(cause) ? [message, cause] : [message];
  return withoutControls(both.filter((text) => text !== '').join(': '));
}

function formatFields(entry: Entry): string {
  return SHOWN.filter((name) => entry[name] !== undefined && entry[name] !== null)
    .map((name) => `${name}=${withoutControls(`${entry[name]}`)}`)
    .join(' ');
}

/** A worker's words can be in a message; they must not move the reader's cursor. */
function withoutControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/\s*\n\s*/g, ' / ').replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}
