/**
 * How requests ended, of HTTP/1 and HTTP/2 alike: answers of 5xx, those that broke off, and how long answers took, from
 * the head of the request to the last byte of the answer. Nothing is allocated for a request.
 */
import { bucketOf, noLatency } from '../health/latency.js';

export class Answers {
  /** Answers of 5xx. */
  errors = 0;
  /** Requests whose connection or stream closed before their answer was complete; of event streams that is no news. */
  aborted = 0;
  /** Counts by bucket, see LATENCY_BOUNDS_MS. */
  readonly latency: number[] = noLatency();

  /** `ms` is null for an answer that lasts as long as its client wants: its time says nothing of the service. */
  answered(status: number, ms: number | null): void {
    if (status >= 500) this.errors++;
    if (ms === null) return;
    const bucket = bucketOf(ms);
    this.latency[bucket] = (this.latency[bucket] as number) + 1;
  }
}

/** From here on an answer is looked at again before its time is counted: it may have been meant to last. */
export const LONG_MS = 1_000;

/** Server-sent events: the client decides when they end. */
export const EVENT_STREAM = 'text/event-stream';
