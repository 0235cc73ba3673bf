/** The reload that is under way, or was last, from the events of a service. Pure. */
import type { ServiceEvent } from '../events/event.js';

export interface Timeline {
  /** A return to the last good release begins as a start does. */
  readonly kind: 'reload' | 'start';
  /** Milliseconds since the epoch, as all here. */
  readonly startedAt: number;
  readonly steps: readonly { readonly step: string; readonly at: number; readonly message: string }[];
  /** Null while it is under way. */
  readonly end: { readonly at: number; readonly ok: boolean; readonly message: string } | null;
}

/** The timeline after an event; null while there was none. */
export function after(timeline: Timeline | null, { event, at, step, level, message }: ServiceEvent): Timeline | null {
  if (event === 'reload')
    return { kind: 'reload', startedAt: at, steps: [{ step: 'takeover', at, message }], end: null };
  if (event === 'step' && step !== undefined) {
    // A start begins with its first step.
    const begun: Timeline = { kind: 'start', startedAt: at, steps: [], end: null };
    const under = timeline === null || timeline.end !== null ? begun : timeline;
    return { ...under, steps: [...under.steps, { step, at, message }] };
  }
  const ends = event === 'verdict' || event === 'ready' || event === 'start-failed';
  if (!ends || timeline === null || timeline.end !== null) return timeline;
  return { ...timeline, end: { at, ok: level === 'info', message } };
}

/** Each step with how long it took, or takes already; one that comes twice in a row is one. */
export function spans({ steps, end }: Timeline, nowAt: number): { readonly step: string; readonly ms: number }[] {
  return steps
    .filter(({ step }, i) => steps[i - 1]?.step !== step)
    .map(({ step, at }, i, all) => ({ step, ms: Math.max(0, (all[i + 1]?.at ?? end?.at ?? nowAt) - at) }));
}
