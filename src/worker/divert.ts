/**
 * Hands some of the new connections to workers of the candidate, before the app has seen anything of them.
 *
 * Where the first request decides, its head is peeked at (MSG_PEEK): whoever gets the connection reads it from its
 * first byte. What is not clear in time (no head, no HTTP, too large, nobody who takes it) is the app's own, as if
 * nothing had been, after HEAD_TIMEOUT_MS and ACCEPT_TIMEOUT_MS at the latest. A connection goes by the offers of
 * ../channel/peer-messages.ts, so it has one owner at every instant.
 */
import { type Diversion, isInShare } from '../channel/diversion.js';
import { ACCEPT_TIMEOUT_MS, type FromReceiver } from '../channel/peer-messages.js';
import { type Fd, native, type Watcher } from '../native.js';
import type { GatedServer } from './gated-server.js';
import type { ClientHandle } from './internals.js';
import { FRESH } from './kinds.js';
import type { Link, Links } from './links.js';
import { cookieOf, type Headers, MAX_HEAD_BYTES, readHead } from './request-head.js';

/** How long a connection may take to say what it wants before it is the app's own. */
export const HEAD_TIMEOUT_MS = 1_000;

/** Each costs a descriptor and a timer; what comes beyond goes to the app at once. */
const MAX_HELD = 1_000;

interface Held {
  readonly client: ClientHandle;
  readonly gate: GatedServer;
  deadline: NodeJS.Timeout | null;
  /** While its head is waited for: a descriptor of its own, and what watches it. */
  peek: { readonly fd: Fd; readonly watcher: Watcher } | null;
  /** While it is offered. */
  offer: { readonly link: Link; readonly id: number } | null;
}

export class Divert {
  readonly #links: Links;
  readonly #held = new Set<Held>();
  #diversion: Diversion | null = null;
  #listeners: ReadonlySet<string> = new Set();
  #turn = 0;
  #lastId = 0;

  /** The links to the workers that are handed connections. */
  constructor(links: Links) {
    this.#links = links;
  }

  /** From here on these connections of these listeners go to the candidate. */
  begin(diversion: Diversion, listeners: readonly string[]): void {
    this.#diversion = diversion;
    this.#listeners = new Set(listeners);
  }

