/** Reads the stream of events: what comes in pieces, as the events that it is. Pure. */
import { StringDecoder } from 'node:string_decoder';
import type { ServiceEvent } from '../events/event.js';
import { parseEvent } from '../events/lines.js';

/** An event is far below it. */
const MAX_LINE_LENGTH = 1024 * 1024;

export type Heard =
  | { readonly kind: 'event'; readonly event: ServiceEvent }
  /** Not all that came after the last id is kept any more. */
  | { readonly kind: 'missed' };

export class EventReader {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #name = '';
  #data = '';

  /** Throws where a line has no end. */
  take(bytes: Buffer): Heard[] {
    const lines = (this.#rest + this.#decoder.write(bytes)).split('\n');
    this.#rest = lines.pop()!;
    if (this.#rest.length > MAX_LINE_LENGTH) throw new Error(`a line of more than ${MAX_LINE_LENGTH} characters`);
    return lines.flatMap((line) => this.#line(line));
  }

  /** Fields that are not known are passed over, and so are events that a newer supervisor says otherwise. */
  #line(line: string): Heard[] {
    if (line.startsWith('event: ')) this.#name = line.slice('event: '.length);
    if (line.startsWith('data: ')) this.#data = line.slice('data: '.length);
    if (line !== '') return [];
    const [name, data] = [this.#name, this.#data];
    this.#name = '';
    this.#data = '';
    if (name === 'missed') return [{ kind: 'missed' }];
    const event = name === '' && data !== '' ? parseEvent(data) : null;
    return event === null ? [] : [{ kind: 'event', event }];
  }
}
