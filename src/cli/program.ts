/** The commands, one file each; what they share is here: names, exit statuses and how a usage error is told. */
import { Command, CommanderError } from 'commander';
import { EXIT } from '../errors.js';
import { VERSION } from '../version.js';

type Register = (program: Command, finish: (status: number) => void) => void;

/** In the order of the help. Only the one that is asked for is loaded: its start is part of every reload. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  run: async () => (await import('./run.js')).registerRun,
  reload: async () => (await import('./reload.js')).registerReload,
  rollback: async () => (await import('./rollback.js')).registerRollback,
  status: async () => (await import('./status.js')).registerStatus,
  health: async () => (await import('./health.js')).registerHealth,
  report: async () => (await import('./report.js')).registerReport,
  history: async () => (await import('./history.js')).registerHistory,
  stop: async () => (await import('./stop.js')).registerStop,
  check: async () => (await import('./check.js')).registerCheck,
  seal: async () => (await import('./seal.js')).registerSeal,
  install: async () => (await import('./install.js')).registerInstall,
  uninstall: async () => (await import('./uninstall.js')).registerUninstall,
};

/** Runs the command of a command line; resolves with the exit status. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  const outcome = { status: EXIT.ok as number };
  const finish = (status: number) => {
    outcome.status = status;
  };
  const program = new Command('batond')
    .description('Runs Node.js services under systemd and replaces them live, without losing a request.')
    .version(VERSION, '-V, --version')
    .exitOverride()
    .showHelpAfterError('(batond --help tells more)')
    .addHelpText(
      'after',
      '\nExample:\n  batond install ./server.js --name shop --workers 2 --now\n  systemctl reload shop\n\nExit status:\n' +
        '  0 done   1 refused or rolled back, the service is still up   64 usage\n' +
        '  69 not running   75 busy, try again   77 no permission   78 configuration',
    );
  const asked = argv[2] ?? '';
  const wanted = Object.hasOwn(COMMANDS, asked) ? [asked] : Object.keys(COMMANDS);
  for (const name of wanted) (await COMMANDS[name]!())(program, finish);
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError(`(batond ${command.name()} --help tells more)`);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // commander has printed the help, the version or the complaint already.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return outcome.status;
}
