/**
 * Checks what one worker says to another over a link: the other may be of another version, and what is wrong about a
 * message must become neither an exception of the app nor memory that nobody asked for.
 */
import { type FromReceiver, type FromSender, MAX_SAVED_BYTES, type Moving } from './peer-messages.js';

type Fields = Record<string, unknown>;

const isText = (value: unknown): boolean => typeof value === 'string';
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isAbsentOr = (check: (value: unknown) => boolean, value: unknown) => value === undefined || check(value);

const CHECKS: Record<(FromSender | FromReceiver)['type'], (message: Fields) => boolean> = {
  // Its connections are looked at one by one: the sender keeps those that are not understood.
  offer: (m) => isCount(m.id) && Array.isArray(m.connections),
  yours: (m) => isCount(m.id),
  withdraw: (m) => isCount(m.id),
  accept: (m) => isCount(m.id) && Array.isArray(m.taken) && m.taken.every(isCount),
};

/** The message; 'unknown' where a newer peer says more than this one knows; null where it cannot be followed. */
export function decodeFromPeer(value: object): FromSender | FromReceiver | 'unknown' | null {
  const { type } = value as Fields;
  if (typeof type !== 'string') return null;
  if (!Object.hasOwn(CHECKS, type)) return 'unknown';
  const check = CHECKS[type as keyof typeof CHECKS];
  return check(value as Fields) ? (value as FromSender | FromReceiver) : null;
}

/** Whether this is a connection as it stands in an offer. */
export function isMoving(value: unknown): value is Moving {
  if (typeof value !== 'object' || value === null) return false;
  const { listener, kind, unread, state, memfd } = value as Fields;
  return (
    isText(listener) &&
    isText(kind) &&
    isAbsentOr(isText, unread) &&
    isAbsentOr(isText, state) &&
    isAbsentOr(isMemfd, memfd)
  );
}

function isMemfd(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { index, unreadBytes, stateBytes } = value as Fields;
  return isCount(index) && isCount(unreadBytes) && isCount(stateBytes) && unreadBytes + stateBytes <= MAX_SAVED_BYTES;
}
