/**
 * A reload as a trace: what its report has measured, as spans. Pure.
 *
 * The reload and its phases are sent at the verdict, the drains when they are over, which may be long after and by another
 * supervisor. So the ids of the reload are not kept but made of what it is known by.
 */
import { createHash } from 'node:crypto';
import type { DrainReport, Report } from '../inventory/report.js';
import { parseTraceParent, type TraceParent } from './trace-context.js';

export type AttributeValue = string | number | boolean;

export interface SpanPlan {
  readonly name: string;
  /** Milliseconds since the epoch, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** Why it has failed; null where it has not. */
  readonly error: string | null;
}

export interface TracePlan {
  readonly service: string;
  /** Of the machine. */
  readonly host: string;
  /** Of the reload. */
  readonly traceId: string;
  readonly spanId: string;
  /** What asked for it. */
  readonly parent: TraceParent | null;
  /** The reload itself; null where only drains are sent. */
  readonly reload: SpanPlan | null;
  readonly parts: readonly SpanPlan[];
}

export interface Place {
  readonly service: string;
  readonly host: string;
}

/** The reload and its phases. Null where whoever asked for it records nothing. */
export function traceOfReload(report: Report, place: Place): TracePlan | null {
  return plan(report, place, reloadSpan(report), phaseSpans(report));
}

/** What came after the verdict, or went on beyond it. Null where there is nothing to send. */
export function traceOfDrains(report: Report, place: Place): TracePlan | null {
  const drains = report.drains.flatMap((drain) => drainSpan(report, drain));
  return drains.length === 0 ? null : plan(report, place, null, drains);
}

function plan(
  report: Report,
  { service, host }: Place,
  reload: SpanPlan | null,
  parts: readonly SpanPlan[],
): TracePlan | null {
  const parent = parseTraceParent(report.traceparent);
  if (parent !== null && (parent.flags & 1) === 0) return null;
  const id = createHash('sha256').update([service, host, report.number, report.startedAt].join('\n')).digest('hex');
  return {
    service,
    host,
    traceId: parent?.traceId ?? id.slice(0, 32),
    spanId: id.slice(32, 48),
    parent,
    reload,
    parts,
  };
}

function reloadSpan(report: Report): SpanPlan {
  const { kind, number, from, to, release, startedAt, durationMs, verdict } = report;
  return {
    name: kind,
    startMs: startedAt,
    endMs: startedAt + (durationMs ?? 0),
    attributes: known({
      'batond.reload.number': number,
      'batond.reload.kind': kind,
      'batond.generation.from': from,
      'batond.generation.to': to,
      'batond.release': release,
      'batond.verdict.code': verdict?.code ?? (verdict === null ? null : 'ok'),
      'batond.peak.rss_bytes': report.peak.rssBytes,
    }),
    error: verdict === null || verdict.ok ? null : verdict.message,
  };
}

/** One after the other, as they were measured. What failed is the one that a rollback follows, or the last. */
function phaseSpans(report: Report): SpanPlan[] {
  const { phases, verdict, startedAt } = report;
  const rollback = phases.findIndex(({ phase }) => phase === 'rollback');
  const failed = verdict === null || verdict.ok ? -1 : (rollback < 0 ? phases.length : rollback) - 1;
  let atMs = startedAt;
  return phases.map(({ phase, ms }, index) => {
    const startMs = atMs;
    atMs += ms;
    return {
      name: phase,
      startMs,
      endMs: atMs,
      attributes: known(
        index === failed
          ? { 'batond.verdict.code': verdict?.code ?? null, ...factsOf(report, phase) }
          : factsOf(report, phase),
      ),
      error: index === failed ? (verdict?.message ?? null) : null,
    };
  });
}

/** What the report has to say of one phase. */
function factsOf({ state, canary, soak }: Report, phase: string): Readonly<Record<string, AttributeValue | null>> {
  if (phase === 'state' && state !== undefined) {
    return {
      'batond.state.bytes': state.bytes,
      'batond.state.workers': state.workers,
      'batond.state.lost': state.lost,
    };
  }
  if (phase === 'canary' && canary !== undefined) {
    const connections = canary.reduce((all, { candidate }) => all + candidate.connections, 0);
    return { 'batond.canary.steps': canary.length, 'batond.canary.connections': connections };
  }
  if (phase === 'soak' && soak !== undefined) {
    const { requests, failed, p99Ms } = soak.candidate;
    return { 'batond.soak.requests': requests, 'batond.soak.failed': failed, 'batond.soak.p99_ms': p99Ms };
  }
  return {};
}

/** Of one that an older batond has begun nobody knows when. */
function drainSpan({ startedAt }: Report, drain: DrainReport): SpanPlan[] {
  const { generation, atMs, ms, moved, finished, told, cut, workers } = drain;
  if (atMs === undefined || ms === null) return [];
  const cuts = cut.idle + cut.drainTimeout + cut.noOldAfter;
  return [
    {
      name: 'drain',
      startMs: startedAt + atMs,
      endMs: startedAt + atMs + ms,
      attributes: {
        'batond.generation': generation,
        'batond.connections.moved': moved,
        'batond.connections.finished': finished,
        'batond.connections.told': told,
        'batond.connections.cut': cuts,
        'batond.workers.timed_out': workers.timedOut,
        'batond.workers.killed': workers.killed,
      },
      error: null,
    },
  ];
}

function known(attributes: Readonly<Record<string, AttributeValue | null>>): Record<string, AttributeValue> {
  return Object.fromEntries(
    Object.entries(attributes).filter((pair): pair is [string, AttributeValue] => pair[1] !== null),
  );
}
