/**
 * Whether a reload may begin now, decided before anything is started for it: once the next supervisor is under way there
 * is less memory, not more. A refusal says when to ask again. Pure: from rules, a time and figures.
 *
 *   what is asked   freeze window   UNHEALTHY   min_interval   room
 *   reload, watch   yes             yes         yes            yes
 *   rollback        no              no          no             yes    it is wanted most when all else is wrong
 *   with --force    no              no          no             no
 *   regret, start   are not asked: something has to serve
 */
import type { Level } from '../health/levels.js';
import { type FreezeWindow, type Frozen, frozen } from './freeze.js';
import { type Figures, type Shortage, shortages } from './room.js';

export type AskedFor = 'reload' | 'watch' | 'rollback';

export interface Rules {
  readonly freeze: readonly FreezeWindow[];
  readonly minIntervalMs: number;
  /** Whether room and health are asked about at all. */
  readonly state: boolean;
}

export interface Now {
  /** Since Monday, 00:00, local time. */
  readonly weekMs: () => number;
  /** Since the generation that serves was committed; null where none does. */
  readonly sinceCommitMs: number | null;
  readonly level: Level;
  readonly figures: () => Figures;
}

export type Refusal =
  | { readonly code: 'FROZEN'; readonly retryAfterMs: number; readonly frozen: Frozen }
  | { readonly code: 'UNHEALTHY'; readonly retryAfterMs: number }
  | { readonly code: 'TOO_SOON'; readonly retryAfterMs: number; readonly sinceMs: number; readonly minMs: number }
  | {
      readonly code: 'NO_ROOM';
      readonly retryAfterMs: number;
      readonly workers: number;
      readonly shortages: readonly Shortage[];
    };

/** How soon it may be otherwise: when a generation that drains has gone, for one. */
const STATE_RETRY_MS = 30_000;

/** Null where it may begin. What is asked first is what ends latest by itself. */
export function refusalOf(asked: AskedFor, rules: Rules, now: Now): Refusal | null {
  if (asked !== 'rollback') {
    const window = rules.freeze.length === 0 ? null : frozen(rules.freeze, now.weekMs());
    if (window !== null) return { code: 'FROZEN', retryAfterMs: window.leftMs, frozen: window };
    if (rules.state && now.level === 'UNHEALTHY') return { code: 'UNHEALTHY', retryAfterMs: STATE_RETRY_MS };
    const { sinceCommitMs } = now;
    if (sinceCommitMs !== null && sinceCommitMs < rules.minIntervalMs) {
      const retryAfterMs = rules.minIntervalMs - sinceCommitMs;
      return { code: 'TOO_SOON', retryAfterMs, sinceMs: sinceCommitMs, minMs: rules.minIntervalMs };
    }
  }
  if (!rules.state) return null;
  const figures = now.figures();
  const lacking = shortages(figures);
  if (lacking.length === 0) return null;
  return { code: 'NO_ROOM', retryAfterMs: STATE_RETRY_MS, workers: figures.slots, shortages: lacking };
}
