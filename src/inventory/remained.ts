/** What the workers of a generation held when its drain began, and what was left of it: sums by kind, bounded. */
import type { Holdings } from '../channel/messages.js';

/** Of each sort: a report is no inventory. */
const MAX_KINDS = 16;

export interface Remained {
  /** So many workers have said both; those that ended before or did not answer are not in it. */
  readonly workers: number;
  /** Only the kinds of which something was left. */
  readonly before: Holdings;
  readonly left: Holdings;
}

type Counts = Readonly<Record<string, number>>;

/** With one worker more. */
export function addRemained(sum: Remained | undefined, before: Holdings, left: Holdings): Remained {
  const added = {
    before: each((sort) => plus(sum?.before[sort], common(before[sort], left[sort]))),
    left: each((sort) => plus(sum?.left[sort], common(left[sort], before[sort]))),
  };
  const kept = each((sort) => largest(added.left[sort]));
  return {
    workers: (sum?.workers ?? 0) + 1,
    before: each((sort) => only(added.before[sort], kept[sort])),
    left: kept,
  };
}

const each = (of: (sort: keyof Holdings) => Counts): Holdings => ({
  resources: of('resources'),
  gauges: of('gauges'),
  listeners: of('listeners'),
});

/** Servers that accept no more are the app's to close at SIGTERM, as is its handler of that: both are always left. */
const OF_THE_END = new Set(['TCPServerWrap', 'PipeServerWrap', 'UDPWRAP', 'SIGTERM']);

/** The kinds of `counts` that both have something of. */
function common(counts: Counts, others: Counts): Counts {
  return Object.fromEntries(
    Object.entries(counts).filter(([kind, n]) => !OF_THE_END.has(kind) && n > 0 && (others[kind] ?? 0) > 0),
  );
}

function plus(sum: Counts = {}, counts: Counts): Counts {
  const names = new Set([...Object.keys(sum), ...Object.keys(counts)]);
  return Object.fromEntries([...names].map((name) => [name, (sum[name] ?? 0) + (counts[name] ?? 0)]));
}

function largest(counts: Counts): Counts {
  const sorted = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return Object.fromEntries(sorted.slice(0, MAX_KINDS));
}

const only = (counts: Counts, kept: Counts): Counts =>
  Object.fromEntries(Object.entries(counts).filter(([kind]) => kind in kept));
