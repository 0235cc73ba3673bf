/**
 * Checks what a worker reads from its channel. The supervisor may be of another version than the preload, and nothing
 * in here may throw into the app: what is not understood is left alone, and its descriptors are closed.
 */
import { EVIDENCE_KINDS, type ToWorker } from './messages.js';

type Fields = Record<string, unknown>;

const isText = (value: unknown): boolean => typeof value === 'string';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isKind = (value: unknown): boolean => EVIDENCE_KINDS.some((kind) => kind === value);
const isTexts = (value: unknown): boolean => value === null || (Array.isArray(value) && value.every(isText));
const isAccepts = (value: unknown): boolean => value === 'all' || value === 'main' || value === 'canary';

const isFlagOrAbsent = (value: unknown): boolean => value === undefined || typeof value === 'boolean';
const isNames = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isShare = (value: unknown): boolean => isCount(value) && (value as number) <= 1_000;

function isDiversion(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { by, name, value: said, share } = value as Fields;
  if (!isShare(share)) return false;
  return by === 'chance' || ((by === 'header' || by === 'cookie') && isText(name) && (said === null || isText(said)));
}

interface Row {
  readonly check: (message: Fields) => boolean;
  /** How many descriptors belong to it. */
  readonly fds: 0 | 1;
}

const ROWS: Record<ToWorker['type'], Row> = {
  listener: { check: (m) => isCount(m.id) && isText(m.name), fds: 1 },
  refused: { check: (m) => isCount(m.id) && isText(m.code), fds: 0 },
  ping: { check: (m) => isCount(m.id), fds: 0 },
  open: { check: (m) => isCount(m.id) && (m.on === undefined || isAccepts(m.on)), fds: 0 },
  canary: { check: (m) => isText(m.name), fds: 1 },
  pause: { check: (m) => isCount(m.id), fds: 0 },
  drain: {
    check: (m) =>
      isCount(m.id) && (m.idle === 'move' || m.idle === 'wait' || m.idle === 'close') && Number.isFinite(m.timeoutMs),
    fds: 0,
  },
  link: { check: (m) => isText(m.peer), fds: 1 },
  divert: { check: (m) => isDiversion(m.diversion) && isNames(m.listeners), fds: 0 },
  measure: { check: (m) => isCount(m.id) && isFlagOrAbsent(m.delay) && isFlagOrAbsent(m.scraped), fds: 0 },
  check: { check: (m) => isCount(m.id) && Number.isFinite(m.timeoutMs) && isTexts(m.names), fds: 0 },
  resources: { check: (m) => isCount(m.id), fds: 0 },
  examine: {
    check: (m) =>
      isCount(m.id) && isKind(m.what) && isText(m.path) && isCount(m.maxBytes) && Number.isFinite(m.durationMs),
    fds: 0,
  },
  enough: { check: (m) => isCount(m.id), fds: 0 },
  attend: { check: (m) => isCount(m.id), fds: 0 },
  save: { check: (m) => isCount(m.to) && isCount(m.maxBytes), fds: 0 },
  restore: { check: (m) => isCount(m.from) && isCount(m.generation) && isCount(m.slots), fds: 1 },
  tickets: { check: (m) => isText(m.secret), fds: 0 },
  inject: { check: (m) => isCount(m.id), fds: 1 },
};

/** The message, or null where it is none that this side knows, or came with fewer descriptors than belong to it. */
export function decodeToWorker(value: unknown, fds: number): ToWorker | null {
  const message = value as Fields | null;
  const type = message?.type;
  if (typeof type !== 'string' || !Object.hasOwn(ROWS, type)) return null;
  const row = ROWS[type as ToWorker['type']];
  return fds >= row.fds && row.check(message as Fields) ? (message as ToWorker) : null;
}

/** How many descriptors belong to the message. */
export function descriptorsOf(message: ToWorker): 0 | 1 {
  return ROWS[message.type].fds;
}
