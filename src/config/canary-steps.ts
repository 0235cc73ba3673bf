/** The steps of upgrade.canary: what is wrong between the keys of one, what it comes to, and how it is said. */
import type { CanaryStep } from './config.js';
import { formatDuration } from './duration.js';

/** One that was checked key by key. */
export interface WrittenStep {
  /** Thousandths. */
  readonly weight: number | null;
  readonly header: string | null;
  readonly cookie: string | null;
  /** Milliseconds. */
  readonly for: number;
}

/** Null where it makes sense. */
export function problemOfStep(step: WrittenStep): { readonly key: 'weight' | 'cookie'; readonly text: string } | null {
  if (step.header !== null && step.cookie !== null)
    return { key: 'cookie', text: 'header is there too: a step has one' };
  const match = matchOf(step);
  if (match === null || match.value === null) {
    if (step.weight !== null) return null;
    const what = match === null ? 'new connections' : `the values of ${formatMatch(match)}`;
    return { key: 'weight', text: `it is missing: which share of ${what}?` };
  }
  return step.weight === null
    ? null
    : {
        key: 'weight',
        text: `${formatMatch(match)} is one value, which has no shares: leave out the weight or the value`,
      };
}

export function stepOf(step: WrittenStep): CanaryStep {
  return { share: step.weight ?? 1_000, match: matchOf(step), forMs: step.for };
}

function matchOf({ header, cookie }: WrittenStep): CanaryStep['match'] {
  const [by, text, sign] = header !== null ? (['header', header, ':'] as const) : (['cookie', cookie, '='] as const);
  if (text === null) return null;
  const at = text.indexOf(sign);
  return at < 0 ? { by, name: text, value: null } : { by, name: text.slice(0, at), value: text.slice(at + 1).trim() };
}

/** "header x-canary: v2", "cookie sid". */
export function formatMatch({ by, name, value }: NonNullable<CanaryStep['match']>): string {
  if (value === null) return `${by} ${name}`;
  return by === 'header' ? `${by} ${name}: ${value}` : `${by} ${name}=${value}`;
}

/** "0.1 % of new connections for 5m". */
export function formatStep({ share, match, forMs }: CanaryStep): string {
  const which =
    match === null ? '' : match.value === null ? ` by ${formatMatch(match)}` : ` with ${formatMatch(match)}`;
  const part = match !== null && match.value !== null ? 'new connections' : `${formatShare(share)} of new connections`;
  return `${part}${which} for ${formatDuration(forMs)}`;
}

/** "0.1 %" of thousandths. */
export function formatShare(thousandths: number): string {
  return `${thousandths / 10} %`;
}
