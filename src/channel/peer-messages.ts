/**
 * The messages between two workers, over a link that the supervisor introduced: open connections change hands.
 *
 *   sender                                                   receiver
 *     |  stops reading, keeps a duplicate of each descriptor
 *     |  --- offer {id, connections} + descriptors ----------->   holds them, reads nothing yet
 *     |  <-- accept {id, taken} -------------------------------   the others it has closed
 *     |  --- yours {id} -------------------------------------->   reads and answers from here on
 *     |  closes its duplicates
 *
 * One owner at every instant. Until `yours` that is the sender: if the receiver dies, refuses, or stays silent past the
 * deadline (then the sender says `withdraw`), the sender goes on serving from its duplicates. If the sender dies before
 * `yours`, the receiver sees the link end without `withdraw` and becomes the owner of what it holds. A link whose
 * sender cannot be understood is closed by the receiver, which then owns nothing of it.
 */

export const PEER_VERSION = 1;

/** How long a receiver may take to accept before the sender serves on itself. */
export const ACCEPT_TIMEOUT_MS = 2_000;

/** One connection on its way. */
export interface Moving {
  /** The listener that it was accepted on: the receiver gives it to its own server of that name. */
  readonly listener: string;
  /** 'http': idle between two requests; 'http-unused': has asked for nothing yet. Any other: what the app or a library registered under that name. */
  readonly kind: string;
  /** Base64 of what was read from the connection and not used; absent where there is nothing. */
  readonly unread?: string;
  /** Base64 of the structured clone (v8.serialize) of what the kind saved; absent where there is nothing. */
  readonly state?: string;
  /** Where the two would not fit into a packet: they are in a sealed memfd, one after the other, in place of the above. */
  readonly memfd?: {
    /** Which of the offer's descriptors it is. */
    readonly index: number;
    readonly unreadBytes: number;
    readonly stateBytes: number;
  };
}

/** What one connection may bring with it, in bytes. */
export const MAX_SAVED_BYTES = 16 * 1024 * 1024;

export type FromSender =
  /** With a descriptor for each connection, in their order, and after them the memfds; at most 253. */
  | { readonly type: 'offer'; readonly id: number; readonly connections: readonly Moving[] }
  | { readonly type: 'yours'; readonly id: number }
  | { readonly type: 'withdraw'; readonly id: number };

export type FromReceiver = {
  readonly type: 'accept';
  readonly id: number;
  /** The indexes of the connections that it holds. */
  readonly taken: readonly number[];
};
