/** Sizes as people write them: "256MiB". Only binary units, since "MB" means two things; and never without a unit. */

const UNITS: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

export const SIZE_SHAPE = /^(\d{1,9})(KiB|MiB|GiB)$/;

/** Bytes, or null where the text is no size. */
export function parseSize(text: string): number | null {
  const [, digits, unit] = SIZE_SHAPE.exec(text) ?? [];
  return digits === undefined || unit === undefined ? null : Number(digits) * UNITS[unit]!;
}

/** The shortest way to write it; exact for what `parseSize` gave. */
export function formatSize(bytes: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(([, one]) => bytes % one === 0) ?? ['KiB', 2 ** 10];
  return `${bytes / size}${unit}`;
}

/** For a sentence, rounded up: "287 MiB". */
export function roughSize(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 2 ** 10)} KiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
