/** Whether there is room to write a heap snapshot: pure. */

/** A snapshot has up to twice the bytes of the heap that it is of, and takes as much memory to make. */
const SNAPSHOT_FACTOR = 2;

export const snapshotBytes = (heapUsedBytes: number) => heapUsedBytes * SNAPSHOT_FACTOR;

/** Why not, or null. `left` is what may be written, by `whose` bounds; `memory` is what is available, null where unknown. */
export function whyNoSnapshot(bytes: number, left: number, whose: string, memory: number | null): string | null {
  const megabytes = (of: number) => `${Math.round(of / 2 ** 20)} MiB`;
  if (bytes > left) return `it would take about ${megabytes(bytes)}, and ${megabytes(left)} are left of ${whose}`;
  if (memory === null || bytes <= memory) return null;
  return `it would take about ${megabytes(bytes)} of memory, and ${megabytes(memory)} are available`;
}
