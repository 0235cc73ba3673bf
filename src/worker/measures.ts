/** What the supervisor asks for about once a second: counters that are kept anyway, and the process's own figures. */
import type { MeasuredDetail, Measures } from '../channel/messages.js';
import type { Answers } from './answers.js';
import type { Connections } from './connections.js';
import type { Http2Sessions } from './http2-sessions.js';
import type { LoopDelay } from './loop-delay.js';

let last: ReturnType<typeof performance.eventLoopUtilization> | undefined;

export interface Counted {
  readonly connections: Connections;
  readonly sessions: Http2Sessions;
  readonly answers: Answers;
  readonly delay: LoopDelay;
}

export function measure({ connections, sessions, answers, delay }: Counted, detail: MeasuredDetail | null): Measures {
  const now = performance.eventLoopUtilization();
  const { utilization } = last === undefined ? now : performance.eventLoopUtilization(now, last);
  last = now;
  const { rss, heapUsed } = process.memoryUsage();
  return {
    requests: connections.requests + sessions.requests,
    inFlight: connections.inFlight + sessions.inFlight,
    connections: connections.accepted,
    accepted: connections.everAccepted,
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    utilization,
    errors: answers.errors,
    aborted: answers.aborted,
    latency: answers.latency,
    loop: { activeMs: now.active, idleMs: now.idle },
    delay: delay.seen,
    detail,
  };
}
