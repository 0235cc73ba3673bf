/**
 * The messages of a takeover. Each is one packet on the socketpair that only the two supervisors hold.
 *
 * The version is that of this protocol, not of batond: a supervisor that does not speak it refuses with a message that
 * says both numbers, and the old one keeps serving.
 */

export const TAKEOVER_VERSION = 1;

/** How the successor learns that it is one: the number of its end of the channel. */
export const TAKEOVER_ENVIRONMENT = 'BATOND_TAKEOVER';

/** Set for the successor of a rollback: it may find no release of its own, since it is to run another. */
export const ROLLBACK_ENVIRONMENT = 'BATOND_ROLLBACK';

/** Below the kernel's 253 (unix(7)), so that a batch always fits. */
export const FDS_PER_BATCH = 200;

/** The largest snapshot that a successor reads, in bytes. */
export const MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024;

export type FromSuccessor =
  | { readonly type: 'hello'; readonly version: number; readonly batond: string }
  /** It will not take over, for a reason that a person understands. */
  | { readonly type: 'refused'; readonly code: string; readonly message: string }
  | { readonly type: 'ack' }
  | { readonly type: 'took'; readonly fds: number };

export type FromPredecessor =
  /** With one descriptor: a sealed memfd with the snapshot as JSON. */
  | { readonly type: 'inventory'; readonly version: number; readonly bytes: number; readonly fds: number }
  /** With as many descriptors as names. */
  | { readonly type: 'fds'; readonly names: readonly string[] }
  | { readonly type: 'yours' };

type Fields = Record<string, unknown>;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

export function decodeFromSuccessor(value: unknown): FromSuccessor | null {
  if (typeof value !== 'object' || value === null) return null;
  const m = value as Fields;
  switch (m.type) {
    case 'hello':
      return isCount(m.version) && typeof m.batond === 'string' ? (m as FromSuccessor) : null;
    case 'refused':
      return typeof m.code === 'string' && typeof m.message === 'string' ? (m as FromSuccessor) : null;
    case 'ack':
      return { type: 'ack' };
    case 'took':
      return isCount(m.fds) ? (m as FromSuccessor) : null;
    default:
      return null;
  }
}

export function decodeFromPredecessor(value: unknown): FromPredecessor | null {
  if (typeof value !== 'object' || value === null) return null;
  const m = value as Fields;
  switch (m.type) {
    case 'inventory':
      return isCount(m.version) && isCount(m.bytes) && m.bytes <= MAX_SNAPSHOT_BYTES && isCount(m.fds)
        ? (m as FromPredecessor)
        : null;
    case 'fds':
      return Array.isArray(m.names) && m.names.every((name) => typeof name === 'string')
        ? (m as FromPredecessor)
        : null;
    case 'yours':
      return { type: 'yours' };
    default:
      return null;
  }
}
