/**
 * `batond run`: runs a service in the foreground. What that is depends on who started it: under systemd (or a host) the
 * supervisor itself, from a predecessor the next supervisor, anywhere else the host with a supervisor below it.
 */
import type { Command } from 'commander';
import { type ConfigFlags, KEY_PATHS, keyOf } from '../config/keys.js';
import { REPORT_ENVIRONMENT } from '../host/report.js';
import { TAKEOVER_ENVIRONMENT } from '../takeover/messages.js';

export interface RunOptions extends ConfigFlags {
  readonly config?: string;
  readonly detach?: boolean;
  readonly pidFile?: string;
  readonly logFile?: string;
}

export function registerRun(program: Command, finish: (status: number) => void): void {
  const command = program
    .command('run')
    .description('run a service in the foreground')
    .argument('[entry]', describe(keyOf('entry').about))
    .argument('[args...]', 'arguments of the entry, behind --')
    .option('--config <file>', 'the configuration, batond.toml by default');
  addConfigFlags(command);
  command
    .option('--detach', 'go to the background as a daemon, where there is no systemd')
    .option('--pid-file <file>', 'where its pid is written, batond.pid in the runtime directory by default')
    .option('--log-file <file>', 'with --detach: what its log is appended to, /dev/null by default')
    .addHelpText(
      'after',
      '\nExamples:\n  batond run server.js --name shop --workers 2 -- --port 3000\n' +
        '  batond run server.js --name shop --detach --log-file /var/log/shop.log',
    )
    .action(async (entry: string | undefined, args: string[], options: RunOptions) => {
      const flags: ConfigFlags = { ...options, ...operandsOf(process.argv, entry, args) };
      if (options.detach === true) {
        const { detach } = await import('../host/detach.js');
        finish(await detach(flags, options));
      } else if (process.env[TAKEOVER_ENVIRONMENT] !== undefined || process.env.NOTIFY_SOCKET !== undefined) {
        const { runSupervisor } = await import('../supervisor/run.js');
        finish(await runSupervisor(flags, options.config));
      } else {
        if (options.logFile !== undefined && process.env[REPORT_ENVIRONMENT] === undefined) {
          command.error('error: --log-file goes with --detach; in the foreground the log is on stdout');
        }
        const { runUnderHost } = await import('../host/run.js');
        finish(await runUnderHost(flags, options));
      }
    });
}

/**
 * commander takes the first word for the entry wherever it stands. Where the config names the entry, what stands behind
 * `--` is nothing but arguments: `batond run -- --port 3000`.
 */
export function operandsOf(
  argv: readonly string[],
  entry: string | undefined,
  args: readonly string[],
): Pick<ConfigFlags, 'entry' | 'args'> {
  const end = argv.indexOf('--');
  const behind = end === -1 ? [] : argv.slice(end + 1);
  const count = args.length + (entry === undefined ? 0 : 1);
  return behind.length > 0 && behind.length === count ? { args: behind } : { entry, args };
}

/** The flags that stand for keys of batond.toml, as the table of keys describes them. */
export function addConfigFlags(command: Command): void {
  for (const path of KEY_PATHS) {
    const { flag, about } = keyOf(path);
    if (flag === undefined || !flag.option.startsWith('--')) continue;
    if (flag.option === '-- [args...]') continue;
    const many = flag.property === 'env' || flag.property === 'runtimeArg';
    if (many) command.option(flag.option, `${describe(about)}; may be repeated`, collect);
    else command.option(flag.option, describe(about));
  }
}

const collect = (value: string, before: string[] = []) => [...before, value];

/** The table's sentences in the manner of a help: neither a capital nor a full stop. */
function describe(about: string): string {
  return about.charAt(0).toLowerCase() + about.slice(1).replace(/\.$/, '');
}
