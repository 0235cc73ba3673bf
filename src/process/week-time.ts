/**
 * Where in the week the machine's clock on the wall is, in its own time zone: for windows that people have set by it,
 * and for nothing else. It may jump, and then the window holds from the new time on, as whoever set it would say.
 */

/** Milliseconds since Monday, 00:00. */
export function weekMs(now = new Date()): number {
  const days = (now.getDay() + 6) % 7;
  const minutes = (days * 24 + now.getHours()) * 60 + now.getMinutes();
  return (minutes * 60 + now.getSeconds()) * 1_000 + now.getMilliseconds();
}
