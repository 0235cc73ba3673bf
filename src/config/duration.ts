/**
 * Durations as people write them: "250ms", "30s", "1m30s". A number without a unit is never guessed at, since half of
 * the world means seconds and the other half milliseconds.
 */

const UNITS = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

/** Of a duration, and of the empty text. */
export const DURATION_SHAPE = /^(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** Milliseconds, or null where the text is no duration. */
export function parseDuration(text: string): number | null {
  const match = DURATION_SHAPE.exec(text);
  if (match === null || text === '') return null;
  return UNITS.reduce((sum, [, ms], index) => sum + Number(match[index + 1] ?? 0) * ms, 0);
}

/** The shortest way to write it: "1m30s". */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === '' ? '0s' : text;
}
