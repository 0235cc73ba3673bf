/** `batond completion`: what a shell needs to complete the commands, their options and the names of services. */
import { Argument, type Command } from 'commander';
import { BatondError } from '../errors.js';
import type { CommandFacts } from './command-facts.js';
import { print } from './print.js';

type Script = (commands: readonly CommandFacts[]) => string;

const SHELLS: Readonly<Record<string, () => Promise<Script>>> = {
  bash: async () => (await import('../manual/bash.js')).bashScript,
  zsh: async () => (await import('../manual/zsh.js')).zshScript,
  fish: async () => (await import('../manual/fish.js')).fishScript,
};

export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('print what completes batond in a shell')
    .addArgument(new Argument('[shell]', 'which').choices(Object.keys(SHELLS)))
    .option('--services', 'print the names of the services instead that are installed or run, as those scripts ask for')
    .addHelpText(
      'after',
      '\nExamples:\n  batond completion bash > /etc/bash_completion.d/batond\n' +
        '  batond completion zsh > /usr/local/share/zsh/site-functions/_batond\n' +
        '  batond completion fish > ~/.config/fish/completions/batond.fish\n' +
        '  source <(batond completion bash)     # for this session alone',
    )
    .action(async (shell: string | undefined, { services }: { services?: boolean }) => {
      if (services === true) {
        const { knownServices } = await import('./known-services.js');
        print((await knownServices()).map((name) => `${name}\n`).join(''));
        return;
      }
      const script = SHELLS[shell ?? ''];
      if (script === undefined) {
        throw new BatondError('REQUEST_INVALID', { problem: `for which shell? ${Object.keys(SHELLS).join(', ')}` });
      }
      const { allCommands } = await import('./program.js');
      print((await script())(await allCommands()));
    });
}
