/** The stream of events for one client, as server-sent events; loaded when somebody asks for it. */
import type { ServerResponse } from 'node:http';
import { BatondError } from '../errors.js';
import type { ServiceEvent } from '../events/event.js';
import type { Exchange } from './exchange.js';
import { eventOptions } from './options.js';

/** How many may listen at once: each has a place of the control socket, and each event is written to all of them. */
const MAX_LISTENERS = 32;
/** What waits here for a client that does not read: more than all that is kept, which is written in one go. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** So often a silent stream shows that it is there, and finds out that its client is not. */
const HEARTBEAT_MS = 15_000;

/** Throws REQUEST_INVALID and TOO_MANY. */
export function streamEvents(exchange: Exchange<ServiceEvent>): void {
  const { response, handlers, query, host } = exchange;
  const { sinceMs, follow } = eventOptions(query);
  const after = lastEventId(response.req.headers['last-event-id']);
  if (handlers.events.listeners >= MAX_LISTENERS) {
    throw new BatondError('TOO_MANY', { name: host.name, listeners: MAX_LISTENERS });
  }
  const head = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', connection: 'close' };
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, head);
  const kept = handlers.events.kept();
  const first = kept[0]?.id;
  const missed = after !== null && first !== undefined && after + 1 < first;
  response.write(`retry: 1000\n\n${missed ? `event: missed\ndata: {"after":${after},"before":${first}}\n\n` : ''}`);
  for (const event of kept) {
    if ((after === null || event.id > after) && event.at >= (sinceMs ?? 0)) put(response, event);
  }
  if (!follow) {
    response.end();
    return;
  }
  exchange.stays();
  const stop = handlers.events.listen((event) => put(response, event));
  const heartbeat = setInterval(() => write(response, ':\n\n'), HEARTBEAT_MS);
  response.on('close', () => {
    stop();
    clearInterval(heartbeat);
  });
}

/** Null for whoever has seen none yet. */
function lastEventId(header: string | string[] | undefined): number | null {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : null;
}

/** Without a name, so that `onmessage` of an EventSource hears all of them; the data has it. */
function put(response: ServerResponse, event: ServiceEvent): void {
  write(response, `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
}

/** A client that does not read must not make this process grow: it comes back with the last id that it has seen. */
function write(response: ServerResponse, text: string): void {
  response.write(text);
  if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
}
