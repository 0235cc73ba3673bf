/** Writes manual pages in the macros of man(7). Pure: a page is a list of lines, and every text is escaped here. */

import { wrap } from '../cli/print.js';

/** Longer lines are bad style in roff; the reader's terminal fills them anew. */
const WIDTH = 72;

export class Page {
  readonly #lines: string[];

  /** No date: a page says which version it is of, and the same sources make the same page on any day. */
  constructor(name: string, section: number, source: string) {
    this.#lines = [`.TH ${quoted(name.toUpperCase())} ${section} "" ${quoted(source)}`, '.nh'];
  }

  heading(text: string): this {
    return this.#add(`.SH ${quoted(text)}`);
  }

  subheading(text: string): this {
    return this.#add(`.SS ${quoted(text)}`);
  }

  paragraph(text: string): this {
    return this.#add(...this.#apart(), ...filled(text));
  }

  /** A term and what is to be said of it, a paragraph each. */
  entry(term: string, paragraphs: readonly string[]): this {
    const [first = [], ...others] = paragraphs.map(filled);
    return this.#add('.TP', `.B ${quoted(term)}`, ...first, ...others.flatMap((lines) => ['.IP', ...lines]));
  }

  /** What follows is a part of the last entry, until `outward`. */
  inward(): this {
    return this.#add('.RS');
  }

  outward(): this {
    return this.#add('.RE');
  }

  /** Lines as they are: examples. */
  verbatim(text: string): this {
    return this.#add(...this.#apart(), '.RS 4', '.nf', ...text.trimEnd().split('\n').map(line), '.fi', '.RE');
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  /** What divides from the text before; below a heading there is none. */
  #apart(): string[] {
    return /^\.S[HS] /.test(this.#lines.at(-1)!) ? [] : ['.PP'];
  }

  #add(...lines: string[]): this {
    this.#lines.push(...lines);
    return this;
  }
}

/** A text that the reader's terminal fills. */
const filled = (text: string): string[] => wrap(text, WIDTH).map(line);

/** One line of text: a control character at its begin would make a request of it, groff(7). */
function line(text: string): string {
  const safe = escaped(text);
  return /^[.']/.test(safe) ? `\\&${safe}` : safe;
}

/** An argument of a macro. */
const quoted = (text: string) => `"${escaped(text).replaceAll('"', '\\(dq')}"`;

/** A hyphen that is to be typed is a minus to roff; what is not ASCII has a number. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replace(/-/g, '\\-')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replace(/[^\0-\x7f]/gu, (sign) => `\\[u${sign.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`);
}
