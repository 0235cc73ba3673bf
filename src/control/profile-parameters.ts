/** What may be asked for of a profile, as the OpenAPI document says it. */
import type { Parameter } from './options.js';

export const DEFAULT_CPU_MS = 10_000;
/** A profile grows with its time, in the memory of the worker. */
export const MAX_CPU_MS = 300_000;

export const KIND: Parameter = {
  name: 'kind',
  about:
    'Where time goes, what the heap holds (the worker stands still for it), or where the time of a start goes, of one ' +
    'more worker that never serves; has to be said',
  schema: { type: 'string', enum: ['cpu', 'heap', 'startup'] },
};

export const CPU_MS: Parameter = {
  name: 'ms',
  about: 'How many milliseconds a profile of time lasts',
  schema: { type: 'integer', minimum: 1, maximum: MAX_CPU_MS, default: DEFAULT_CPU_MS },
};

export const SLOT: Parameter = {
  name: 'slot',
  about: 'Of this worker; by default of the first, and of a heap the one with the least to do',
  schema: { type: 'integer', minimum: 0, maximum: 99_999 },
};

export const ALL: Parameter = {
  name: 'all',
  about: 'With 1 of every worker; not of a heap',
  schema: { type: 'integer', enum: [0, 1], default: 0 },
};
