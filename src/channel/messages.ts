/**
 * The messages between the supervisor and a worker's preload.
 *
 * The channel is one AF_UNIX SOCK_SEQPACKET pair a worker: a packet is one JSON object with the descriptors that belong
 * to it, so there is no framing and no half message. If the supervisor's end closes without `leave`, the worker drains
 * and ends by itself; if the worker's end closes, the supervisor waits for its exit by pidfd.
 *
 *   supervisor                                   worker
 *      |  --- tickets {secret} --------------------> |
 *      |  <-- hello {version} ---------------------- |   preload runs
 *      |  <-- listen {id, address} ----------------- |   the app called listen(): it waits, blocking
 *      |  --- listener {id, name} + fd ------------> |   or refused {id, code}: Node then fails by itself
 *      |  <-- listening {name} --------------------- |   gated: the app believes, nothing is accepted
 *      |  <-- ready {by} --------------------------- |
 *      |  --- ping {id} ---------------------------> |   <-- pong {id}
 *      |  <-- state {saves, restores} -------------- |   the app has registered that
 *      |  --- save {to} ---------------------------> |   <-- saved {to} + memfd      or unsaved
 *      |  --- restore {from} + memfd --------------> |   <-- restored {from}         or unrestored
 *      |  --- canary {name} + fd ------------------> |   the second socket of a listener that it has
 *      |  --- open {id, on} -----------------------> |   <-- opened {id, on} accepts from here, on those sockets alone
 *      |  --- pause {id} --------------------------> |   <-- paused {id}     accepts no more; `open` resumes
 *      |  --- link {peer} + fd --------------------> |   a direct channel to a worker of the other generation
 *      |  --- drain {id, idle, timeoutMs} ---------> |   <-- drained {id}    nothing in flight, no connection left
 *      |  --- divert {diversion, listeners} -------> |   hands new connections to those that a `link` says take them
 *      |  --- measure {id, delay?, scraped?} ------> |   <-- measures {id, ...}; with id 0 unasked, as its last words
 *      |  <-- checks {names} ---------------------- |   the app has registered these
 *      |  --- check {id, timeoutMs, names} --------> |   <-- checked {id, results}
 *      |  --- resources {id} ----------------------> |   <-- holdings {id, ...}
 *      |  --- examine {id, what, path} -------------> |   <-- examined {id, bytes}     or a reason: a file is there
 *      |  --- attend {id} -------------------------> |   <-- standing {id, ...}   from a supervisor that came after one
 *      |                                             |       that died; a `listen` that waits is asked again
 *
 * What a supervisor that died had read and not acted on is lost, and what it had said may be said again: `open`, `pause`
 * and `drain` can come any number of times, and each is answered.
 */
import type { CheckResult } from './checks.js';

import type { Diversion } from './diversion.js';

export const CHANNEL_VERSION = 1;

/** The id of `measures` that answer nothing: nobody asks with it. */
export const LAST_WORDS = 0;

/** The largest packet either side sends or takes, in bytes. */
export const MAX_PACKET_BYTES = 64 * 1024;

/** What an app asked to listen on, as far as it decides which socket that is. */
export type ListenAddress =
  | {
      readonly kind: 'tcp';
      /** An IP address: Node has resolved what the app wrote. `null` is Node's default, `::` or else `0.0.0.0`. */
      readonly host: string | null;
      readonly port: number;
      readonly ipv6Only: boolean;
      readonly reusePort: boolean;
      /** Tells apart several sockets of one address in one worker: the n-th `listen(0)`, the n-th with reusePort. */
      readonly ordinal: number;
    }
  | {
      readonly kind: 'unix';
      /** Absolute, or abstract with a leading NUL. */
      readonly path: string;
    }
  | {
      readonly kind: 'udp';
      /** An IP address. */
      readonly host: string;
      /** Never 0. */
      readonly port: number;
      readonly ipv6Only: boolean;
      /** SO_REUSEADDR: other sockets that say so too may have the same address. */
      readonly reuseAddress: boolean;
    };

/** When a worker counts as ready: see `ready` in batond.toml. */
export type ReadyBy = 'listen' | 'notify' | 'load';

/**
 * What a worker accepts on where listeners have second sockets: both, the first alone, or the second alone. Listeners
 * that have none are accepted on by 'all' and 'main'.
 */
export type Accepts = 'all' | 'main' | 'canary';

/**
 * How late the event loop was: samples since the start of the worker, as long as it was watched. `over` are counts by
 * bucket of LATENCY_BOUNDS_MS.
 */
export interface LoopDelaySeen {
  readonly count: number;
  readonly sumMs: number;
  readonly maxMs: number;
  readonly over: readonly number[];
}

/** The kinds of garbage collection that Node tells apart. */
export const COLLECTION_KINDS = ['minor', 'major', 'incremental', 'weakcb'] as const;
export type CollectionKind = (typeof COLLECTION_KINDS)[number];

