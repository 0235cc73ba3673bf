/**
 * When a circuit is to fire: "cpu_throttled|memory_pressure|p99>1200ms for 30s". One of the conditions is enough, and it
 * must have been so for the whole time; as long as none has been so again, it is over. Pure.
 *
 *   when       = condition *( "|" condition ) [ "for" duration ]
 *   condition  = "cpu_throttled" [ ">" percent ]      share of the CPU periods in which the quota ran out
 *              | "memory_pressure" [ ">" percent ]    share of the time in which somebody waited for memory (PSI, some)
 *              | "p99" ">" duration                   of the answers
 *              | "errors" ">" percent                 share of the answers that are 5xx
 *              | "level" ">=" level                   DEGRADED or UNHEALTHY
 */

import { formatDuration, parseDuration } from '../config/duration.js';
import { LEVELS, type Level } from '../health/levels.js';

/** Percents are shares of 0 to 1. */
export type Condition =
  | { readonly kind: 'cpu_throttled' | 'memory_pressure' | 'errors'; readonly over: number }
  | { readonly kind: 'p99'; readonly overMs: number }
  | { readonly kind: 'level'; readonly least: Level };

export interface When {
  readonly any: readonly Condition[];
  /** It must have held for so long, and then not have held for so long. */
  readonly forMs: number;
}

/** What is so now; null is not known, or that nothing was answered. */
export interface Sample {
  readonly cpuThrottled: number | null;
  readonly memoryPressure: number | null;
  readonly errors: number | null;
  readonly p99Ms: number | null;
  /** Of the service. */
  readonly level: Level;
}

/** A quarter of the time without a CPU, and a tenth of it without memory, are what somebody notices. */
const USUAL = { cpu_throttled: 0.25, memory_pressure: 0.1 } as const;
const KINDS = 'cpu_throttled, memory_pressure, p99>DURATION, errors>PERCENT or level>=DEGRADED';
const MAX_CONDITIONS = 8;
const DAY_MS = 24 * 60 * 60 * 1_000;

/** A sentence where it cannot be understood. */
export function parseWhen(text: string): When | string {
  const [, conditions = '', time] = /^(.*?)(?:\s+for\s+(\S+))?\s*$/s.exec(text) ?? [];
  const forMs = time === undefined ? 0 : parseDuration(time);
  if (forMs === null || forMs > DAY_MS)
    return `"for ${time}" is no time: write a duration of at most 24h such as "for 30s"`;
  const written = conditions.split('|').map((one) => one.trim());
  if (written.length > MAX_CONDITIONS) return `it has ${written.length} conditions: at most ${MAX_CONDITIONS}`;
  const any: Condition[] = [];
  for (const one of written) {
    const condition = parseCondition(one);
    if (typeof condition === 'string') return condition;
    any.push(condition);
  }
  return { any, forMs };
}

/** Why it holds, for the middle of a sentence; null where it does not. What is not known does not hold. */
export function reasonOf({ any }: When, sample: Sample): string | null {
  for (const condition of any) {
    const reason = holds(condition, sample);
    if (reason !== null) return reason;
  }
  return null;
}

function holds(condition: Condition, { cpuThrottled, memoryPressure, errors, p99Ms, level }: Sample): string | null {
  const over = (value: number | null, text: string) =>
    value !== null && 'over' in condition && value > condition.over
      ? `${text} ${percent(value)}, more than ${percent(condition.over)}`
      : null;
  switch (condition.kind) {
    case 'cpu_throttled':
      return over(cpuThrottled, 'the CPU quota ran out in');
    case 'memory_pressure':
      return over(memoryPressure, 'memory was waited for in');
    case 'errors':
      return over(errors, 'the answers of 5xx are');
    case 'level':
      return LEVELS.indexOf(level) >= LEVELS.indexOf(condition.least) ? `the service is ${level}` : null;
    case 'p99':
      if (p99Ms === null || p99Ms <= condition.overMs) return null;
      return `p99 is ${formatDuration(Math.round(p99Ms))}, more than ${formatDuration(condition.overMs)}`;
  }
}

function parseCondition(text: string): Condition | string {
  const [, least] = /^level\s*>=\s*(DEGRADED|UNHEALTHY)$/.exec(text) ?? [];
  if (least !== undefined) return { kind: 'level', least: least as Level };
  const [match, kind, value] = /^([a-z0-9_]+)\s*(?:>\s*(\S+))?$/.exec(text) ?? [];
  if (match === undefined) return `"${text}" is no condition: ${KINDS}`;
  switch (kind) {
    case 'cpu_throttled':
    case 'memory_pressure':
    case 'errors': {
      if (value === undefined && kind === 'errors') return '"errors" needs a limit: write "errors>5%"';
      const over = value === undefined ? USUAL[kind as keyof typeof USUAL] : parsePercent(value);
      return over === null ? `"${text}" has no limit that it could have: write ${kind}>5%` : { kind, over };
    }
    case 'p99': {
      const overMs = parseDuration(value ?? '');
      return overMs === null || overMs === 0 ? `"${text}" has no limit: write "p99>1200ms"` : { kind, overMs };
    }
    default:
      return `"${text}" is no condition: ${KINDS}`;
  }
}

/** "5%" and "0.5%", as a share; null for anything else. */
function parsePercent(text: string): number | null {
  const [, digits] = /^(\d{1,2}(?:\.\d{1,3})?)%$/.exec(text) ?? [];
  return digits === undefined ? null : Number(digits) / 100;
}

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`;
