/**
 * Where each key of a TOML document stands. The parser says what a document means but not where; this scanner says
 * where and never what. It runs on documents that the parser has accepted, so it may be generous about syntax, and what
 * it does not find falls back to the nearest table around it.
 */
import type { Path } from './problem.js';

export interface Position {
  /** Both from 1, the column in UTF-16 units as editors count. */
  readonly line: number;
  readonly column: number;
}

export class TomlPositions {
  readonly #byPath = new Map<string, Position>();
  /** How many tables each array of tables has so far. */
  readonly #counts = new Map<string, number>();
  readonly #text: string;
  readonly #lineStarts: number[] = [0];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    for (let i = text.indexOf('\n'); i !== -1; i = text.indexOf('\n', i + 1)) this.#lineStarts.push(i + 1);
    this.#scanDocument();
  }

  /** The position of a key, or of the nearest one around it; null for a path whose first part is not in the document. */
  find(path: Path): Position | null {
    for (let length = path.length; length > 0; length--) {
      const position = this.#byPath.get(JSON.stringify(path.slice(0, length)));
      if (position !== undefined) return position;
    }
    return null;
  }

  #scanDocument(): void {
    let table: Path = [];
    for (this.#skip(BLANK); this.#at < this.#text.length; this.#skip(BLANK)) {
      if (this.#peek() === '[') table = this.#scanHeader();
      else this.#scanPair(table);
    }
  }

  /** `[a.b]` or `[[a.b]]`; a part that names an array of tables means its newest one. */
  #scanHeader(): Path {
    const start = this.#at;
    const isArray = this.#text.startsWith('[[', start);
    this.#at += isArray ? 2 : 1;
    let path: Path = [];
    for (const part of this.#scanKey()) {
      if (path.length > 0) path = this.#newest(path);
      path = [...path, part];
      this.#record(path, start);
    }
    this.#skip(/[^\n]*/y);
    if (!isArray) return path;
    const id = JSON.stringify(path);
    const index = this.#counts.get(id) ?? 0;
    this.#counts.set(id, index + 1);
    const item = [...path, index];
    this.#record(item, start);
    return item;
  }

  #newest(path: Path): Path {
    const count = this.#counts.get(JSON.stringify(path));
    return count === undefined ? path : [...path, count - 1];
  }

  #scanPair(table: Path): void {
    const start = this.#at;
    let path = table;
    for (const part of this.#scanKey()) {
      path = [...path, part];
      this.#record(path, start);
    }
    if (this.#peek() === '=') this.#at++;
    this.#skip(SPACE);
    this.#scanValue(path);
    // Whatever happens the scan must go on, or a document that is misread here would never end.
    if (this.#at === start) this.#at++;
  }

  #scanValue(path: Path): void {
    const first = this.#peek();
    if (first === '[') this.#scanItems(']', (index) => this.#scanItem([...path, index]));
    else if (first === '{') this.#scanItems('}', () => this.#scanPair(path));
    else if (!this.#skip(STRING)) this.#skip(BARE_VALUE);
  }

  #scanItem(path: Path): void {
    this.#record(path, this.#at);
    const start = this.#at;
    this.#scanValue(path);
    if (this.#at === start) this.#at++;
  }

  #scanItems(close: string, scanOne: (index: number) => void): void {
    this.#at++;
    this.#skip(BLANK);
    for (let index = 0; this.#at < this.#text.length && this.#peek() !== close; index++) {
      scanOne(index);
      this.#skip(BLANK);
    }
    this.#at++;
  }

  /** The parts of a dotted key; each may be quoted, with spaces around the dots. */
  #scanKey(): string[] {
    const parts: string[] = [];
    do {
      this.#skip(DOT_OR_SPACE);
      const start = this.#at;
      if (!this.#skip(STRING) && !this.#skip(BARE_KEY)) break;
      parts.push(unquote(this.#text.slice(start, this.#at)));
      this.#skip(SPACE);
    } while (this.#peek() === '.');
    return parts;
  }

  /** The first mention counts: a table that is spread over the document begins there. */
  #record(path: Path, at: number): void {
    const id = JSON.stringify(path);
    if (this.#byPath.has(id)) return;
    const line = this.#lineOf(at);
    this.#byPath.set(id, { line: line + 1, column: at - (this.#lineStarts[line] ?? 0) + 1 });
  }

  #lineOf(at: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#lineStarts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }
}

const SPACE = /[ \t]*/y;
const DOT_OR_SPACE = /[ \t.]*/y;
/** Commas too: where they separate something nothing else can stand. */
const BLANK = /(?:[\s,]|#[^\n]*)*/y;
const BARE_KEY = /[A-Za-z0-9_-]+/y;
const BARE_VALUE = /[^\n,\]}#]*/y;
/** Multi-line strings first; one or two quotes may stand just before their closing ones. */
const STRING = /"""(?:\\[\s\S]|[^\\])*?"""(?!")|'''[\s\S]*?'''(?!')|"(?:\\.|[^"\\\n])*"|'[^'\n]*'/y;

function unquote(key: string): string {
  if (key.startsWith("'")) return key.slice(1, -1);
  if (!key.startsWith('"')) return key;
  return key.slice(1, -1).replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))/gi, (_, x, u, long, one) => {
    const code = x ?? u ?? long;
    if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
    return ESCAPES[one] ?? one;
  });
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', e: '\x1b' };