/** What a worker says beside where somebody scrapes metrics; counts are since its start. */
export interface MeasuredDetail {
  readonly userMs: number;
  readonly systemMs: number;
  readonly heapTotalBytes: number;
  /** What V8 lets it grow to. */
  readonly heapLimitBytes: number;
  readonly externalBytes: number;
  /** Of the collections while it was scraped. */
  readonly collections: Readonly<Record<CollectionKind, { readonly count: number; readonly ms: number }>>;
}

/**
 * What a worker counts. From `errors` on all is since its start, so that any number of readers can take differences; an
 * older preload does not say it, and nothing is what it then counts.
 */
export interface Measures {
  /** Requests begun since the start of the worker. */
  readonly requests: number;
  /** Requests begun and not yet answered. */
  readonly inFlight: number;
  readonly connections: number;
  /** Connections since the start of the worker, those that came from another one included; 0 of an older preload. */
  readonly accepted: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** performance.eventLoopUtilization() since the last measure, 0 to 1. */
  readonly utilization: number;
  /** Answers of 5xx. */
  readonly errors: number;
  /** Requests whose connection closed before their answer was complete; event streams, which end so, are not among them. */
  readonly aborted: number;
  /**
   * How long answers took, from the head of the request to the last byte: counts by bucket of LATENCY_BOUNDS_MS. Upgrades,
   * CONNECT and event streams are not among them.
   */
  readonly latency: readonly number[];
  /** performance.eventLoopUtilization(). */
  readonly loop: { readonly activeMs: number; readonly idleMs: number };
  /** Null while nobody asks for it: to watch wakes an idle process. */
  readonly delay: LoopDelaySeen | null;
  /** Null where it was not scraped of late. */
  readonly detail: MeasuredDetail | null;
}

/** What keeps a worker alive and what its app says that it holds, each by its name. */
export interface Holdings {
  /** process.getActiveResourcesInfo(), without the standard streams. */
  readonly resources: Readonly<Record<string, number>>;
  /** What the app has registered with health.gauge. */
  readonly gauges: Readonly<Record<string, number>>;
  /** Of the process: of events that have many, and of SIGTERM. */
  readonly listeners: Readonly<Record<string, number>>;
}

/** What can be kept of a worker: a heap snapshot, a diagnostic report of Node, a profile of what its processor does. */
export const EVIDENCE_KINDS = ['heap', 'report', 'cpu'] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];

/** What came of one of them: the size of its file, or why there is none. */
export type Examined =
  | { readonly bytes: number; readonly reason: null }
  | { readonly bytes: null; readonly reason: string };

export type Idle = 'move' | 'wait' | 'close';

/** What became of the connections of a worker that drains, for the report of the reload. */
export interface DrainTally {
  /** Went to another worker, open. */
  readonly moved: number;
  /** Ended by the client, or with the answer that it waited for. */
  readonly finished: number;
  /** Told to go: `Connection: close`, GOAWAY. */
  readonly told: number;
  /** Closed by us while idle. */
  readonly cut: number;
}

/** What a candidate does where a state cannot be had. */
export type Otherwise = 'rollback' | 'empty';

/** What the app of a worker has registered. */
export interface StateAbility {
  readonly saves: boolean;
  /** Null: it takes no state. */
  readonly restores: Otherwise | null;
}

/** An answer to `save`, or to `restore`; `ms` is what it took in the worker. */
export type StateAnswer =
  /** With one descriptor, a sealed memfd as in worker/state-file.ts; with none and 0 bytes where there is nothing to give. */
  | { readonly type: 'saved'; readonly to: number; readonly bytes: number; readonly ms: number }
  /** `tooLargeBytes`: at least so large, which was not allowed; null where another reason kept it. */
  | { readonly type: 'unsaved'; readonly to: number; readonly tooLargeBytes: number | null; readonly reason: string }
  | { readonly type: 'restored'; readonly from: number; readonly ms: number }
  | { readonly type: 'unrestored'; readonly from: number; readonly reason: string };

/** How far a worker has come, in its own words. */
export interface Standing {
  /** It has said `ready`. */
  readonly ready: boolean;
  /** It accepts. */
  readonly open: boolean;
  /** On which sockets, where it does. An older preload knows of one alone and does not say. */
  readonly on?: Accepts;
  readonly draining: boolean;
  /** The listeners that its servers listen on. */
  readonly listening: readonly string[];
}

