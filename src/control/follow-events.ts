/**
 * Follows the events of a service over whatever becomes of its supervisor: each connection ends with the supervisor that
 * it was made to, and the next one begins with the last event that was seen.
 */
import type { IncomingMessage } from 'node:http';
import type { ServiceEvent } from '../events/event.js';
import { EventReader, type Heard } from './event-reader.js';

/** So often in a row a connection may end with nothing heard on it: a service that ends each at once is not well. */
const MAX_EMPTY = 20;

export interface Following {
  /** Makes a connection that tells what came after the last id. */
  connect(lastId: number | null): Promise<IncomingMessage>;
  readonly follow: boolean;
  event(event: ServiceEvent): void;
  /** Some events are not kept any more. */
  missed(): void;
}

/** Resolves at the end of what is kept, and of what follows never. Throws what `connect` throws. */
export async function followEvents({ connect, follow, event, missed }: Following): Promise<void> {
  let lastId: number | null = null;
  let empty = 0;
  const hear = (heard: Heard) => {
    if (heard.kind === 'missed') missed();
    else if (lastId === null || heard.event.id > lastId) {
      lastId = heard.event.id;
      event(heard.event);
    }
  };
  for (;;) {
    let bytes = 0;
    try {
      const response = await connect(lastId);
      const reader = new EventReader();
      for await (const chunk of response as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        for (const heard of reader.take(chunk)) hear(heard);
      }
    } catch (error) {
      // Cut off by the death of the supervisor; what is wrong otherwise is wrong each time, or has a code of its own.
      if (!follow || empty >= MAX_EMPTY || !isCutOff(error)) throw error;
    }
    if (!follow) return;
    empty = bytes === 0 ? empty + 1 : 0;
    if (empty > MAX_EMPTY) throw new Error('each connection is ended at once');
  }
}

function isCutOff(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE' || (cause !== undefined && isCutOff(cause));
}
