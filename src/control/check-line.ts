/** Says whether a line of a reload's stream, or the outcome of one in a file, is what its type says. */
import { isCount, isFlag, isNullOr, isNumber, isOneOf, isShape, isText } from '../shape.js';
import type { ReloadLine, ReloadOutcome } from './messages.js';

const OUTCOME = {
  ok: isFlag,
  code: isNullOr(isText),
  message: isText,
  exitStatus: isOneOf(...Array(256).keys()),
  generation: isNullOr(isCount),
  at: isNumber,
  durationMs: isNumber,
};

export const isOutcome = isShape<ReloadOutcome>(OUTCOME);

type Line<Event> = Extract<ReloadLine, { event: Event }>;

const LINES: { readonly [Event in ReloadLine['event']]: (value: unknown) => boolean } = {
  step: isShape<Line<'step'>>({ event: isText, step: isText, message: isText, atMs: isNumber }),
  verdict: isShape<Line<'verdict'>>({ event: isText, ...OUTCOME }),
  'old-gone': isShape<Line<'old-gone'>>({
    event: isText,
    cut: isNumber,
    killed: isNumber,
    message: isText,
    atMs: isNumber,
  }),
};

/** The line; null where a newer supervisor says more than is known here. Throws where it cannot be followed. */
export function parseLine(text: string): ReloadLine | null {
  const value = JSON.parse(text) as { event?: unknown } | null;
  const event = value?.event;
  if (typeof event !== 'string') throw new Error(`"${text.slice(0, 200)}" is no line of a reload`);
  if (!Object.hasOwn(LINES, event)) return null;
  if (!LINES[event as ReloadLine['event']](value)) throw new Error(`"${text.slice(0, 200)}" lacks something`);
  return value as ReloadLine;
}
