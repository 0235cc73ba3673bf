/**
 * Where frames are shown. A terminal gets each in the place of the one before, on the alternate screen, so that what was
 * there before is there afterwards; what is no terminal, or a dumb one, gets them one after the other.
 */
import type { ReadStream } from 'node:tty';

export interface Screen {
  readonly width: number;
  /** Whether frames replace each other. */
  readonly live: boolean;
  show(lines: readonly string[]): void;
  /** As it was found. */
  close(): void;
}

type Output = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns' | 'rows'>;

const BEGIN = '\x1b[?1049h\x1b[?25l';
const END = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';

export function openScreen(output: Output, env: Readonly<Record<string, string | undefined>>): Screen {
  const live = output.isTTY === true && env.TERM !== 'dumb' && env.TERM !== undefined;
  return live ? new LiveScreen(output) : new Paper(output);
}

class LiveScreen implements Screen {
  readonly live = true;
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
    output.write(BEGIN);
  }

  /** A terminal that does not know its size says 0. */
  get width(): number {
    return Math.max(40, this.#output.columns || 80);
  }

  /** In one write and without clearing first, or it would flicker. What does not fit is not shown, or it would scroll. */
  show(lines: readonly string[]): void {
    const rows = this.#output.rows || 24;
    const fitting =
      lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
    const text = fitting.map((line) => `${line}${REST_OF_LINE}`).join('\n');
    this.#output.write(`${HOME}${text}${REST_OF_SCREEN}`);
  }

  close(): void {
    this.#output.write(END);
  }
}

class Paper implements Screen {
  readonly live = false;
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  get width(): number {
    return Math.max(40, this.#output.columns || 80);
  }

  show(lines: readonly string[]): void {
    this.#output.write(`${lines.join('\n')}\n\n`);
  }

  close(): void {}
}

/** Calls it for each key, as it is typed and unseen; returns what gives the terminal back. Nothing without a terminal. */
export function onKey(
  input: Pick<ReadStream, 'isTTY' | 'setRawMode' | 'on' | 'resume' | 'pause'>,
  act: (key: string) => void,
) {
  if (input.isTTY !== true) return () => {};
  input.setRawMode(true);
  input.on('data', (data: Buffer) => act(data.toString('latin1')));
  input.resume();
  return () => {
    input.setRawMode(false);
    input.pause();
  };
}
