/**
 * The commands as plain data, read off what commander's help is made of: for the manual and for the completion of
 * shells. What a value is (a file, a service, one of some words) is known from the table of keys and from the name that
 * the help gives it.
 */
import type { EventEmitter } from 'node:events';
import type { Argument, Command, Option } from 'commander';
import { KEY_PATHS, keyOf } from '../config/keys.js';

/** What may stand in a place of the command line, as far as a shell can help with it. */
export type Takes =
  | { readonly kind: 'words'; readonly of: readonly string[] }
  | { readonly kind: 'files' | 'directories' | 'services' | 'users' | 'groups' | 'programs' | 'commands' | 'anything' };

export interface OptionFacts {
  /** As it is typed: ["-V", "--version"]. */
  readonly names: readonly string[];
  /** "<name>"; null for a switch. */
  readonly value: string | null;
  /** Null for a switch. */
  readonly takes: Takes | null;
  readonly about: string;
}

export interface ArgumentFacts {
  /** "[entry]", "<shell>", "[args...]". */
  readonly text: string;
  readonly takes: Takes;
  readonly variadic: boolean;
  readonly about: string;
}

export interface CommandFacts {
  /** [] is batond itself, ["reload"] its command. */
  readonly path: readonly string[];
  readonly about: string;
  /** "batond run [options] [entry] [args...]" */
  readonly usage: string;
  readonly options: readonly OptionFacts[];
  readonly arguments: readonly ArgumentFacts[];
  /** What the help says below its tables: examples, and what else is worth knowing. */
  readonly after: string;
}

/** A command, then all that are below it, in the order of the help. */
export function commandFacts(command: Command, path: readonly string[] = []): CommandFacts[] {
  const help = command.createHelp();
  const own: CommandFacts = {
    path,
    about: command.description(),
    // The help command of commander's knows no parent.
    usage: [...(command.parent === null && path.length > 0 ? ['batond'] : []), help.commandUsage(command)].join(' '),
    options: help.visibleOptions(command).map(optionFacts),
    arguments: command.registeredArguments.map(argumentFacts),
    after: textAfterHelp(command),
  };
  return [own, ...help.visibleCommands(command).flatMap((below) => commandFacts(below, [...path, below.name()]))];
}

function optionFacts(option: Option): OptionFacts {
  const names = [option.short, option.long].filter((name) => name !== undefined);
  const value = /(?:[ ,|]|^)([<[][^\]>]+[\]>])$/.exec(option.flags)?.[1] ?? null;
  const takes = value === null ? null : takesOf(option, value, [option.long?.replace(/^--/, '') ?? '', bare(value)]);
  return { names, value, takes, about: option.description };
}

function argumentFacts(argument: Argument): ArgumentFacts {
  const { variadic, required } = argument;
  const name = `${argument.name()}${variadic ? '...' : ''}`;
  const takes = takesOf(argument, '', [argument.name()]);
  return { text: required ? `<${name}>` : `[${name}]`, takes, variadic, about: argument.description };
}

const bare = (value: string) => value.replace(/^[<[]|(\.\.\.)?[\]>]$/g, '');

function takesOf(
  one: { readonly argChoices?: readonly string[]; readonly flags?: string },
  value: string,
  names: readonly string[],
): Takes {
  if (one.argChoices !== undefined) return { kind: 'words', of: one.argChoices };
  const type = KEY_PATHS.map(keyOf).find(({ flag }) => value !== '' && flag?.option === one.flags)?.type;
  if (type?.kind === 'choice') return { kind: 'words', of: type.of };
  if (type?.kind === 'integer' && type.word !== undefined) return { kind: 'words', of: [type.word] };
  // What the help calls a path may be one of HTTP.
  const telling = type === undefined || type.kind === 'path' || type.kind === 'program' ? names : names.slice(0, 1);
  return { kind: telling.flatMap((name) => BY_NAME[name] ?? [])[0] ?? 'anything' };
}

/** The option's own name is asked first, then that of its value. */
const BY_NAME: Readonly<Record<string, Exclude<Takes['kind'], 'words'>>> = {
  name: 'services',
  directory: 'directories',
  user: 'users',
  group: 'groups',
  program: 'programs',
  command: 'commands',
  entry: 'files',
  args: 'files',
  file: 'files',
  path: 'files',
};

/** commander keeps it as a listener that writes. */
function textAfterHelp(command: Command): string {
  let text = '';
  const write = (part: string) => {
    text += part;
  };
  (command as unknown as EventEmitter).emit('afterHelp', { error: false, command, write });
  return text.trim();
}
