/** `batond health`: whether the service is well, asked of its workers now; for a person, a script or as JSON. */
import type { Command } from 'commander';
import type { CheckHealth, HealthReport, HealthStatus, WorkerHealth } from '../control/messages.js';
import { EXIT } from '../errors.js';
import { MAIN } from '../release/slots.js';
import { columns, print, wrap } from './print.js';

interface HealthFlags {
  readonly name?: string;
  readonly config?: string;
  readonly probe?: string;
  readonly json?: boolean;
}

export function registerHealth(program: Command, finish: (status: number) => void): void {
  program
    .command('health')
    .description('ask the workers how they are; exit status 0 is ok, 1 is degraded or down')
    .option('--name <name>', 'the service; by default that of batond.toml here, or the only one that runs')
    .option('--config <file>', 'the configuration that names it')
    .option('--probe <name>', 'one check that the app has registered, and nothing else')
    .option('--json', 'print it as JSON')
    .addHelpText('after', "\nExample:\n  batond health --name shop --json | jq '.checks.queue.workers[].facts.depth'")
    .action(async (options: HealthFlags) => {
      const { ControlClient } = await import('../control/client.js');
      const { serviceName } = await import('./service-name.js');
      const report = await new ControlClient(await serviceName(options), process.env).health(options.probe ?? null);
      print(options.json === true ? `${JSON.stringify(report, null, 2)}\n` : renderHealth(report, columns()));
      finish(report.status === 'ok' ? EXIT.ok : EXIT.refused);
    });
}

export function renderHealth(report: HealthReport, width = 80): string {
  const { name, status, level, generation, release, trust, uptimeMs, workers, checks } = report;
  const serving =
    generation === null
      ? 'nothing serves yet'
      : `${generation}${release === null ? '' : ` (${release})`}${uptimeMs === null ? '' : `, for ${duration(uptimeMs)}`}`;
  const lines = [
    `${name}: ${status}`,
    row('level', level),
    row('generation', serving),
    ...(trust === null ? [] : [row('trust', `${(trust * 100).toFixed(2)} % of that time it was OK`)]),
    row('accepting', `${report.accepting} of ${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}`),
    ...(workers.length === 0
      ? []
      : ['', '  slot      pid  state     level      answered', ...workers.map(renderWorker)]),
  ];
  for (const [check, { status: whole, workers: each }] of Object.entries(checks)) {
    lines.push('', row('check', `${check}: ${whole}`), ...each.flatMap((one) => renderCheck(one, width)));
  }
  return `${lines.join('\n')}\n`;
}

function renderWorker({ slot, process: name, pid, phase, level, answered }: WorkerHealth): string {
  return [
    String(slot).padStart(6),
    String(pid ?? '-').padStart(9),
    `  ${(phase ?? 'missing').padEnd(8)}`,
    `  ${level.padEnd(9)}`,
    `  ${(answered === null ? 'not asked' : answered ? 'yes' : 'no').padEnd(9)}`,
    name === undefined || name === MAIN ? '' : `  ${name}`,
  ]
    .join('')
    .trimEnd();
}

function renderCheck({ slot, status, ms, facts, error }: CheckHealth, width: number): string[] {
  const known = Object.entries(facts).map(([key, value]) => `${key} ${value}`);
  const text = [`worker ${slot}`, WORDS[status], `${ms.toFixed(ms < 10 ? 1 : 0)} ms`, ...known];
  return wrap([...text, ...(error === null ? [] : [error])].join(', '), width - INDENT).map((line) => row('', line));
}

const WORDS: Readonly<Record<HealthStatus, string>> = { ok: 'ok', degraded: 'DEGRADED', down: 'DOWN' };

/** Where the values stand. */
const INDENT = 15;

const row = (label: string, value: string) => `  ${label.padEnd(INDENT - 2)}${value}`;

/** "850 ms", "12 s", "3 min", "5 h", "2 d". */
function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}
