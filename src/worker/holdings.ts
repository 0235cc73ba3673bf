/**
 * What keeps this process alive, as Node counts it, and how much of what it says it holds: asked when an old generation
 * does not end. What belongs to the runtime itself is not the app's doing, and is taken out.
 */
import type { Holdings } from '../channel/messages.js';
import { standardStreams } from './internals.js';

/** Node itself warns of a leak beyond so many listeners of one event. */
const MANY_LISTENERS = 10;
const MAX_KINDS = 64;

/** A moment's work, which holds nobody: the turn of the loop that answers has some of its own. */
const FLEETING = new Set(['Immediate', 'TickObject', 'Microtask']);

export function holdings(gauges: Record<string, number>): Holdings {
  const resources = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (!FLEETING.has(kind)) resources.set(kind, (resources.get(kind) ?? 0) + 1);
  }
  for (const kind of standardStreams()) resources.set(kind, (resources.get(kind) ?? 0) - 1);
  return { resources: counts(resources), gauges, listeners: counts(manyListeners()) };
}

/** A handler of SIGTERM is one that matters: where there is one, the signal ends nothing by itself. */
function manyListeners(): Map<string, number> {
  const events = process.eventNames().filter((name) => typeof name === 'string');
  return new Map(
    events
      .map((name): [string, number] => [name, process.listenerCount(name)])
      .filter(([name, count]) => count > (name === 'SIGTERM' ? 0 : MANY_LISTENERS)),
  );
}

function counts(of: ReadonlyMap<string, number>): Record<string, number> {
  const present = [...of].filter(([name, count]) => count > 0 && name.length <= 64);
  return Object.fromEntries(present.sort(([, one], [, other]) => other - one).slice(0, MAX_KINDS));
}
