/**
 * `batond reload`: asks for the next generation and stays until the verdict, which is its exit status. To a terminal it
 * shows one live line, to a pipe each step, and to the journal, where the supervisor logs the steps, the verdict alone.
 */
import type { Command } from 'commander';
import { parseDuration } from '../config/duration.js';
import type { ReloadLine } from '../control/messages.js';
import { BatondError } from '../errors.js';
import { columns, print } from './print.js';

interface ReloadOptions {
  readonly name?: string;
  readonly config?: string;
  readonly force?: boolean;
  readonly json?: boolean;
  /** commander takes the "no" of an option for a negation: this is `--no-old-after`, and true where it was not said. */
  readonly oldAfter?: string | true;
}

export function registerReload(program: Command, finish: (status: number) => void): void {
  program
    .command('reload')
    .description('start the next generation, and wait until it serves or is refused')
    .option('--name <name>', 'the service; by default that of batond.toml here, or the only one that runs')
    .option('--config <file>', 'the configuration that names it')
    .option('--no-old-after <duration>', 'so long after the commit no older generation runs; waits until it is so')
    .option('--force', 'also without room for two generations, while UNHEALTHY, in a freeze window, or too soon')
    .option('--json', 'print each step and the verdict as a line of JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  batond reload --name shop && echo the new release serves\n' +
        '  batond reload --name shop --no-old-after 60s   # no old code after that\n\n' +
        'It exits with 0 when the next generation serves, with 1 when the one\nbefore it was kept, and with 75 when it may not begin now.\n' +
        'Ending this command before that takes it back.',
    )
    .action(async (options: ReloadOptions) => {
      const noOldAfterMs = parseNoOldAfter(options.oldAfter);
      const { ControlClient } = await import('../control/client.js');
      const { serviceName } = await import('./service-name.js');
      const client = new ControlClient(await serviceName(options), process.env);
      const verdict = await client.reload(await printer(options), { noOldAfterMs, force: options.force === true });
      finish(verdict.exitStatus);
    });
}

/** Shows the lines of a reload, or of a rollback, as whoever looks can take them. */
export async function printer({ json }: { readonly json?: boolean }): Promise<(line: ReloadLine) => void> {
  if (json === true) return (line) => print(`${JSON.stringify(line)}\n`);
  const { isJournalStream } = await import('../systemd/journal-stream.js');
  if (isJournalStream(process.env)) return (line) => line.event !== 'step' && printOutcome(line);
  return process.stdout.isTTY === true ? liveLine() : printEach;
}

/** One line that is written over; what comes after it begins on an empty one. */
function liveLine(): (line: ReloadLine) => void {
  // The end by Ctrl-C: the prompt of the shell must not stand behind half a line.
  process.once('SIGINT', () => {
    print('\r\x1b[Ktaken back: what served before serves on\n');
    process.removeAllListeners('SIGINT');
    process.kill(process.pid, 'SIGINT');
  });
  return (line) => {
    if (line.event === 'step') {
      print(`\r\x1b[K${stepText(line).slice(0, columns() - 1)}`);
    } else {
      print('\r\x1b[K');
      printOutcome(line);
    }
  };
}

function printEach(line: ReloadLine): void {
  if (line.event === 'step') print(`${stepText(line)}\n`);
  else printOutcome(line);
}

/** The step back has its reason in the verdict, which follows at once and says it to whoever looks there. */
function stepText({ step, message, atMs }: Extract<ReloadLine, { event: 'step' }>): string {
  return `${seconds(atMs)}  ${step === 'rollback' ? 'taking it back' : message}`;
}

type OutcomeLine = Exclude<ReloadLine, { event: 'step' }>;

/** A failure goes to stderr, since it is what a script looks for. */
function printOutcome(line: OutcomeLine): void {
  if (line.event === 'old-gone') {
    print(`${seconds(line.atMs)}  ${line.message}\n`);
    return;
  }
  const text = `${seconds(line.durationMs)}  ${line.ok ? 'done' : 'failed'}: ${line.message}\n`;
  print(text, line.ok ? process.stdout : process.stderr);
}

function parseNoOldAfter(said: string | true | undefined): number | null {
  if (said === undefined || said === true) return null;
  const ms = parseDuration(said);
  if (ms !== null && ms > 0) return ms;
  throw new BatondError('REQUEST_INVALID', { problem: `--no-old-after ${said}: a duration such as "60s" or "1m30s"` });
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(2).padStart(6)} s`;
