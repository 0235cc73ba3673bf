/**
 * The reason of an exit that follows, for the supervisor: a release that throws at import is refused with its own words.
 * The monitor runs before Node handles the exception, for unhandled rejections too, and changes nothing of that.
 */
import type { Channel } from './channel.js';

const MAX_CHARACTERS = 2_000;

export function reportFatal(channel: Channel): void {
  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    try {
      channel.send({ type: 'fatal', message: describe(error).slice(0, MAX_CHARACTERS) });
    } catch {
      // An error whose properties throw: Node has its own way with it.
    }
  });
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = `${error.name}: ${error.message}`;
  const place = placeOf(error);
  return place === null ? text : `${text} (${place})`;
}

/** The first frame that is not Node's own, or for what does not parse the `file:line` that stands before the excerpt. */
function placeOf(error: Error): string | null {
  const lines = String(error.stack ?? '').split('\n');
  const first = lines[0] ?? '';
  if (error.name === 'SyntaxError' && /:\d+$/.test(first)) return first.trim();
  return lines.find((line) => /^\s+at (?!.*\bnode:)/.test(line))?.trim() ?? null;
}
