/** The completion of zsh: one function a command, in the words of _arguments, zshcompsys(1). */
import type { CommandFacts, OptionFacts, Takes } from '../cli/command-facts.js';
import { type GrammarCommand, grammarOf, singleQuoted } from './grammar.js';

export function zshScript(commands: readonly CommandFacts[]): string {
  const functions = grammarOf(commands).commands.map(commandFunction);
  return `#compdef batond
# Completes batond in zsh. Made by: batond completion zsh

_batond_services() {
  local -a services
  services=(\${(f)"$(batond completion --services 2> /dev/null)"})
  compadd -a services
}

${functions.join('\n')}
# As a file of fpath it is called; where it is sourced it says what it is for.
if [[ $funcstack[1] == _batond ]]; then _batond "$@"; else compdef _batond batond; fi
`;
}

const nameOf = (path: string) => ['_batond', ...path.split(/[ .-]/).filter((word) => word !== '')].join('_');

function commandFunction({ path, options, arguments: args, below }: GrammarCommand): string {
  const specs = options.map(optionSpec);
  if (below.length === 0) {
    specs.push(
      ...args.map(({ text, takes, variadic }, i) => quoted(`${variadic ? '*' : i + 1}:${escaped(text)}:`, takes)),
    );
    return `${nameOf(path)}() {\n  _arguments -s -S ${specs.join(' \\\n    ')}\n}\n`;
  }
  const described = below.map(({ name, about }) => singleQuoted(`${name}:${escaped(about)}`));
  const calls = below.map(({ name }) => `      ${name}) ${nameOf(`${path} ${name}`)} ;;`);
  return `${nameOf(path)}() {
  local state line curcontext="$curcontext"
  local -a commands
  local -A opt_args
  commands=(
    ${described.join('\n    ')}
  )
  _arguments -C -s -S ${[...specs, `'1: :->command'`, `'*:: :->below'`].join(' \\\n    ')}
  case $state in
    command) _describe -t commands command commands ;;
    below) case $line[1] in
${calls.join('\n')}
    esac ;;
  esac
}
`;
}

/** '(-V --version)'{-V,--version}'[about]', '*--env=[about]:value: ' */
function optionSpec({ names, value, takes, about }: OptionFacts): string {
  const [first = ''] = names;
  const repeats = /may be repeated/.test(about);
  const long = (name: string) => (takes !== null && name.startsWith('--') ? `${name}=` : name);
  const tail = `[${escaped(about)}]${takes === null ? '' : `:${escaped(value ?? '')}:`}`;
  if (names.length === 1) return quoted(`${repeats ? '*' : ''}${long(first)}${tail}`, takes);
  return `${singleQuoted(`(${names.join(' ')})`)}{${names.map(long).join(',')}}${quoted(tail, takes)}`;
}

const quoted = (text: string, takes: Takes | null) => singleQuoted(`${text}${takes === null ? '' : action(takes)}`);

function action(takes: Takes): string {
  if (takes.kind === 'words') return `(${takes.of.join(' ')})`;
  return ACTIONS[takes.kind];
}

const ACTIONS: Readonly<Record<Exclude<Takes['kind'], 'words'>, string>> = {
  files: '_files',
  directories: '_files -/',
  services: '_batond_services',
  users: '_users',
  groups: '_groups',
  programs: '_command_names -e',
  // Words by now.
  commands: ' ',
  anything: ' ',
};

/** For the descriptions of _arguments and _describe. */
const escaped = (text: string) => text.replace(/[\\:[\]]/g, '\\$&');
