/**
 * Windows of the week in which nothing is to be reloaded: "Fri 18:00" to "Mon 06:00", or every day "22:00" to "06:00".
 * They are people's time, so they are told in the local time of the machine, as milliseconds since Monday, 00:00; who
 * asks knows what time it is. Pure.
 */
export interface FreezeWindow {
  readonly from: string;
  readonly to: string;
}

export interface Frozen {
  readonly window: FreezeWindow;
  /** Until no window holds any more; all windows together may hold for ever, which is told as one week. */
  readonly leftMs: number;
  /** When that is: "Mon 06:00". */
  readonly until: string;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
export const WEEK_MS = 7 * DAY_MS;
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

export const WEEK_TIME = /^(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([01]\d|2[0-3]):([0-5]\d)$/;

export const hasDay = (text: string): boolean => WEEK_TIME.exec(text)?.[1] !== undefined;

/** Null while nothing is frozen. */
export function frozen(windows: readonly FreezeWindow[], weekMs: number): Frozen | null {
  const first = windows.find((window) => leftOf(window, weekMs) > 0);
  if (first === undefined) return null;
  let leftMs = 0;
  // Where one ends another may go on.
  while (leftMs < WEEK_MS) {
    const more = Math.max(0, ...windows.map((window) => leftOf(window, (weekMs + leftMs) % WEEK_MS)));
    if (more === 0) break;
    leftMs += more;
  }
  leftMs = Math.min(leftMs, WEEK_MS);
  return { window: first, leftMs, until: format((weekMs + leftMs) % WEEK_MS) };
}

/** How long the window still holds; 0 where it does not. */
function leftOf({ from, to }: FreezeWindow, weekMs: number): number {
  const [begin, end] = [parse(from), parse(to)];
  if (begin === null || end === null) return 0;
  const cycleMs = hasDay(from) ? WEEK_MS : DAY_MS;
  const sinceMs = (weekMs - begin + WEEK_MS) % cycleMs;
  const lengthMs = (end - begin + cycleMs) % cycleMs;
  return Math.max(0, lengthMs - sinceMs);
}

function parse(text: string): number | null {
  const [match, day, hours, minutes] = WEEK_TIME.exec(text) ?? [];
  if (match === undefined) return null;
  return (day === undefined ? 0 : DAYS.indexOf(day) * DAY_MS) + (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
}

function format(weekMs: number): string {
  const minutes = Math.floor((weekMs % DAY_MS) / MINUTE_MS);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${DAYS[Math.floor(weekMs / DAY_MS)]} ${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
