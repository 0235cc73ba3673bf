/** The commands, one file each; what they share is here: names, exit statuses and how a usage error is told. */
import { Command, CommanderError } from 'commander';
import { EXIT, EXIT_WORDS } from '../errors.js';
import { VERSION } from '../version.js';
import type { CommandFacts } from './command-facts.js';
import { wrap } from './print.js';

type Register = (program: Command, finish: (status: number) => void) => void;

/** In the order of the help. Only the one that is asked for is loaded: its start is part of every reload. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  run: async () => (await import('./run.js')).registerRun,
  reload: async () => (await import('./reload.js')).registerReload,
  rollback: async () => (await import('./rollback.js')).registerRollback,
  status: async () => (await import('./status.js')).registerStatus,
  health: async () => (await import('./health.js')).registerHealth,
  logs: async () => (await import('./logs.js')).registerLogs,
  events: async () => (await import('./events.js')).registerEvents,
  crashes: async () => (await import('./crashes.js')).registerCrashes,
  report: async () => (await import('./report.js')).registerReport,
  profile: async () => (await import('./profile.js')).registerProfile,
  history: async () => (await import('./history.js')).registerHistory,
  stop: async () => (await import('./stop.js')).registerStop,
  check: async () => (await import('./check.js')).registerCheck,
  seal: async () => (await import('./seal.js')).registerSeal,
  install: async () => (await import('./install.js')).registerInstall,
  uninstall: async () => (await import('./uninstall.js')).registerUninstall,
  doctor: async () => (await import('./doctor.js')).registerDoctor,
  completion: async () => (await import('./completion.js')).registerCompletion,
};

export const COMMAND_NAMES = Object.keys(COMMANDS);

/** Runs the command of a command line; resolves with the exit status. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  const outcome = { status: EXIT.ok as number };
  const finish = (status: number) => {
    outcome.status = status;
  };
  const asked = argv[2] ?? '';
  const program = await programOf(Object.hasOwn(COMMANDS, asked) ? [asked] : COMMAND_NAMES, finish);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // commander has printed the help, the version or the complaint already.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return outcome.status;
}

/** The program with those of its commands. */
export async function programOf(names: readonly string[], finish: (status: number) => void): Promise<Command> {
  const program = new Command('batond')
    .description('Runs Node.js services under systemd and replaces them live, without losing a request.')
    .version(VERSION, '-V, --version')
    .exitOverride()
    .showHelpAfterError('(batond --help tells more)')
    .addHelpText(
      'after',
      `\nExample:\n  batond install ./server.js --name shop --workers 2 --now\n  systemctl reload shop\n\n${exitText()}`,
    );
  for (const name of names) (await COMMANDS[name]!())(program, finish);
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError(`(batond ${command.name()} --help tells more)`);
  return program;
}

function exitText(): string {
  const said = Object.entries(EXIT).map(([name, status]) => `${status} ${EXIT_WORDS[name as keyof typeof EXIT]}`);
  return ['Exit status:', ...wrap(said.join('; '), 76).map((line) => `  ${line}`)].join('\n');
}

/** Every command as plain data. */
export async function allCommands(): Promise<CommandFacts[]> {
  const { commandFacts } = await import('./command-facts.js');
  return commandFacts(await programOf(COMMAND_NAMES, () => {}));
}
