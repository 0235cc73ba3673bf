/** Checks what a worker counts, and completes what an older preload says. */
import { LATENCY_BUCKETS, noLatency } from '../health/latency.js';
import { type Check, isAbsentOr, isCount, isNullOr, isNumber, isShape } from '../shape.js';
import type { FromWorker, LoopDelaySeen, Measures } from './messages.js';

/** Counts of other buckets would be read as what they are not. */
const isCounts: Check = (value) =>
  Array.isArray(value) && value.length === LATENCY_BUCKETS && value.every((count) => isCount(count));

const isDelay = isShape<LoopDelaySeen>({ count: isCount, sumMs: isNumber, maxMs: isNumber, over: isCounts });

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
});

type Message = Extract<FromWorker, { type: 'measures' }>;

/** What an older preload does not say. */
const ABSENT: Pick<Measures, 'accepted' | 'errors' | 'aborted' | 'latency' | 'loop' | 'delay'> = {
  accepted: 0,
  errors: 0,
  aborted: 0,
  latency: noLatency(),
  loop: { activeMs: 0, idleMs: 0 },
  delay: null,
};

export function withDefaults(message: Message): Message {
  return { ...ABSENT, ...message };
}
