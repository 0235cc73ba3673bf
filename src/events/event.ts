/** What has happened, as whoever watches a service is told: from one record of the log to one event. Pure. */
import { isAbsentOr, isCount, isNumber, isOneOf, isShape, isText } from '../shape.js';

export const EVENT_LEVELS = ['info', 'warn', 'error', 'fatal'] as const;

export interface ServiceEvent {
  /** Grows by one from event to event, over reloads and the death of a supervisor; a new start begins higher. */
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** What happened, as a word that stays the same over versions: BATOND_EVENT of the journal, which explains it (-x). */
  readonly event: string;
  readonly level: (typeof EVENT_LEVELS)[number];
  /** For people; it may be said differently in another version. */
  readonly message: string;
  readonly generation?: number;
  /** Of the worker that it is about. */
  readonly slot?: number;
  /** "main", or the name of its [[service.process]]. */
  readonly process?: string;
  readonly pid?: number;
  readonly release?: string;
  /** Of a reload, as `batond reload` shows it. */
  readonly step?: string;
  /** A code of the table of errors; of a worker that ended, its exit status. */
  readonly code?: string | number;
  /** By which a worker ended. */
  readonly signal?: string;
  /** How well a worker, or the service, is, and was before. */
  readonly health?: string;
  readonly before?: string;
  /** Of an audit: what was done, and how it went. Of healing: what becomes of the worker. */
  readonly action?: string;
  readonly outcome?: string;
  readonly durationMs?: number;
  /** What else the entry of the journal says, which may change from version to version. */
  readonly more?: Readonly<Record<string, unknown>>;
}

const isScalar = (value: unknown) => isText(value) || isNumber(value);

/** Of what is known by name the type; all else is more. */
const KNOWN = {
  generation: isCount,
  slot: isCount,
  process: isText,
  pid: isCount,
  release: isText,
  step: isText,
  code: isScalar,
  signal: isText,
  health: isText,
  before: isText,
  action: isText,
  outcome: isText,
  durationMs: isNumber,
} as const;

type KnownField = keyof typeof KNOWN;

/** Somebody else's words can be in a record; no event is much larger than this, and the file of them is bounded. */
const MAX_TEXT = 1_000;
const MAX_MORE_BYTES = 4_000;

/** pino's number of a level. */
const LEAST: readonly (readonly [number, ServiceEvent['level']])[] = [
  [60, 'fatal'],
  [50, 'error'],
  [40, 'warn'],
];

/** Below it nothing is an event. */
export const INFO = 30;

/** Each is a line of what somebody else prints, however many those are. */
const NOT_TOLD: ReadonlySet<string> = new Set(['hook-output']);

export type EventBody = Omit<ServiceEvent, 'id' | 'at'>;

/** Null for a record that is none. */
export function eventOf(level: number, fields: Readonly<Record<string, unknown>>, message: string): EventBody | null {
  const { event, ...rest } = fields;
  if (typeof event !== 'string' || level < INFO || NOT_TOLD.has(event)) return null;
  const known: Record<string, unknown> = {};
  const more: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(rest)) {
    if (value === null || value === undefined) continue;
    if (Object.hasOwn(KNOWN, name) && KNOWN[name as KnownField](value)) known[name] = cut(value);
    else more[name === 'err' ? 'error' : name] = value instanceof Error ? cut(value.message) : cut(value);
  }
  return {
    event,
    level: LEAST.find(([least]) => level >= least)?.[1] ?? 'info',
    message: cut(message) as string,
    ...known,
    ...(isEmpty(more) || !isSmall(more) ? {} : { more }),
  };
}

/** What cannot be written down at all (a ring, a BigInt) is left out as what is too large is. */
function isSmall(value: object): boolean {
  try {
    return JSON.stringify(value).length <= MAX_MORE_BYTES;
  } catch {
    return false;
  }
}

/** Whether a line of the file, or of the stream, is one. */
export const isEvent = isShape<ServiceEvent>({
  id: isCount,
  at: isNumber,
  event: isText,
  level: isOneOf(...EVENT_LEVELS),
  message: isText,
  ...(Object.fromEntries(Object.entries(KNOWN).map(([name, is]) => [name, isAbsentOr(is)])) as {
    readonly [Name in KnownField]: (value: unknown) => boolean;
  }),
  more: isAbsentOr((value) => typeof value === 'object' && value !== null),
});

const isEmpty = (value: object) => Object.keys(value).length === 0;

const cut = (value: unknown): unknown =>
  typeof value === 'string' && value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
