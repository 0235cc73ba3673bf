/** The lines that events are kept in, one JSON object each. Pure. */
import { isEvent, type ServiceEvent } from './event.js';

/** What is no event (the half line of a writer that was killed, one of another version) is passed over. */
export function parseEvents(text: string): ServiceEvent[] {
  return text.split('\n').flatMap((line) => parseEvent(line) ?? []);
}

export function parseEvent(line: string): ServiceEvent | null {
  try {
    const value: unknown = JSON.parse(line);
    return isEvent(value) ? (value as ServiceEvent) : null;
  } catch {
    return null;
  }
}
