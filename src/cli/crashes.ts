/** `batond crashes`: the workers that ended unasked, and what is known of one; from the disk where nothing runs. */
import type { Command } from 'commander';
import type { Crash, CrashSummary } from '../inventory/crash-files.js';
import { print } from './print.js';

interface CrashFlags {
  readonly name?: string;
  readonly config?: string;
  readonly json?: boolean;
}

export function registerCrashes(program: Command): void {
  program
    .command('crashes')
    .description('list the workers that have crashed, or show what is known of one')
    .argument('[id]', 'the crash, as it is listed; "last" is the newest')
    .option('--name <name>', 'the service; by default that of batond.toml here, or the only one that runs')
    .option('--config <file>', 'the configuration that names it')
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  batond crashes --name shop\n  batond crashes last --name shop\n\n' +
        'The last 20 are kept in the state directory; of a service that does not run they\nare read there.',
    )
    .action(async (id: string | undefined, { json, ...options }: CrashFlags) => {
      const { serviceName } = await import('./service-name.js');
      const name = await serviceName(options);
      const found = id === undefined ? await list(name) : await one(name, id);
      if (json === true) print(`${JSON.stringify(found, null, 2)}\n`);
      else print('folder' in found ? renderCrash(found) : renderCrashes(found));
    });
}

async function list(name: string): Promise<readonly CrashSummary[]> {
  const { ControlClient } = await import('../control/client.js');
  return orFromDisk(
    () => new ControlClient(name, process.env).crashes(),
    async () => {
      const { readCrashes, summaryOfCrash } = await import('../inventory/crash-files.js');
      return (await stateDirectories(name)).flatMap(readCrashes).map(summaryOfCrash);
    },
  );
}

async function one(name: string, id: string): Promise<Crash> {
  const { ControlClient } = await import('../control/client.js');
  const wanted = id === 'last' ? (await list(name)).at(-1)?.id : id;
  const { BatondError } = await import('../errors.js');
  const none = new BatondError('NO_CRASH', { id });
  if (wanted === undefined) throw none;
  return orFromDisk(
    () => new ControlClient(name, process.env).crash(wanted),
    async () => {
      const { readCrash } = await import('../inventory/crash-files.js');
      const found = (await stateDirectories(name)).flatMap((folder) => readCrash(folder, wanted) ?? [])[0];
      if (found === undefined) throw none;
      return found;
    },
  );
}

/** Where no supervisor answers, or one that is too old to be asked. */
async function orFromDisk<T>(ask: () => Promise<T>, read: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== 'NOT_RUNNING' && code !== 'CONTROL_FAILED') throw error;
    return read();
  }
}

/** That of this environment, and those that systemd makes. */
async function stateDirectories(name: string): Promise<string[]> {
  const { pathsOf } = await import('../control/paths.js');
  const { unitDirectories } = await import('../systemd/unit-files.js');
  const own = pathsOf(name, process.env).stateDirectory;
  return [...new Set([own, ...unitDirectories('system', name).state, ...unitDirectories('user', name).state])];
}

const when = (at: number) => new Date(at).toISOString().replace('T', ' ').slice(0, 19);

export function renderCrashes(crashes: readonly CrashSummary[]): string {
  if (crashes.length === 0) return 'No worker has crashed, as far as is kept.\n';
  return crashes
    .map(({ id, at, generation, slot, process, release, how, cause, message, skipped, core }) => {
      const more = skipped === 0 ? '' : `, after ${skipped} like it`;
      const dump = core === null ? '' : ', core dump';
      const lines = [
        id,
        `  ${when(at)} UTC, worker g${generation}s${slot} (${process}) of ${release}`,
        `  ${how}${cause === null ? '' : ` (${cause})`}${more}${dump}`,
      ];
      return [...lines, ...(message === null ? [] : [`  ${message}`])].join('\n');
    })
    .join('\n')
    .concat('\n');
}

export function renderCrash(crash: Crash): string {
  const { id, at, generation, slot, process, pid, release, how, cause, message, stack, uptimeMs } = crash;
  const { memory, lines, folder, report, core, skipped } = crash;
  const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const rows: [string, string][] = [
    ['when', `${when(at)} UTC, ${(uptimeMs / 1_000).toFixed(1)} s after its start`],
    ['worker', `g${generation}s${slot} (${process}), pid ${pid}`],
    ['release', release],
    ['ended', `${how}${cause === null ? '' : ` (${cause})`}`],
    ...(skipped === 0 ? [] : [['before', `${skipped} like it, of which nothing was kept`] as [string, string]]),
    [
      'memory',
      memory === null
        ? 'it never said'
        : `${megabytes(memory.rssBytes)}, heap ${megabytes(memory.heapUsedBytes)}, ${(memory.agoMs / 1_000).toFixed(1)} s before`,
    ],
    ['files', folder],
    ...(report === null ? [] : [['report', report] as [string, string]]),
    ...(core === null ? [] : [['core', `coredumpctl debug ${core.pid}`] as [string, string]]),
  ];
  const head = [id, ...rows.map(([name, value]) => `  ${name.padEnd(8)}${value}`)];
  const said = stack ?? message;
  return [
    ...head,
    ...(said === null ? [] : ['', ...said.split('\n').map((line) => `  ${line}`)]),
    '',
    ...(lines === null
      ? ['  What it printed last is not known.']
      : ['  Its last lines:', ...lines.map((line) => `  | ${line}`)]),
    '',
  ].join('\n');
}
