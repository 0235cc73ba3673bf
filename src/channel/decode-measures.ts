/** Checks what a worker counts, and completes what an older preload says. */
import { LATENCY_BUCKETS, noLatency } from '../health/latency.js';
import { type Check, isAbsentOr, isCount, isNullOr, isNumber, isShape } from '../shape.js';
import type { CollectionKind, FromWorker, LoopDelaySeen, MeasuredDetail, Measures } from './messages.js';

/** Counts of other buckets would be read as what they are not. */
const isCounts: Check = (value) =>
  Array.isArray(value) && value.length === LATENCY_BUCKETS && value.every((count) => isCount(count));

const isDelay = isShape<LoopDelaySeen>({ count: isCount, sumMs: isNumber, maxMs: isNumber, over: isCounts });

const isCollections = isShape<MeasuredDetail['collections'][CollectionKind]>({ count: isCount, ms: isNumber });
const isDetail = isShape<MeasuredDetail>({
  userMs: isNumber,
  systemMs: isNumber,
  heapTotalBytes: isNumber,
  heapLimitBytes: isNumber,
  externalBytes: isNumber,
  collections: isShape<MeasuredDetail['collections']>({
    minor: isCollections,
    major: isCollections,
    incremental: isCollections,
    weakcb: isCollections,
  }),
});

export const isMeasures = isShape<Measures>({
  requests: isCount,
  inFlight: isCount,
  connections: isCount,
  accepted: isAbsentOr(isCount),
  rssBytes: isNumber,
  heapUsedBytes: isNumber,
  utilization: isNumber,
  errors: isAbsentOr(isCount),
  aborted: isAbsentOr(isCount),
  latency: isAbsentOr(isCounts),
  loop: isAbsentOr(isShape<Measures['loop']>({ activeMs: isNumber, idleMs: isNumber })),
  delay: isAbsentOr(isNullOr(isDelay)),
  detail: isAbsentOr(isNullOr(isDetail)),
});

type Message = Extract<FromWorker, { type: 'measures' }>;

/** What an older preload does not say. */
const ABSENT: Pick<Measures, 'accepted' | 'errors' | 'aborted' | 'latency' | 'loop' | 'delay' | 'detail'> = {
  accepted: 0,
  errors: 0,
  aborted: 0,
  latency: noLatency(),
  loop: { activeMs: 0, idleMs: 0 },
  delay: null,
  detail: null,
};

export function withDefaults(message: Message): Message {
  return { ...ABSENT, ...message };
}
