/**
 * What a request to reload or to roll back asks for in its query; what it asks for wrongly is refused. Pure. Beside it
 * what may be asked for, as the OpenAPI document says it.
 */
import { BatondError } from '../errors.js';
import { parseTraceParent } from '../tracing/trace-context.js';
import type { EventOptions, ReloadOptions, RollbackOptions } from './messages.js';

/** The longest time that may be asked for; Node's timers know no more than 2^31 milliseconds either. */
const MAX_NO_OLD_AFTER_MS = 24 * 60 * 60 * 1_000;

/** As OpenAPI has it: JSON Schema of what a text stands for. */
export interface Parameter {
  readonly name: string;
  /** Without its full stop. */
  readonly about: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

export const NO_OLD_AFTER: Parameter = {
  name: 'no_old_after_ms',
  about: 'So many milliseconds after the commit no older generation runs; the stream goes on until it is so',
  schema: { type: 'integer', minimum: 1, maximum: MAX_NO_OLD_AFTER_MS },
};

export const FORCE: Parameter = {
  name: 'force',
  about: 'With 1 it begins whatever speaks against that: no room, UNHEALTHY, a freeze window, upgrade.min_interval',
  schema: { type: 'integer', enum: [0, 1], default: 0 },
};

export const TO: Parameter = {
  name: 'to',
  about: 'The generation whose release is to serve again; by default the last good one',
  schema: { type: 'integer', minimum: 1, maximum: 999_999_999_999_999 },
};

export const TRACEPARENT: Parameter = {
  name: 'traceparent',
  about:
    'What asks for it, as W3C Trace Context has it; the trace of the reload is a part of that one. Ignored where it is none',
  schema: { type: 'string' },
};

export const SINCE: Parameter = {
  name: 'since',
  about: 'Nothing that happened before then, in milliseconds since the epoch',
  schema: { type: 'integer', minimum: 0, maximum: 999_999_999_999_999 },
};

export const FOLLOW: Parameter = {
  name: 'follow',
  about: 'With 0 the stream ends when what is kept has been told',
  schema: { type: 'integer', enum: [0, 1], default: 1 },
};

/** Throws REQUEST_INVALID. */
export function reloadOptions(query: URLSearchParams): ReloadOptions {
  const common = { force: isForced(query), ...tracedBy(query) };
  const text = query.get('no_old_after_ms');
  if (text === null) return { noOldAfterMs: null, ...common };
  const noOldAfterMs = Number(text);
  if (/^\d+$/.test(text) && noOldAfterMs > 0 && noOldAfterMs <= MAX_NO_OLD_AFTER_MS) return { noOldAfterMs, ...common };
  throw new BatondError('REQUEST_INVALID', {
    problem: `no_old_after_ms is ${text}: 1 to ${MAX_NO_OLD_AFTER_MS} milliseconds`,
  });
}

/** Throws REQUEST_INVALID. */
export function rollbackOptions(query: URLSearchParams): RollbackOptions {
  const common = { force: isForced(query), ...tracedBy(query) };
  const text = query.get('to');
  if (text === null) return { to: null, ...common };
  if (/^[1-9]\d{0,14}$/.test(text)) return { to: Number(text), ...common };
  throw new BatondError('REQUEST_INVALID', { problem: `to is ${text}: the number of a generation` });
}

/** Throws REQUEST_INVALID. */
export function eventOptions(query: URLSearchParams): EventOptions {
  const follow = isAsked(query, 'follow', true);
  const text = query.get('since');
  if (text === null) return { sinceMs: null, follow };
  if (/^\d{1,15}$/.test(text)) return { sinceMs: Number(text), follow };
  throw new BatondError('REQUEST_INVALID', { problem: `since is ${text}: milliseconds since the epoch` });
}

function tracedBy(query: URLSearchParams): { readonly traceparent?: string } {
  const traceparent = query.get('traceparent');
  return traceparent === null || parseTraceParent(traceparent) === null ? {} : { traceparent };
}

const isForced = (query: URLSearchParams) => isAsked(query, 'force', false);

function isAsked(query: URLSearchParams, name: string, otherwise: boolean): boolean {
  const text = query.get(name);
  if (text === null) return otherwise;
  if (text === '0' || text === '1') return text === '1';
  throw new BatondError('REQUEST_INVALID', { problem: `${name} is ${text}: 0 or 1` });
}
