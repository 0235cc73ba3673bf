/** What a worker holds, for the middle of a sentence: "2 Timeout, 1 TCPSocketWrap, db.pool 4". */
import type { Holdings } from '../channel/messages.js';

/** Of each kind: a sentence is no inventory. */
const MAX_NAMED = 8;

export function describeHoldings(held: Holdings | null): string {
  if (held === null) return 'it does not say what holds it';
  const { resources, gauges, listeners } = held;
  const parts = [
    ...first(resources, (kind, count) => `${count} ${kind}`),
    ...first(gauges, (name, value) => (value === 0 ? null : `${name} ${Number(value.toPrecision(6))}`)),
    ...first(listeners, (event, count) => `${count} ${count === 1 ? 'listener' : 'listeners'} of '${event}'`),
  ];
  return parts.length === 0 ? 'nothing that it knows of holds it' : `it is held by ${parts.join(', ')}`;
}

function first(
  counts: Readonly<Record<string, number>>,
  say: (name: string, count: number) => string | null,
): string[] {
  const said = Object.entries(counts).flatMap(([name, count]) => say(name, count) ?? []);
  const more = said.length - MAX_NAMED;
  return more > 0 ? [...said.slice(0, MAX_NAMED), `${more} more`] : said;
}