  /** All are the app's again, those that are waited for included. */
  end(): void {
    this.#diversion = null;
    for (const held of [...this.#held]) this.#keep(held);
  }

  /** False where it is the app's at once. */
  take(gate: GatedServer, client: ClientHandle): boolean {
    const diversion = this.#diversion;
    const fd = client.fd ?? -1;
    if (diversion === null || fd < 0 || this.#held.size >= MAX_HELD || !this.#listeners.has(gate.name)) return false;
    if (diversion.by !== 'chance' && !gate.speaksHttp) return false;
    if (diversion.by === 'chance' && Math.random() * 1_000 >= diversion.share) return false;
    const held: Held = { client, gate, deadline: null, peek: null, offer: null };
    this.#held.add(held);
    try {
      if (diversion.by === 'chance') this.#offer(held);
      else this.#wait(held, fd, diversion);
    } catch {
      // No descriptor, for one. It is here, so it is served here.
      this.#keep(held);
    }
    return true;
  }

  /** What a worker says to an offer. */
  accepted(link: Link, { id, taken }: FromReceiver): void {
    const held = this.#offered(link, id);
    if (held === undefined) return;
    held.offer = null;
    if (taken.length === 0 || !link.send({ type: 'yours', id })) {
      this.#keep(held);
      return;
    }
    this.#forget(held);
    held.client.close();
  }

  /** Whoever was offered something over it owns nothing. */
  closed(link: Link): void {
    for (const held of [...this.#held]) {
      if (held.offer?.link !== link) continue;
      held.offer = null;
      this.#keep(held);
    }
  }

  #wait(held: Held, fd: Fd, diversion: ByRequest): void {
    // Often the request has come with the connection.
    const first = look(fd, diversion);
    if (first.verdict !== 'more') {
      this.#decide(held, first.verdict);
      return;
    }
    const own = native().dup(fd);
    try {
      const watcher = native().watch(own, { readable: true, writable: false }, ({ hangup }) => {
        try {
          const { verdict, bytes } = look(own, diversion);
          if (verdict !== 'more') this.#decide(held, verdict);
          else if (hangup) this.#decide(held, false);
          else native().setReceiveLowWater(own, bytes + 1);
        } catch {
          // A client that resets it is the app's to hear of, and nothing of ours may be thrown into the app.
          this.#decide(held, false);
        }
      });
      held.peek = { fd: own, watcher };
    } catch (error) {
      native().close(own);
      throw error;
    }
    // As long as it is half there, the kernel wakes nobody before more has come.
    native().setReceiveLowWater(own, first.bytes + 1);
    this.#arm(held, HEAD_TIMEOUT_MS, () => this.#keep(held));
  }

  #decide(held: Held, goes: boolean): void {
    this.#endPeek(held);
    if (goes) this.#offer(held);
    else this.#keep(held);
  }

  /** To one after the other. */
  #offer(held: Held): void {
    const links = this.#links.all().filter(({ closed }) => !closed);
    const link = links[this.#turn++ % Math.max(1, links.length)];
    const id = ++this.#lastId;
    const connections = [{ listener: held.gate.name, kind: FRESH }];
    if (link === undefined || !link.send({ type: 'offer', id, connections }, [held.client.fd!])) {
      this.#keep(held);
      return;
    }
    held.offer = { link, id };
    this.#arm(held, ACCEPT_TIMEOUT_MS, () => this.#keep(held));
  }

  /** The app gets it, as it would have got it at once. */
  #keep(held: Held): void {
    if (!this.#held.has(held)) return;
    this.#forget(held);
    if (held.offer !== null) held.offer.link.send({ type: 'withdraw', id: held.offer.id });
    held.gate.accept(held.client);
  }

  #forget(held: Held): void {
    this.#held.delete(held);
    if (held.deadline !== null) clearTimeout(held.deadline);
    this.#endPeek(held);
  }

  #endPeek(held: Held): void {
    if (held.peek === null) return;
    const { fd, watcher } = held.peek;
    held.peek = null;
    watcher.close();
    try {
      native().setReceiveLowWater(fd, 1);
    } finally {
      native().close(fd);
    }
  }

  #arm(held: Held, ms: number, onTime: () => void): void {
    if (held.deadline !== null) clearTimeout(held.deadline);
    held.deadline = setTimeout(onTime, ms);
  }

  #offered(link: Link, id: number): Held | undefined {
    return [...this.#held].find(({ offer }) => offer?.link === link && offer.id === id);
  }
}

type ByRequest = Exclude<Diversion, { by: 'chance' }>;

/** Whether the connection is meant, and how much of it has come; nothing is consumed. */
function look(fd: Fd, diversion: ByRequest): { readonly verdict: boolean | 'more'; readonly bytes: number } {
  const data = native().peek(fd, MAX_HEAD_BYTES);
  // The client has ended it before it said anything.
  if (data?.length === 0) return { verdict: false, bytes: 0 };
  const head = readHead(data ?? Buffer.alloc(0));
  const verdict = head === 'more' ? head : head !== null && isMeant(head, diversion);
  return { verdict, bytes: data?.length ?? 0 };
}

function isMeant(head: Headers, { by, name, value, share }: ByRequest): boolean {
  const said = by === 'header' ? (head.get(name.toLowerCase()) ?? []) : [cookieOf(head, name)].filter(isSaid);
  if (value !== null) return said.includes(value);
  return said[0] !== undefined && isInShare(said[0], share);
}

const isSaid = (value: string | null): value is string => value !== null;
