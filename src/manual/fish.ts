/** The completion of fish: one line for each thing that may stand somewhere, and a function that tells where one is. */
import type { CommandFacts, Takes } from '../cli/command-facts.js';
import { type GrammarCommand, grammarOf } from './grammar.js';

export function fishScript(all: readonly CommandFacts[]): string {
  const { commands } = grammarOf(all);
  const paths = commands.filter(({ path }) => path !== '').map(({ path }) => quoted(path));
  const valued = commands.flatMap(({ path, options }) =>
    options
      .filter(({ takes }) => takes !== null)
      .flatMap(({ names }) => names.map((name) => quoted(`${path} ${name}`))),
  );
  return `# Completes batond in fish. Made by: batond completion fish

# Whether the words so far lead to this command, and to none below it.
function __batond_at
    set -l paths ${paths.join(' ')}
    set -l valued ${valued.join(' ')}
    set -l path
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if string match -q -- '-*' $word
            contains -- "$path $word" $valued; and set skip 1
        else if contains -- (string join ' ' $path $word) $paths
            set path (string join ' ' $path $word)
        end
    end
    test "$path" = "$argv[1]"
end

complete -c batond -f
${commands.flatMap(lines).join('\n')}
`;
}

function lines({ path, options, arguments: args, below }: GrammarCommand): string[] {
  const here = `complete -c batond -n ${quoted(`__batond_at ${quoted(path)}`)}`;
  return [
    ...below.map(({ name, about }) => `${here} -a ${name} -d ${quoted(about)}`),
    ...options.map(({ names, takes, about }) => {
      const said = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
      return `${here} ${said.join(' ')}${takes === null ? '' : ` ${value(takes)}`} -d ${quoted(about)}`;
    }),
    ...args.flatMap(({ takes }) => argument(takes).map((how) => `${here} ${how}`)),
  ];
}

function argument(takes: Takes): string[] {
  if (takes.kind === 'files') return ['-F'];
  const words = wordsOf(takes);
  return words === null ? [] : [`-a ${quoted(words)}`];
}

/** -r: there is a value; -x: and it is no file. */
function value(takes: Takes): string {
  if (takes.kind === 'files') return '-r -F';
  const words = wordsOf(takes);
  return words === null ? '-x' : `-x -a ${quoted(words)}`;
}

function wordsOf(takes: Takes): string | null {
  return takes.kind === 'words' ? takes.of.join(' ') : WORDS[takes.kind];
}

const WORDS: Readonly<Record<Exclude<Takes['kind'], 'words'>, string | null>> = {
  files: null,
  directories: '(__fish_complete_directories)',
  services: '(batond completion --services 2> /dev/null)',
  users: '(__fish_complete_users)',
  groups: '(__fish_complete_groups)',
  programs: '(__fish_complete_command)',
  // Words by now.
  commands: null,
  anything: null,
};

const quoted = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`;
