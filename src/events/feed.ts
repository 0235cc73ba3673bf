/**
 * What has happened, in order and with numbers: heard from the log, whatever its level leaves out, told to those who
 * listen, and kept in a file of the runtime directory. The file is the record: who takes over a service, or adopts it,
 * goes on with the number after its last line, so whoever comes back with the last number that it has seen misses nothing
 * and sees nothing twice. It holds the last few hundred events.
 *
 * There is one writer at a time: what is heard before `begin` and after `end`, as in a takeover, is held back until this
 * process acts (again), and belongs to nobody where it never does.
 */
import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type EventBody, eventOf, type ServiceEvent } from './event.js';
import { parseEvents } from './lines.js';

/** When the file is larger it is halved. */
const MAX_FILE_BYTES = 256 * 1024;
const MAX_HELD = 100;

type Listener = (event: ServiceEvent) => void;

export class EventFeed {
  readonly #path: string;
  readonly #listeners = new Set<Listener>();
  #held: { readonly at: number; readonly body: EventBody }[] = [];
  #acts = false;
  /** Null until the file has been looked at. */
  #next: number | null = null;
  #bytes = 0;
  /** Whether the file ends within a line: what wrote it was killed, or there was no room. */
  #torn = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** A record of the log; `level` is pino's number. It never throws, since nobody logs for its sake. */
  readonly hear = (level: number, fields: Readonly<Record<string, unknown>>, message: string): void => {
    const body = eventOf(level, fields, message);
    if (body === null) return;
    const at = Date.now();
    if (this.#acts) this.#tell(at, body);
    else if (this.#held.length < MAX_HELD) this.#held.push({ at, body });
  };

  /** This process is the one that acts. */
  begin(): void {
    this.#acts = true;
    const held = this.#held;
    this.#held = [];
    for (const { at, body } of held) this.#tell(at, body);
  }

  /** Another process may be about to. */
  end(): void {
    this.#acts = false;
  }

  /** The service has ended. */
  clear(): void {
    this.end();
    rmSync(this.#path, { force: true });
  }

  /** All that is kept, the oldest first. */
  kept(): ServiceEvent[] {
    return parseEvents(this.#read());
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Returns what ends it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(at: number, body: EventBody): void {
    this.#next ??= this.#resume();
    const event: ServiceEvent = { id: this.#next++, at, ...body };
    this.#keep(`${JSON.stringify(event)}\n`);
    for (const listener of this.#listeners) listener(event);
  }

  /** A first number by the clock is higher than all of a service of before, whose file is gone. */
  #resume(): number {
    const text = this.#read();
    this.#bytes = Buffer.byteLength(text);
    this.#torn = text !== '' && !text.endsWith('\n');
    const last = parseEvents(text).at(-1);
    return last === undefined ? Date.now() : last.id + 1;
  }

  #keep(line: string): void {
    const text = this.#torn ? `\n${line}` : line;
    try {
      this.#torn = true;
      appendFileSync(this.#path, text, { mode: 0o600 });
      this.#torn = false;
      this.#bytes += Buffer.byteLength(text);
      if (this.#bytes > MAX_FILE_BYTES) this.#halve();
    } catch {
      // Those who listen have it. That the runtime directory cannot be written to is said by the mirror.
    }
  }

  #halve(): void {
    const lines = this.#read().split('\n');
    const rest = lines.slice(Math.floor(lines.length / 2)).join('\n');
    const next = `${this.#path}.${process.pid}`;
    writeFileSync(next, rest, { mode: 0o600 });
    renameSync(next, this.#path);
    this.#bytes = Buffer.byteLength(rest);
  }

  #read(): string {
    try {
      return readFileSync(this.#path, 'utf8');
    } catch {
      return '';
    }
  }
}
