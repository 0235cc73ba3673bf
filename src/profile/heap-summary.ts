/**
 * What a heap snapshot says, in a few lines: what there is most of, by number and by bytes. Read as it comes: it may be
 * larger than the memory of whoever reads it, so nothing of it is kept but sums and the few names that are told.
 *
 * It is JSON as V8 writes it: first what its numbers mean, then the numbers of all nodes, those of all edges, and the
 * names last. Sizes are those of the objects themselves, without what they hold.
 */

/** So many of each are told. */
const TOP = 20;
/** The head names fields and types. */
const MAX_HEAD_BYTES = 1_000_000;
const MAX_NAME_BYTES = 200;

const NODES = '"nodes":[';
const STRINGS = '"strings":[';

const COMMA = 44;
const QUOTE = 34;
const BACKSLASH = 92;
const CLOSE = 93;
const ZERO = 48;
const NINE = 57;

export interface ConstructorSize {
  /** "Map", "Socket"; "(string)" and the like of what has no constructor. */
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
}

export interface HeapSummary {
  readonly nodes: number;
  readonly bytes: number;
  readonly byBytes: readonly ConstructorSize[];
  readonly byCount: readonly ConstructorSize[];
}

interface Meta {
  readonly fields: number;
  readonly type: number;
  readonly name: number;
  readonly size: number;
  readonly types: readonly string[];
}

interface Tally {
  /** Of the type where it is negative, else the number of the name. */
  readonly key: number;
  count: number;
  bytes: number;
}

/** The types whose name is that of a constructor, or says what it is; of all others the type is told. */
const NAMED: ReadonlySet<string> = new Set(['object', 'native', 'wasm object']);
const STRING_TYPES: ReadonlySet<string> = new Set(['string', 'concatenated string', 'sliced string']);

/** The bytes of a snapshot go in, in any pieces; `summary` is there when all have. */
export class HeapSnapshotReader {
  #at: 'head' | 'nodes' | 'edges' | 'strings' | 'end' = 'head';
  #text = '';
  #meta: Meta | null = null;
  #number = 0;
  #field = 0;
  #type = 0;
  #name = 0;
  #size = 0;
  readonly #tallies = new Map<number, Tally>();
  #nodes = 0;
  #bytes = 0;
  /** How much of STRINGS has been found. */
  #found = 0;
  #wanted = new Set<number>();
  readonly #names = new Map<number, string>();
  #string = 0;
  #inString = false;
  #escaped = false;
  #collected: number[] = [];

