/** What a check gave, as it is told: an app may have returned or thrown anything, and none of it may get further. */
import { inspect } from 'node:util';
import {
  type CheckResult,
  type CheckStatus,
  type Fact,
  MAX_ERROR_LENGTH,
  MAX_FACTS_BYTES,
  MAX_RESULTS_BYTES,
} from '../channel/checks.js';

/** Of one fact. */
const MAX_TEXT_LENGTH = 500;
const MAX_KEY_LENGTH = 64;

type Told = Omit<CheckResult, 'name' | 'ms'>;

export function resultOf(given: unknown): Told {
  if (given === undefined) return { status: 'ok', facts: {}, error: null };
  if (typeof given !== 'object' || given === null) return down(`it gave ${short(inspect(given))}, which is no result`);
  const { status = 'ok', ...facts } = given as Record<string, unknown>;
  if (!isStatus(status)) return down(`it gave the status ${short(inspect(status))}, which is none`);
  return { status, facts: told(facts), error: null };
}

export function failureOf(error: unknown): Told {
  return down(short(error instanceof Error ? `${error.name}: ${error.message}` : inspect(error)));
}

export const down = (error: string): Told => ({ status: 'down', facts: {}, error });

/** As much as fits into one packet: without facts they always do, and where facts are too many, the later go. */
export function fitting(results: readonly CheckResult[]): CheckResult[] {
  const bare = results.map((result) => ({ ...result, facts: { omitted: Object.keys(result.facts).length } }));
  let left = MAX_RESULTS_BYTES - sizeOf(bare);
  return results.map((result, index) => {
    const bytes = sizeOf(result.facts);
    if (bytes > left) return bare[index] ?? result;
    left -= bytes;
    return result;
  });
}

function told(given: Record<string, unknown>): Record<string, Fact> {
  // Without a prototype a fact can be called as it likes.
  const facts: Record<string, Fact> = Object.create(null);
  let left = MAX_FACTS_BYTES;
  let omitted = 0;
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const fact = scalar(value);
    const bytes = sizeOf({ [key]: fact });
    if (key.length > MAX_KEY_LENGTH || bytes > left) omitted++;
    else {
      facts[key] = fact;
      left -= bytes;
    }
  }
  return omitted === 0 ? facts : { ...facts, omitted };
}

/** What is no scalar is told as a text: half of a pool's state is more than nothing. */
function scalar(value: unknown): Fact {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'string') return cut(value, MAX_TEXT_LENGTH);
  return cut(inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 20 }), MAX_TEXT_LENGTH);
}

const isStatus = (value: unknown): value is CheckStatus => value === 'ok' || value === 'degraded' || value === 'down';
const sizeOf = (facts: object): number => Buffer.byteLength(JSON.stringify(facts));
const cut = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);
/** One line, in which no character takes more than three bytes of JSON: see `fitting`. */
const short = (text: string): string => cut(text.replace(/[\s\p{Cc}\p{Cs}]+/gu, ' '), MAX_ERROR_LENGTH);
