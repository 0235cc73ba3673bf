/**
 * Which new connections an incumbent hands to a candidate, while a step of a canary lasts that the kernel cannot decide:
 * by what the first request says, or by chance where a listener can have no second socket.
 */

export type Diversion =
  | { readonly by: 'chance'; readonly share: number }
  /** With a value: those that say just that. Without: `share` thousandths of all values that are said. */
  | { readonly by: 'header' | 'cookie'; readonly name: string; readonly value: string | null; readonly share: number };

/** Whether a value is among so many thousandths: the same value at each time and in each process, and in every larger share. */
export function isInShare(value: string, share: number): boolean {
  return hash(value) % 1_000 < share;
}

/** FNV-1a, and the end of MurmurHash3 so that every bit of the value counts in every bit of the sum. */
function hash(value: string): number {
  let sum = 0x811c9dc5;
  for (const byte of Buffer.from(value)) sum = Math.imul(sum ^ byte, 0x01000193);
  sum = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35);
  return (sum ^ (sum >>> 16)) >>> 0;
}
