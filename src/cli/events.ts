/** `batond events`: what has happened to a service, and what happens to it; a line an event. */
import type { Command } from 'commander';
import { parseDuration } from '../config/duration.js';
import { BatondError } from '../errors.js';
import type { ServiceEvent } from '../events/event.js';
import { columns, print } from './print.js';

interface EventFlags {
  readonly name?: string;
  readonly config?: string;
  readonly follow?: boolean;
  readonly since?: string;
  readonly json?: boolean;
}

export function registerEvents(program: Command): void {
  program
    .command('events')
    .description('show what has happened to the service: reloads, workers, levels, repairs')
    .option('-f, --follow', 'stay, and show what happens from now on, over reloads too')
    .option('--since <time>', 'nothing older: "10m", or a date such as "2026-11-21 20:00"')
    .option('--name <name>', 'the service; by default that of batond.toml here, or the only one that runs')
    .option('--config <file>', 'the configuration that names it')
    .option('--json', 'print each as a line of JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  batond events --name shop --since 1h\n  batond events --name shop -f --json | jq \'select(.event == "verdict")\'\n\n' +
        'The last few hundred are kept while the service runs; the journal has them all\n(journalctl -u shop BATOND_EVENT=verdict).',
    )
    .action(async (options: EventFlags) => {
      const sinceMs = options.since === undefined ? null : parseSince(options.since, Date.now());
      const { ControlClient } = await import('../control/client.js');
      const { wantsColor } = await import('../log-format.js');
      const { serviceName } = await import('./service-name.js');
      const client = new ControlClient(await serviceName(options), process.env);
      const isTerminal = process.stdout.isTTY === true;
      const view = { color: wantsColor(isTerminal, process.env), width: isTerminal ? columns() : null };
      let day = dayOf(Date.now());
      await client.events(
        {
          event: (event) => {
            if (options.json === true) {
              print(`${JSON.stringify(event)}\n`);
              return;
            }
            const now = dayOf(event.at);
            if (now !== day) print(`-- ${now} --\n`);
            day = now;
            print(`${renderEvent(event, view)}\n`);
          },
          missed: () => print('(what came before is not kept any more)\n', process.stderr),
        },
        { sinceMs, follow: options.follow === true },
      );
    });
}

/** To milliseconds since the epoch. Throws REQUEST_INVALID. */
export function parseSince(text: string, nowMs: number): number {
  const ago = parseDuration(text);
  if (ago !== null) return Math.max(0, nowMs - ago);
  const at = Date.parse(text);
  if (!Number.isNaN(at) && at >= 0) return at;
  throw new BatondError('REQUEST_INVALID', {
    problem: `--since ${text}: a duration such as "10m", or a date such as "2026-11-21 20:00"`,
  });
}

export interface EventView {
  readonly color: boolean;
  /** Null leaves a line as long as it is. */
  readonly width: number | null;
}

const STYLES: Readonly<Record<ServiceEvent['level'], string | null>> = {
  info: null,
  warn: '33',
  error: '31',
  fatal: '1;31',
};

/** "20:03:12  verdict           reload done: generation 2 (r2) serves" */
export function renderEvent({ at, event, level, message }: ServiceEvent, { color, width }: EventView): string {
  // Somebody else's words can be in a message; they must not move the reader's cursor.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  const words = message.replace(/\s*\n\s*/g, ' / ').replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
  const head = `${timeOf(at)}  ${event.padEnd(16)}  `;
  const line = `${head}${words}`;
  const fits = width === null || line.length <= width ? line : `${line.slice(0, width - 1)}…`;
  const style = STYLES[level];
  return color && style !== null ? `\x1b[${style}m${fits}\x1b[0m` : fits;
}

const two = (part: number) => `${part}`.padStart(2, '0');

/** Of the reader's clock. */
function timeOf(at: number): string {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
}

function dayOf(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
