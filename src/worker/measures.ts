/** What the supervisor asks for about once a second: counters that are kept anyway, and the process's own figures. */
import type { Measures } from '../channel/messages.js';
import type { Connections } from './connections.js';
import type { Http2Sessions } from './http2-sessions.js';

let last: ReturnType<typeof performance.eventLoopUtilization> | undefined;

export function measure(connections: Connections, sessions: Http2Sessions): Measures {
  const now = performance.eventLoopUtilization();
  const { utilization } = last === undefined ? now : performance.eventLoopUtilization(now, last);
  last = now;
  const { rss, heapUsed } = process.memoryUsage();
  return {
    requests: connections.requests + sessions.requests,
    inFlight: connections.inFlight + sessions.inFlight,
    connections: connections.accepted,
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    utilization,
  };
}
