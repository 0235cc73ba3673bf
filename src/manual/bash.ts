/** The completion of bash: one function, since bash knows no descriptions, and three tables that it looks things up in. */
import type { CommandFacts, Takes } from '../cli/command-facts.js';
import { type Grammar, grammarOf } from './grammar.js';

export function bashScript(commands: readonly CommandFacts[]): string {
  const grammar = grammarOf(commands);
  return SCRIPT.replace('@{below}', () => rows(grammar, ({ below }) => below.map(({ name }) => name).join(' ')))
    .replace('@{options}', () => rows(grammar, ({ options }) => options.flatMap(({ names }) => names).join(' ')))
    .replace('@{values}', () => values(grammar));
}

/** `'run') found='...' ;;` for each command that has any. */
function rows({ commands }: Grammar, of: (command: Grammar['commands'][number]) => string): string {
  return commands
    .map((command) => [command.path, of(command)] as const)
    .filter(([, words]) => words !== '')
    .map(([path, words]) => `    '${path}') found='${words}' ;;`)
    .join('\n');
}

/** What stands behind an option ("run --ready") or in the place of an argument ("run 0"; "run +" is every later one). */
function values({ commands }: Grammar): string {
  const byKind = new Map<string, string[]>();
  const add = (place: string, takes: Takes) => {
    const kind = takes.kind === 'words' ? `words ${takes.of.join(' ')}` : takes.kind;
    byKind.set(kind, [...(byKind.get(kind) ?? []), `'${place}'`]);
  };
  for (const { path, options, arguments: args } of commands) {
    for (const { names, takes } of options) {
      for (const name of names) if (takes !== null) add(`${path} ${name}`, takes);
    }
    for (const [index, { takes, variadic }] of args.entries()) {
      add(`${path} ${variadic ? '+' : index}`, takes);
    }
  }
  return [...byKind].map(([kind, places]) => `    ${places.join(' | ')}) found='${kind}' ;;`).join('\n');
}

const SCRIPT = `# Completes batond in bash. Made by: batond completion bash

_batond_below() {
  found=
  case $1 in
@{below}
  esac
}

_batond_options() {
  found=
  case $1 in
@{options}
  esac
}

_batond_value() {
  found=
  case $1 in
@{values}
  esac
}

_batond() {
  local found word command= value= ended= current i
  local -i count=0
  local -a words=()
  COMPREPLY=()
  # "--name=shop" comes as three words, because "=" is in COMP_WORDBREAKS.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word != = ]]; then words+=("$word"); elif ((i == COMP_CWORD)); then words+=(''); fi
  done
  current=\${words[\${#words[@]} - 1]}
  for word in "\${words[@]:0:\${#words[@]} - 1}"; do
    if [[ -n $value ]]; then
      value=
    elif [[ -n $ended ]]; then
      count+=1
    elif [[ $word == -- ]]; then
      ended=1
    elif [[ $word == -* ]]; then
      _batond_value "$command $word"
      value=$found
    else
      _batond_below "$command"
      if [[ " $found " == *" $word "* ]]; then command=\${command:+$command }$word; else count+=1; fi
    fi
  done

  if [[ -n $value ]]; then
    found=$value
  elif [[ -z $ended && $current == -* ]]; then
    _batond_options "$command"
    found="words $found"
  else
    _batond_below "$command"
    if ((count == 0)) && [[ -n $found ]]; then
      found="words $found"
    else
      _batond_value "$command $count"
      [[ -n $found ]] || _batond_value "$command +"
    fi
  fi
  case $found in
    words\\ *) mapfile -t COMPREPLY < <(compgen -W "\${found#words }" -- "$current") ;;
    services) mapfile -t COMPREPLY < <(compgen -W "$(batond completion --services 2> /dev/null)" -- "$current") ;;
    users) mapfile -t COMPREPLY < <(compgen -u -- "$current") ;;
    groups) mapfile -t COMPREPLY < <(compgen -g -- "$current") ;;
    programs) mapfile -t COMPREPLY < <(compgen -c -- "$current") ;;
    directories) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    files) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
  esac
  # With a slash behind folders, and quotes where a name needs them; outside of a completion there is nothing to tell.
  case $found in files | directories | programs) compopt -o filenames 2> /dev/null ;; esac
  return 0
}

complete -F _batond batond
`;
