/** `batond doctor`: whether the machine and the services on it are as batond needs them. */
import type { Command } from 'commander';
import type { Examination } from '../doctor/doctor.js';
import type { Finding } from '../doctor/finding.js';
import { EXIT } from '../errors.js';
import { columns, print, wrap } from './print.js';

interface DoctorFlags {
  readonly name?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** What `--json` prints a list of. */
export interface ServiceFinding extends Finding {
  /** Null is the machine. */
  readonly service: string | null;
}

export function registerDoctor(program: Command, finish: (status: number) => void): void {
  program
    .command('doctor')
    .description('look at the machine and the services for what batond needs, and say what to do')
    .option('--name <name>', 'the service; by default that of batond.toml here, or all that this machine knows')
    .option('--config <file>', 'the configuration that names it')
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  batond doctor --name shop\n\nIt changes nothing, and exits with 1 when something fails. ' +
        'As root it sees most.',
    )
    .action(async (options: DoctorFlags) => {
      const { examine } = await import('../doctor/doctor.js');
      const { wantsColor } = await import('../log-format.js');
      const examinations = await examine(await servicesOf(options));
      const failed = examinations.some(({ findings }) => findings.some(({ level }) => level === 'fail'));
      const color = wantsColor(process.stdout.isTTY === true, process.env);
      print(options.json === true ? renderJson(examinations) : renderDoctor(examinations, { width: columns(), color }));
      finish(failed ? EXIT.refused : EXIT.ok);
    });
}

/** A service that is not named is no mistake here: then all of them are looked at, or the machine alone. */
async function servicesOf({ json: _, ...options }: DoctorFlags): Promise<string[]> {
  const { namedService } = await import('./service-name.js');
  const named = await namedService(options);
  if (named !== null) return [named];
  const { knownServices } = await import('./known-services.js');
  return knownServices();
}

function renderJson(examinations: readonly Examination[]): string {
  const findings = examinations.flatMap(({ service, findings: found }): ServiceFinding[] =>
    found.map((one) => ({ service, ...one })),
  );
  return `${JSON.stringify(findings, null, 2)}\n`;
}

export function renderDoctor(
  examinations: readonly Examination[],
  { width = 80, color = false }: { readonly width?: number; readonly color?: boolean } = {},
): string {
  const lines = examinations.flatMap(({ service, findings }) => [
    service ?? 'this machine',
    ...findings.flatMap((finding) => renderFinding(finding, width, color)),
    '',
  ]);
  const all = examinations.flatMap(({ findings }) => findings);
  const count = (wanted: Finding['level']) => all.filter(({ level }) => level === wanted).length;
  return `${[...lines, `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed`].join('\n')}\n`;
}

const STYLES: Readonly<Record<Finding['level'], string>> = { ok: '32', warn: '33', fail: '1;31' };
/** Where the texts stand: behind the level and the longest name of a check. */
const INDENT = 27;

function renderFinding({ check, level, what, todo }: Finding, width: number, color: boolean): string[] {
  const mark = color ? `\x1b[${STYLES[level]}m${level.padEnd(4)}\x1b[0m` : level.padEnd(4);
  const texts = [...lines(what, width), ...(todo === null ? [] : lines(todo, width))];
  const head = `  ${mark}  ${check.padEnd(INDENT - 8)}`;
  return texts.map((text, i) => `${i === 0 ? head : ' '.repeat(INDENT)}${text}`);
}

/** Messages may have several lines; a word that is longer than one is divided. */
function lines(text: string, width: number): string[] {
  const space = Math.max(20, width - INDENT);
  return text
    .split('\n')
    .flatMap((line) => wrap(line, space))
    .flatMap((line) => line.match(new RegExp(`.{1,${space}}`, 'gu')) ?? []);
}
