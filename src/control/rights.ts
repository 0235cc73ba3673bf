/**
 * Who may do what over the control socket. Reading (status, reports) and acting (reload, stop) are separate rights; who
 * may act may read. root and the service's own user always may both. The kernel says who a peer is (SO_PEERCRED and
 * SO_PEERGROUPS: as it was when it connected), so nothing here depends on what anybody claims.
 *
 * The mode of the socket's file only decides who can connect at all; it never gives a right.
 */
import type { Account } from '../config/account.js';
import type { Config } from '../config/config.js';
import type { Peer } from './peer.js';

export type Right = 'read' | 'act';

/** `owner`: root or the service's user. `stranger`: has no right at all. */
export type Standing = 'owner' | 'listed' | 'stranger';

export interface SocketAccess {
  readonly mode: number;
  /** The group of the socket's file; null leaves it as it is. */
  readonly gid: number | null;
}

export class Rights {
  #act: readonly Account[] = [];
  #listed: readonly Account[] = [];
  readonly #ownUid: number;

  constructor(control: Config['control'], ownUid: number) {
    this.#ownUid = ownUid;
    this.use(control);
  }

  /** From here on these lists hold. */
  use({ read, act }: Config['control']): void {
    this.#act = act;
    this.#listed = [...read, ...act];
  }

  may(peer: Peer, right: Right): boolean {
    return this.#isOwner(peer) || (right === 'act' ? this.#act : this.#listed).some((account) => isOf(peer, account));
  }

  standing(peer: Peer): Standing {
    if (this.#isOwner(peer)) return 'owner';
    return this.may(peer, 'read') ? 'listed' : 'stranger';
  }

  /**
   * What the file has to be so that all who are listed can connect. One group fits into a mode; several of them, or
   * users, do not: then everybody may connect, and who is not listed is refused with a reason.
   */
  get access(): SocketAccess {
    const others = this.#listed.filter(({ kind, id }) => kind === 'group' || (id !== 0 && id !== this.#ownUid));
    if (others.length === 0) return { mode: 0o600, gid: null };
    const groups = new Set(others.map(({ id }) => id));
    return others.every(({ kind }) => kind === 'group') && groups.size === 1
      ? { mode: 0o660, gid: others[0]!.id }
      : { mode: 0o666, gid: null };
  }

  #isOwner({ uid }: Peer): boolean {
    return uid === 0 || uid === this.#ownUid;
  }
}

function isOf(peer: Peer, { kind, id }: Account): boolean {
  return kind === 'user' ? peer.uid === id : peer.gid === id || peer.groups.includes(id);
}
