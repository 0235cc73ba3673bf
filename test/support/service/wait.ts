/** Waits for a fact of the outside world that sends no event, with a deadline that says what was seen last. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  isGood: (seen: T) => boolean,
  { deadlineMs = 10_000, what }: { deadlineMs?: number; what: () => string },
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (isGood(seen)) return seen;
    if (performance.now() > end)
      throw new Error(`not within ${deadlineMs} ms: ${what()}; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
