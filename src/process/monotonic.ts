/** Milliseconds of CLOCK_MONOTONIC, clock_gettime(2): the same in every process of the machine, whatever the date does. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