  /** Throws what is wrong with it. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && this.#at !== 'end') at = this.#read(chunk, at);
  }

  /** Throws where there is more to come. */
  get summary(): HeapSummary {
    if (this.#at !== 'end') throw new Error('it is no heap snapshot, or only a part of one');
    const told = (tallies: readonly Tally[]) =>
      tallies.slice(0, TOP).map(({ key, count, bytes }) => ({ name: this.#nameOf(key), count, bytes }));
    return { nodes: this.#nodes, bytes: this.#bytes, byBytes: told(this.#byBytes()), byCount: told(this.#byCount()) };
  }

  /** Reads from there on, and gives where it got to. */
  #read(chunk: Uint8Array, at: number): number {
    switch (this.#at) {
      case 'head':
        return this.#readHead(chunk, at);
      case 'nodes':
        return this.#readNodes(chunk, at);
      case 'edges':
        return this.#skipEdges(chunk, at);
      default:
        return this.#readStrings(chunk, at);
    }
  }

  #readHead(chunk: Uint8Array, at: number): number {
    const before = this.#text.length;
    // Nothing but ASCII is in it, so that a character is a byte.
    this.#text += Buffer.from(chunk.buffer, chunk.byteOffset + at, chunk.length - at).toString('latin1');
    const end = this.#text.indexOf(NODES);
    if (end < 0) {
      if (this.#text.length > MAX_HEAD_BYTES) throw new Error('it is no heap snapshot');
      return chunk.length;
    }
    this.#meta = metaOf(`${this.#text.slice(0, end).trimEnd().replace(/,$/, '')}}`);
    this.#text = '';
    this.#at = 'nodes';
    return at + end + NODES.length - before;
  }

  #readNodes(chunk: Uint8Array, from: number): number {
    const { fields, type, name, size } = this.#meta as Meta;
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (byte >= ZERO && byte <= NINE) {
        this.#number = this.#number * 10 + (byte - ZERO);
        continue;
      }
      if (byte !== COMMA && byte !== CLOSE) continue;
      if (this.#field === type) this.#type = this.#number;
      else if (this.#field === name) this.#name = this.#number;
      else if (this.#field === size) this.#size = this.#number;
      this.#number = 0;
      this.#field++;
      if (this.#field === fields) {
        this.#field = 0;
        this.#count();
      }
      if (byte === CLOSE) {
        this.#wanted = new Set([...this.#byBytes(), ...this.#byCount()].map(({ key }) => key));
        this.#at = 'edges';
        return at + 1;
      }
    }
    return chunk.length;
  }

  #count(): void {
    const { types } = this.#meta as Meta;
    const type = types[this.#type] ?? '';
    const key = NAMED.has(type) ? this.#name : -1 - (STRING_TYPES.has(type) ? types.indexOf('string') : this.#type);
    const tally = this.#tallies.get(key);
    if (tally === undefined) this.#tallies.set(key, { key, count: 1, bytes: this.#size });
    else {
      tally.count++;
      tally.bytes += this.#size;
    }
    this.#nodes++;
    this.#bytes += this.#size;
  }

  /** Nothing but numbers stands between nodes and names, so that the word can only be the key. */
  #skipEdges(chunk: Uint8Array, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (byte === STRINGS.charCodeAt(this.#found)) this.#found++;
      else this.#found = byte === QUOTE ? 1 : 0;
      if (this.#found === STRINGS.length) {
        this.#at = 'strings';
        return at + 1;
      }
    }
    return chunk.length;
  }

  #readStrings(chunk: Uint8Array, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (!this.#inString) {
        if (byte === QUOTE) this.#inString = true;
        else if (byte === CLOSE) {
          this.#at = 'end';
          return at + 1;
        }
        continue;
      }
      if (byte === QUOTE && !this.#escaped) {
        this.#endString();
        continue;
      }
      this.#escaped = byte === BACKSLASH && !this.#escaped;
      if (this.#collected.length < MAX_NAME_BYTES && this.#wanted.has(this.#string)) this.#collected.push(byte);
    }
    return chunk.length;
  }

  #endString(): void {
    if (this.#wanted.has(this.#string)) this.#names.set(this.#string, nameFrom(this.#collected));
    this.#collected = [];
    this.#inString = false;
    this.#string++;
  }

  #nameOf(key: number): string {
    if (key >= 0) return this.#names.get(key) ?? `(name ${key})`;
    return `(${this.#meta?.types[-1 - key] ?? 'unknown'})`;
  }

  #byBytes(): Tally[] {
    return [...this.#tallies.values()].sort((a, b) => b.bytes - a.bytes).slice(0, TOP);
  }

  #byCount(): Tally[] {
    return [...this.#tallies.values()].sort((a, b) => b.count - a.count).slice(0, TOP);
  }
}

function metaOf(json: string): Meta {
  const { snapshot } = JSON.parse(json) as {
    snapshot?: { meta?: { node_fields?: string[]; node_types?: (string | string[])[] } };
  };
  const fields = snapshot?.meta?.node_fields ?? [];
  const types = snapshot?.meta?.node_types?.[fields.indexOf('type')];
  const meta = { type: fields.indexOf('type'), name: fields.indexOf('name'), size: fields.indexOf('self_size') };
  if (!Array.isArray(types) || Object.values(meta).includes(-1))
    throw new Error('it is a heap snapshot of another kind');
  return { ...meta, fields: fields.length, types };
}

/** A name that was cut off may end within a character or an escape. */
function nameFrom(bytes: readonly number[]): string {
  const text = Buffer.from(bytes).toString('utf8');
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
