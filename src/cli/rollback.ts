/** `batond rollback`: a reload back to a release that has served before. */
import type { Command } from 'commander';
import { BatondError } from '../errors.js';
import { printer } from './reload.js';

interface RollbackFlags {
  readonly name?: string;
  readonly config?: string;
  readonly to?: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function registerRollback(program: Command, finish: (status: number) => void): void {
  program
    .command('rollback')
    .description('go back to the release that served before, and wait until it serves')
    .option('--to <generation>', 'to the release of this one, as batond history shows it', parseGeneration)
    .option('--name <name>', 'the service; by default that of batond.toml here, or the only one that runs')
    .option('--config <file>', 'the configuration that names it')
    .option('--force', 'also where there is no room for two generations')
    .option('--json', 'print each step and the verdict as a line of JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  batond rollback --name shop\n  batond rollback --name shop --to 7\n\n' +
        'The release that serves is not counted good any more, and release.current is\npointed back too. ' +
        'It exits as batond reload does.',
    )
    .action(async (options: RollbackFlags) => {
      const { ControlClient } = await import('../control/client.js');
      const { serviceName } = await import('./service-name.js');
      const client = new ControlClient(await serviceName(options), process.env);
      const verdict = await client.rollback(await printer(options), {
        to: options.to ?? null,
        force: options.force === true,
      });
      finish(verdict.exitStatus);
    });
}

function parseGeneration(text: string): number {
  const number = Number(text);
  if (/^\d{1,15}$/.test(text) && number > 0) return number;
  throw new BatondError('REQUEST_INVALID', { problem: `--to ${text}: the number of a generation` });
}
