/**
 * The text of one sd_notify(3) message: lines of KEY=VALUE. Pure; nothing from outside may add a line of its own, since
 * a stray STOPPING=1 in a status would stop the unit.
 */

export type Assignment = readonly [key: string, value: string | number | bigint];

/** systemd ignores a STATUS= beyond 16 KiB (service.c); a sentence for people ends long before. */
const MAX_STATUS_LENGTH = 512;

/** FDNAME=: printable ASCII without ":", at most 255, sd_notify(3). */
const FD_NAME = /^[\x20-\x39\x3b-\x7e]{1,255}$/;

export function encodeMessage(assignments: readonly Assignment[]): Buffer {
  const lines = assignments.map(([key, value]) => {
    const text = `${key}=${value}`;
    if (/[\n\0]/.test(text)) throw new RangeError(`a notification cannot hold ${JSON.stringify(text)}`);
    return text;
  });
  return Buffer.from(lines.join('\n'));
}

/** STATUS= as one line of bounded length, without anything that moves the cursor of who reads it. */
export function statusAssignment(text: string): Assignment {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  const line = text.replace(/[\s\x00-\x1f\x7f-\x9f]+/g, ' ').trim();
  return ['STATUS', line.length <= MAX_STATUS_LENGTH ? line : `${line.slice(0, MAX_STATUS_LENGTH - 1)}…`];
}

/** MONOTONIC_USEC= is CLOCK_MONOTONIC, which process.hrtime reads as well, clock_gettime(2). */
export function reloadingAssignments(monotonicNs: bigint): Assignment[] {
  return [
    ['RELOADING', 1],
    ['MONOTONIC_USEC', monotonicNs / 1_000n],
  ];
}

export function fdNameAssignment(name: string): Assignment {
  if (!FD_NAME.test(name)) throw new RangeError(`systemd stores no descriptor named ${JSON.stringify(name)}`);
  return ['FDNAME', name];
}
