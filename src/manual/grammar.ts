/**
 * What the scripts of all shells are made of: the commands by their path ("" is batond itself, "reload", "canary stop"),
 * and what may stand behind each word. Pure; every text that reaches a script unquoted is checked to be a plain word.
 */
import type { CommandFacts, OptionFacts, Takes } from '../cli/command-facts.js';

export interface Grammar {
  readonly commands: readonly GrammarCommand[];
}

export interface GrammarCommand {
  readonly path: string;
  readonly about: string;
  readonly options: readonly OptionFacts[];
  readonly arguments: readonly { readonly text: string; readonly takes: Takes; readonly variadic: boolean }[];
  /** The last words of the paths below it. */
  readonly below: readonly { readonly name: string; readonly about: string }[];
}

export function grammarOf(all: readonly CommandFacts[]): Grammar {
  const top = all.filter(({ path }) => path.length === 1).map(({ path }) => path[0]!);
  const resolved = (takes: Takes): Takes => (takes.kind === 'commands' ? { kind: 'words', of: top } : takes);
  const commands = all.map(({ path, about, options, arguments: args }) => ({
    path: path.map(plain).join(' '),
    about,
    options: options.map((option) => ({
      ...option,
      names: option.names.map(plain),
      takes: option.takes && resolved(option.takes),
    })),
    arguments: args.map((argument) => ({ ...argument, takes: resolved(argument.takes) })),
    below: all
      .filter((other) => other.path.length === path.length + 1 && path.every((word, i) => other.path[i] === word))
      .map((other) => ({ name: plain(other.path.at(-1)!), about: other.about })),
  }));
  for (const { options, arguments: args } of commands) {
    for (const { takes } of [...options, ...args]) if (takes?.kind === 'words') takes.of.forEach(plain);
  }
  return { commands };
}

/** No shell makes anything else of it. */
function plain(word: string): string {
  if (/^[\w.-]+$/.test(word)) return word;
  throw new Error(`${word} cannot stand in the script of a shell`);
}

/** As bash, zsh and fish take it between single quotes; fish alone also gives a meaning to the backslash. */
export const singleQuoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
