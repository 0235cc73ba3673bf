/**
 * Connections into one offer and out of it: descriptors in the order of the connections, what a connection brings with
 * it in the packet itself, or in a sealed memfd beside it where it is larger than a packet could carry.
 */
import { readSync, writeSync } from 'node:fs';
import { MAX_PACKET_BYTES } from '../channel/messages.js';
import { MAX_FDS_PER_PACKET } from '../channel/packet-socket.js';
import { MAX_SAVED_BYTES, type Moving } from '../channel/peer-messages.js';
import { type Fd, native } from '../native.js';

/**
 * Fewer than a packet could carry: to make a socket of one takes the receiver's loop about 50 us, and who is served
 * there meanwhile waits that long.
 */
const MAX_CONNECTIONS = 64;

/** What the object around the connections takes. */
const FRAME_BYTES = 1_024;
/** Beyond it, what a connection brings goes into a memfd, so that a packet still carries many connections. */
const MAX_INLINE_BYTES = 4 * 1_024;

/** What a kind of connection saved, for the same kind to restore. */
export interface Saved {
  readonly state?: Buffer | undefined;
  readonly unread?: Buffer | undefined;
}

export class OfferPacket {
  readonly #connections: Moving[] = [];
  readonly #fds: Fd[] = [];
  readonly #memfds: Fd[] = [];
  #bytes = FRAME_BYTES;
  #length = 0;

  /** Whether one more fits that brings nothing, or something of this size, with it. */
  hasRoom(listener: string, savedBytes = 0): boolean {
    const inline = savedBytes > MAX_INLINE_BYTES ? 0 : savedBytes * 2;
    const bytes = this.#bytes + JSON.stringify(listener).length + inline + FRAME_BYTES / 4;
    const descriptors = this.#length + (savedBytes > MAX_INLINE_BYTES ? 2 : 1);
    return this.#connections.length < MAX_CONNECTIONS && bytes <= MAX_PACKET_BYTES && descriptors <= MAX_FDS_PER_PACKET;
  }

  /** Lends the descriptor; the caller has asked for room. */
  add(listener: string, kind: string, fd: Fd, saved: Saved = {}): void {
    const { state = null, unread = null } = saved;
    const size = (state?.length ?? 0) + (unread?.length ?? 0);
    let moving: Moving = { listener, kind };
    if (size > MAX_INLINE_BYTES) {
      moving = { ...moving, memfd: { index: -1, unreadBytes: unread?.length ?? 0, stateBytes: state?.length ?? 0 } };
      this.#memfds.push(sealed([unread, state]));
    } else {
      if (unread !== null) moving = { ...moving, unread: unread.toString('base64') };
      if (state !== null) moving = { ...moving, state: state.toString('base64') };
    }
    this.#connections.push(moving);
    this.#fds.push(fd);
    this.#bytes += JSON.stringify(moving).length + 8;
    this.#length += size > MAX_INLINE_BYTES ? 2 : 1;
  }

  /** What is sent; the memfds live until `close`. */
  finish(): { readonly connections: readonly Moving[]; readonly fds: readonly Fd[] } {
    let index = this.#fds.length;
    const connections = this.#connections.map((moving) =>
      moving.memfd === undefined ? moving : { ...moving, memfd: { ...moving.memfd, index: index++ } },
    );
    return { connections, fds: [...this.#fds, ...this.#memfds] };
  }

  close(): void {
    for (const fd of this.#memfds.splice(0)) native().close(fd);
  }
}

function sealed(parts: readonly (Buffer | null)[]): Fd {
  const fd = native().memfdCreate('batond-move');
  try {
    for (const part of parts) {
      for (let at = 0; part !== null && at < part.length; ) at += writeSync(fd, part, at);
    }
    native().memfdSeal(fd);
    return fd;
  } catch (error) {
    native().close(fd);
    throw error;
  }
}

/** What the connection brought; throws where it is not as the sender says. `fds` are those of the whole offer. */
export function savedOf({ state, unread, memfd }: Moving, fds: readonly Fd[]): Saved {
  if (memfd === undefined) {
    return {
      state: state === undefined ? undefined : Buffer.from(state, 'base64'),
      unread: unread === undefined ? undefined : Buffer.from(unread, 'base64'),
    };
  }
  const { index, unreadBytes, stateBytes } = memfd;
  const fd = fds[index];
  const size = unreadBytes + stateBytes;
  if (fd === undefined || !(unreadBytes >= 0 && stateBytes >= 0 && size <= MAX_SAVED_BYTES)) {
    throw new RangeError(`an offer with ${size} bytes in descriptor ${index}`);
  }
  const data = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const read = readSync(fd, data, at, size - at, at);
    if (read === 0) throw new RangeError(`an offer with ${at} bytes instead of ${size}`);
    at += read;
  }
  return { unread: data.subarray(0, unreadBytes), state: data.subarray(unreadBytes) };
}
