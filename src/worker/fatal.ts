/**
 * The reason of an exit that follows, for the supervisor: a release that throws at import is refused with its own words.
 * The monitor runs before Node handles the exception, for unhandled rejections too, and changes nothing of that.
 */
import type { Channel } from './channel.js';

const MAX_CHARACTERS = 2_000;
const MAX_STACK_CHARACTERS = 8_000;

/**
 * Where Node leaves its diagnostic report when V8 runs out of memory, which nothing else tells of. It costs nothing until
 * then. An app that has asked for reports itself, by a flag or by a property, is left alone.
 */
export function reportOutOfMemory(folder: string): void {
  const report = process.report as (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined;
  if (report === undefined || report.reportOnFatalError || report.directory !== '') return;
  report.reportOnFatalError = true;
  report.directory = folder;
  // The names of peers are looked up one after the other otherwise, while the slot waits for its worker to end.
  if (report.excludeNetwork !== undefined) report.excludeNetwork = true;
}

export function reportFatal(channel: Channel): void {
  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    try {
      const message = describe(error).slice(0, MAX_CHARACTERS);
      const stack = error instanceof Error ? String(error.stack).slice(0, MAX_STACK_CHARACTERS) : message;
      channel.send({ type: 'fatal', message, stack });
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
