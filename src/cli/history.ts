/** `batond history`: which releases were run and tried, and what became of each; for a person or as JSON. */
import type { Command } from 'commander';
import type { HistoryRow } from '../control/messages.js';
import { print } from './print.js';

export function registerHistory(program: Command): void {
  program
    .command('history')
    .description('list the releases that were run and tried, the newest last')
    .option('--name <name>', 'the service; by default that of batond.toml here, or the only one that runs')
    .option('--config <file>', 'the configuration that names it')
    .option('--json', 'print it as JSON, with the reasons')
    .addHelpText('after', '\nExample:\n  batond history --name shop   # then: batond rollback --name shop --to 7')
    .action(async (options: { name?: string; config?: string; json?: boolean }) => {
      const { ControlClient } = await import('../control/client.js');
      const { serviceName } = await import('./service-name.js');
      const rows = await new ControlClient(await serviceName(options), process.env).history();
      print(options.json === true ? `${JSON.stringify(rows, null, 2)}\n` : renderHistory(rows));
    });
}

const HEAD = ['generation', 'when (UTC)', 'by', 'took', 'verdict', 'release', 'directory'];
/** The columns of numbers. */
const RIGHT: ReadonlySet<number> = new Set([0, 3]);

export function renderHistory(rows: readonly HistoryRow[]): string {
  if (rows.length === 0) return 'Nothing has been run yet.\n';
  const table = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (RIGHT.has(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return `${table.map(line).join('\n')}\n`;
}

function cells({ generation, at, kind, durationMs, verdict, code, label, directory, isThere }: HistoryRow): string[] {
  return [
    generation === null ? '-' : String(generation),
    new Date(at).toISOString().replace('T', ' ').slice('2026-'.length, 19),
    kind,
    durationMs < 1_000 ? `${Math.round(durationMs)} ms` : `${(durationMs / 1_000).toFixed(1)} s`,
    verdict === 'rolledBack' ? 'rolled back' : verdict === 'refused' ? `refused, ${code}` : verdict,
    label ?? '-',
    directory === null ? '-' : `${directory}${isThere ? '' : ' (gone)'}`,
  ];
}
