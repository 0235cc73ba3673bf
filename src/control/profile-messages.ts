/**
 * What is said on the control socket of profiles that somebody asks for. Both need the right to act, since a profile
 * costs the workers time and a heap has the secrets of the app.
 *
 *   POST /v1/profile?kind=cpu&ms=10000   of the first worker, ?slot=N of that one, ?all=1 of all; ?kind=heap of the one
 *                                        with the least to do. 200 and a stream of JSON lines, `ProfileLine`
 *   GET  /v1/profiles/NAME               the file, once a line has said its name
 */
import { isCount, isFlag, isNullOr, isNumber, isOneOf, isShape, isText } from '../shape.js';

/** 'startup': where the time goes of one more worker, from its start until it is ready. */
export type ProfileKind = 'cpu' | 'heap' | 'startup';

export interface ProfileOptions {
  readonly kind: ProfileKind;
  /** How long a CPU profile lasts, milliseconds. */
  readonly durationMs: number;
  /** Null leaves the choice. */
  readonly slot: number | null;
  /** Of every worker; none of a heap. */
  readonly all: boolean;
}

/** A profile that is on disk. */
export interface ProfileFile {
  /** "g7s0", and the name of its process: "main" or that of a [[service.process]]. */
  readonly worker: string;
  readonly process: string;
  readonly pid: number;
  /** What to ask for. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly bytes: number;
}

export type ProfileLine =
  | { readonly event: 'step'; readonly message: string; readonly atMs: number }
  | ({ readonly event: 'file' } & ProfileFile)
  /** There is none of that worker. */
  | { readonly event: 'missing'; readonly worker: string; readonly reason: string }
  | {
      readonly event: 'verdict';
      /** There is at least one. */
      readonly ok: boolean;
      /** A code of the table in errors.ts; null when it went well. */
      readonly code: string | null;
      readonly message: string;
      readonly exitStatus: number;
      readonly durationMs: number;
    };

type Line<Event> = Extract<ProfileLine, { event: Event }>;

const LINES: { readonly [Event in ProfileLine['event']]: (value: unknown) => boolean } = {
  step: isShape<Line<'step'>>({ event: isText, message: isText, atMs: isNumber }),
  file: isShape<Line<'file'>>({
    event: isText,
    worker: isText,
    process: isText,
    pid: isCount,
    name: isText,
    path: isText,
    bytes: isCount,
  }),
  missing: isShape<Line<'missing'>>({ event: isText, worker: isText, reason: isText }),
  verdict: isShape<Line<'verdict'>>({
    event: isText,
    ok: isFlag,
    code: isNullOr(isText),
    message: isText,
    exitStatus: isOneOf(...Array(256).keys()),
    durationMs: isNumber,
  }),
};

/** The line; null where a newer supervisor says more than is known here. Throws where it cannot be followed. */
export function parseProfileLine(text: string): ProfileLine | null {
  const value = JSON.parse(text) as { event?: unknown } | null;
  const event = value?.event;
  if (typeof event !== 'string') throw new Error(`"${text.slice(0, 200)}" is no line of a profile`);
  if (!Object.hasOwn(LINES, event)) return null;
  if (!LINES[event as ProfileLine['event']](value)) throw new Error(`"${text.slice(0, 200)}" lacks something`);
  return value as ProfileLine;
}
