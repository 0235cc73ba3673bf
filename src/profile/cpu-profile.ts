/** A .cpuprofile as V8 writes it, read by nobody's word: it may be a file that a user names. */
import { isAbsentOr, isListOf, isNumber, isShape, isText } from '../shape.js';
import type { Frame } from './place.js';

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: Frame;
  /** Absent where there are none. */
  readonly children?: readonly number[];
}

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Microseconds of a clock of V8's own. */
  readonly startTime: number;
  readonly endTime: number;
  /** The node that was run at each look. */
  readonly samples: readonly number[];
  /** Microseconds from the look before; of the first from the start. */
  readonly timeDeltas: readonly number[];
}

const isCpuProfile = isShape<CpuProfile>({
  nodes: isListOf(
    isShape<ProfileNode>({
      id: isNumber,
      callFrame: isShape<Frame>({
        functionName: isText,
        url: isText,
        lineNumber: isNumber,
        columnNumber: isNumber,
      }),
      children: isAbsentOr(isListOf(isNumber)),
    }),
  ),
  startTime: isNumber,
  endTime: isNumber,
  samples: isListOf(isNumber),
  timeDeltas: isListOf(isNumber),
});

/** Throws what is wrong with it. */
export function parseCpuProfile(text: string): CpuProfile {
  const profile: unknown = JSON.parse(text);
  if (!isCpuProfile(profile)) throw new Error('it is no .cpuprofile');
  const { samples, timeDeltas } = profile as CpuProfile;
  if (samples.length !== timeDeltas.length) throw new Error('it has not as many times as samples');
  return profile as CpuProfile;
}

/** How long each sample lasted, milliseconds: until the next one, the last one until the end. */
export function sampleTimes({ startTime, endTime, samples, timeDeltas }: CpuProfile): number[] {
  let at = startTime;
  const starts = timeDeltas.map((delta) => {
    at += delta;
    return at;
  });
  return samples.map((_, i) => Math.max(0, (starts[i + 1] ?? endTime) - (starts[i] as number)) / 1_000);
}