export type FromWorker =
  /** `canaries`: it understands `canary`; absent in what an older preload says. */
  | { readonly type: 'hello'; readonly version: number; readonly node: string; readonly canaries?: boolean }
  | { readonly type: 'listen'; readonly id: number; readonly address: ListenAddress; readonly backlog: number }
  | { readonly type: 'listening'; readonly name: string }
  /** The app closed that server. */
  | { readonly type: 'unlisten'; readonly name: string }
  | { readonly type: 'ready'; readonly by: ReadyBy }
  /** An exception that nobody caught: the reason of the exit that follows. */
  | { readonly type: 'fatal'; readonly message: string; readonly stack?: string }
  | { readonly type: 'pong'; readonly id: number }
  | { readonly type: 'opened'; readonly id: number; readonly on?: Accepts }
  | { readonly type: 'paused'; readonly id: number }
  | { readonly type: 'drained'; readonly id: number; readonly tally: DrainTally }
  | ({ readonly type: 'measures'; readonly id: number } & Measures)
  | ({ readonly type: 'standing'; readonly id: number } & Standing)
  /** Each time that the app registers something; said before `ready` where it did so before. */
  | ({ readonly type: 'state' } & StateAbility)
  | StateAnswer
  | ({ readonly type: 'holdings'; readonly id: number } & Holdings)
  | ({ readonly type: 'examined'; readonly id: number } & Examined)
  /** All that are registered, each time that the app changes them. */
  | { readonly type: 'checks'; readonly names: readonly string[] }
  /** Of those that were asked for and are there. */
  | { readonly type: 'checked'; readonly id: number; readonly results: readonly CheckResult[] };

export type ToWorker =
  /** With one descriptor: a listening socket, or a bound one of UDP. */
  | { readonly type: 'listener'; readonly id: number; readonly name: string }
  | { readonly type: 'refused'; readonly id: number; readonly code: string }
  | { readonly type: 'ping'; readonly id: number }
  /** From here on it accepts on these and on no other; absent is 'all'. */
  | { readonly type: 'open'; readonly id: number; readonly on?: Accepts }
  /** With one descriptor: the second socket of the listener of that name. It may come again. */
  | { readonly type: 'canary'; readonly name: string }
  | { readonly type: 'pause'; readonly id: number }
  /**
   * 'move': what can move goes over the links, the rest is treated as with 'wait'. 'wait': an idle connection is answered
   * once more, then closed. 'close': idle connections end now. `timeoutMs` is how long the worker has before SIGTERM:
   * closes of what cannot move are spread over it, so that clients do not all come back at once.
   */
  | { readonly type: 'drain'; readonly id: number; readonly idle: Idle; readonly timeoutMs: number }
  /** With one descriptor: a direct channel to that worker, see peer-messages.ts. Either end may send. */
  | {
      readonly type: 'link';
      readonly peer: string;
      /** The peer is one of a candidate, which takes what `divert` hands over and is not to get what drains. */
      readonly takes?: boolean;
    }
  /** Until the next `open`, `pause` or `drain`: these new connections of these listeners go to the peers that take. */
  | { readonly type: 'divert'; readonly diversion: Diversion; readonly listeners: readonly string[] }
  /**
   * With `delay` the event loop is watched, until nobody has asked so for a while. `scraped`: for metrics, by somebody who
   * comes back within minutes; then collections are counted and the loop is watched for as long.
   */
  | { readonly type: 'measure'; readonly id: number; readonly delay?: boolean; readonly scraped?: boolean }
  /** `to` is the generation that wants it: a later `save` takes the place of one that is under way. */
  | { readonly type: 'save'; readonly to: number; readonly maxBytes: number }
  /** With one descriptor: what worker `from` (its slot) of that generation saved. One after the other, in this order. */
  | { readonly type: 'restore'; readonly from: number; readonly generation: number; readonly slots: number }
  | { readonly type: 'resources'; readonly id: number }
  /** `names` is null for all. One that is not there within `timeoutMs` is down. */
  | {
      readonly type: 'check';
      readonly id: number;
      readonly timeoutMs: number;
      readonly names: readonly string[] | null;
    }
  /**
   * The file is made by the worker and must not be there yet. `durationMs` is how long a profile lasts; a heap snapshot
   * cannot be bounded while it is written.
   */
  | {
      readonly type: 'examine';
      readonly id: number;
      readonly what: EvidenceKind;
      readonly path: string;
      readonly maxBytes: number;
      readonly durationMs: number;
    }
  /** A profile that `examine` of that number asked for ends now, with what there is. */
  | { readonly type: 'enough'; readonly id: number }
  /** Another supervisor is there, and asks where it stands. */
  | { readonly type: 'attend'; readonly id: number }
  /** What TLS session tickets are made from, base64: first of all messages, and again when it is replaced. */
  | { readonly type: 'tickets'; readonly secret: string }
  /** With one descriptor: a connection for the worker's first HTTP server, as if it had been accepted. */
  | { readonly type: 'inject'; readonly id: number };

/** How the worker learns what it is: JSON in this variable, taken out of the environment before the app runs. */
export const WORKER_ENVIRONMENT = 'BATOND_WORKER';

export interface WorkerStart {
  readonly version: number;
  /** The descriptor of the channel. */
  readonly fd: number;
  readonly ready: ReadyBy;
  readonly generation: number;
  readonly slot: number;
  /** The service has no listener of another kind: a bound UDP socket makes a worker ready. */
  readonly datagramsAreEnough: boolean;
  /**
   * It is profiled from its first instruction until it is ready, which it says by `examined` with the number 0; it never
   * serves. Absent: as usual.
   */
  readonly profile?: { readonly path: string; readonly maxBytes: number };
  /** Where Node may leave a report; absent in what an older supervisor says. */
  readonly reports?: string;
}
