/** From the tables that a user wrote as `[[healing.rule]]` to rules. */
import { type Action, type Cause, type Match, RETRY_MS, type Rule } from '../healing/rules.js';

/** One table, each value checked by itself; exactly one of status, signal and cause is there. */
export interface WrittenRule {
  readonly name: string | null;
  readonly status: number | null;
  readonly signal: string | null;
  readonly cause: Cause | null;
  readonly action: Action;
  /** Milliseconds. */
  readonly delay: number | null;
}

export function healingRules(written: unknown): Rule[] {
  return ((written ?? []) as readonly WrittenRule[]).map((one) => ({
    name: one.name ?? `${one.signal ?? one.cause ?? `status-${one.status}`}`,
    word: one.name,
    match: matchOf(one),
    servingOnly: false,
    action: one.action,
    delayMs: one.delay ?? (one.action === 'retry' ? RETRY_MS : 0),
  }));
}

function matchOf({ status, signal, cause }: WrittenRule): Match {
  if (signal !== null) return { kind: 'signal', signal };
  if (cause !== null) return { kind: 'cause', cause };
  return { kind: 'status', status };
}

/** "status 7: keep", for people. */
export function describeRule({ match, action }: Rule): string {
  switch (match.kind) {
    case 'status':
      return `status ${match.status}: ${action}`;
    case 'signal':
      return `${match.signal}: ${action}`;
    case 'cause':
      return `${match.cause}: ${action}`;
    case 'unknown':
      return `unknown: ${action}`;
  }
}
