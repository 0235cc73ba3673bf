/** From the text of a settings file to a value, by the ending of its name or by the app's own function. */
import { lineOf } from './json-positions.js';

export interface ParsedSettings {
  readonly value: unknown;
  /** On which line a value stands, or the nearest one around it; null where nobody knows. */
  lineOf(path: readonly (string | number)[]): Promise<number | null>;
}

/** What is no document of its format. */
export class NotParsed extends Error {
  readonly line: number | null;

  constructor(message: string, line: number | null, cause: unknown) {
    super(message, { cause });
    this.line = line;
  }
}

/** Throws NotParsed. */
export async function parseSettings(
  text: string,
  path: string,
  parse: ((text: string) => unknown) | undefined,
): Promise<ParsedSettings> {
  if (parse !== undefined) return { value: await custom(text, parse), lineOf: async () => null };
  return path.endsWith('.toml') ? toml(text) : json(text);
}

async function custom(text: string, parse: (text: string) => unknown): Promise<unknown> {
  try {
    return await parse(text);
  } catch (error) {
    throw new NotParsed(error instanceof Error ? error.message : String(error), null, error);
  }
}

function json(text: string): ParsedSettings {
  try {
    // A mark of the byte order is no JSON, and editors write it.
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    return { value, lineOf: async (path) => (await import('./json-positions.js')).jsonLine(text, path) };
  } catch (error) {
    const { message } = error as Error;
    const [, position] = /at position (\d+)/.exec(message) ?? [];
    const isEnd = /Unexpected end/.test(message);
    const offset = position === undefined ? (isEnd ? text.length : null) : Number(position);
    throw new NotParsed(message, offset === null ? null : lineOf(text, offset), error);
  }
}

async function toml(text: string): Promise<ParsedSettings> {
  const { parse, TomlError } = await import('smol-toml');
  try {
    const value: unknown = parse(text);
    return {
      value,
      lineOf: async (path) => {
        const { TomlPositions } = await import('../config/toml-positions.js');
        return new TomlPositions(text).find(path)?.line ?? null;
      },
    };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [summary = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw new NotParsed(summary, error.line, error);
  }
}
