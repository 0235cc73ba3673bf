/** `batond logs`: what a service and its workers have said, from the journal, by what batond knows of them. */
import type { Command } from 'commander';
import type { Status } from '../control/messages.js';
import { BatondError } from '../errors.js';
import type { JournalUnit, Shown, Wanted, WorkerProcess } from '../systemd/journal-query.js';
import { print } from './print.js';

interface LogsFlags {
  readonly name?: string;
  readonly config?: string;
  readonly generation?: number;
  readonly slot?: number;
  readonly worker?: number;
  readonly event?: string;
  readonly release?: string;
  readonly since?: string;
  readonly until?: string;
  readonly priority?: string;
  readonly grep?: string;
  readonly lines?: string;
  readonly follow?: boolean;
  readonly explain?: boolean;
  readonly json?: boolean;
  readonly showCommand?: boolean;
}

/** What `--json` prints a line of: an entry as journalctl has it, journalctl(1). */
export type JournalEntry = Readonly<Record<string, string | null | readonly (string | number | readonly number[])[]>>;

export function registerLogs(program: Command, finish: (status: number) => void): void {
  program
    .command('logs')
    .description('show what the service and its workers have said, from the journal')
    .argument('[matches...]', 'the name of the service, then FIELD=value as of journalctl')
    .option('--name <name>', 'the service; by default that of batond.toml here, or the only one that runs')
    .option('--config <file>', 'the configuration that names it')
    .option('--generation <number>', 'of one generation: what batond says of it, and its workers', parseCount)
    .option('--slot <number>', 'of the workers in one slot', parseCount)
    .option('--worker <pid>', 'of one worker, and what batond says of it', parseCount)
    .option('--event <event>', 'one kind of entry of batond, such as verdict or healing')
    .option('--release <release>', 'of the generations of a release, as batond history shows it')
    .option('--since <time>', 'nothing older, in words of journalctl: "-10min", "yesterday"')
    .option('--until <time>', 'nothing newer')
    .option('-p, --priority <priority>', 'as important as that, or more: "warning"')
    .option('--grep <pattern>', 'whose message matches')
    .option('-n, --lines <number>', 'the last ones alone')
    .option('-f, --follow', 'stay, and show what comes')
    .option('-x, --explain', 'with what each entry means, and what to do')
    .option('--json', 'print each entry as a line of JSON')
    .option('--show-command', 'print the command of journalctl instead')
    .addHelpText(
      'after',
      '\nExamples:\n  batond logs --name shop --generation 7\n  batond logs shop -f -p warning\n  batond logs shop --event verdict -x -n 3',
    )
    .action(async (matches: string[], flags: LogsFlags) => {
      const { logsQuery, shellText } = await import('../systemd/journal-query.js');
      const { name, fields } = await whatIsAsked(matches, flags);
      const known = await ask(name);
      const unit = unitOf(name, known) ?? (await installedUnit(name));
      const wanted: Wanted = {
        generations: await generationsOf(name, flags),
        slot: flags.slot ?? null,
        worker: flags.worker ?? null,
        event: flags.event ?? null,
        fields,
      };
      const args = logsQuery(unit, wanted, shownOf(flags), await workersOf(name, unit, wanted, known));
      if (flags.showCommand === true) {
        print(`${shellText(['journalctl', ...args])}\n`);
        return;
      }
      const { showJournal } = await import('../systemd/journalctl.js');
      const status = await showJournal(args);
      if (status === null) throw noJournalctl(name);
      finish(status);
    });
}

async function whatIsAsked(matches: readonly string[], flags: LogsFlags): Promise<{ name: string; fields: string[] }> {
  const { serviceName } = await import('./service-name.js');
  const [first] = matches;
  const isNamed = first !== undefined && !first.includes('=');
  const fields = isNamed ? matches.slice(1) : [...matches];
  const odd = fields.find((field) => !/^_{0,2}[A-Z][A-Z0-9_]*=/.test(field));
  if (odd !== undefined)
    throw new BatondError('REQUEST_INVALID', { problem: `${odd}: FIELD=value, as BATOND_CODE=BUSY` });
  return { name: await serviceName(isNamed ? { ...flags, name: first } : flags), fields };
}

/** Its status; null where it does not run, or may not be asked: its journal is there all the same. */
async function ask(name: string): Promise<Status | null> {
  const { ControlClient } = await import('../control/client.js');
  try {
    return await new ControlClient(name, process.env).status();
  } catch {
    return null;
  }
}

/** Throws NO_JOURNAL for a service that runs without systemd. */
function unitOf(name: string, status: Status | null): JournalUnit | null {
  if (status === null || status.managedBy !== null) return status?.managedBy ?? null;
  const reason = `it runs without systemd, and what it says goes to ${outputOf(status.supervisor.pid)}`;
  throw new BatondError('NO_JOURNAL', { name, reason });
}

/** Where a supervisor writes to. */
function outputOf(pid: number): string {
  const { readlinkSync } = process.getBuiltinModule('node:fs');
  let target: string;
  try {
    target = readlinkSync(`/proc/${pid}/fd/1`);
  } catch {
    return 'the standard output of batond run';
  }
  if (/^(pipe|socket):/.test(target)) return 'a pipe of whoever started it (in a container: docker logs)';
  return target.startsWith('/dev/pts/') ? `the terminal ${target}` : target;
}

async function installedUnit(name: string): Promise<JournalUnit> {
  const { ownUnits } = await import('../systemd/installed-units.js');
  const isUsers = ownUnits('system', name).length === 0 && ownUnits('user', name).length > 0;
  return { scope: isUsers ? 'user' : 'system', unit: `${name}.service` };
}

/** Null is all. Throws REQUEST_INVALID for a release that nobody knows. */
async function generationsOf(name: string, { generation, release }: LogsFlags): Promise<readonly number[] | null> {
  if (release === undefined) return generation === undefined ? null : [generation];
  const { basename } = await import('node:path');
  const ofIt = (await history(name)).filter(
    ({ label, directory }) => label === release || directory === release || basename(directory ?? '') === release,
  );
  const numbers = ofIt.flatMap(({ generation: number }) => number ?? []);
  const wanted = generation === undefined ? numbers : numbers.filter((number) => number === generation);
  if (wanted.length > 0) return [...new Set(wanted)];
  throw new BatondError('REQUEST_INVALID', {
    problem: `--release ${release}: no generation of it is known; batond history shows which there are`,
  });
}

/** Of a service that does not run as it is on disk. */
async function history(
  name: string,
): Promise<{ label: string | null; directory: string | null; generation: number | null }[]> {
  const { ControlClient } = await import('../control/client.js');
  try {
    return await new ControlClient(name, process.env).history();
  } catch {
    const { pathsOf } = await import('../control/paths.js');
    const { readHistory } = await import('../inventory/history-file.js');
    const entries = readHistory(pathsOf(name, process.env).historyFile);
    return entries.map(({ generation, release, root }) => ({
      label: release?.label ?? null,
      directory: root,
      generation,
    }));
  }
}

/** Those that were started, by the journal, and those that run: with log.level = "warn" no start is an entry. */
async function workersOf(
  name: string,
  unit: JournalUnit,
  wanted: Wanted,
  status: Status | null,
): Promise<readonly WorkerProcess[]> {
  const { asksForWorkers, startsOf, startsQuery } = await import('../systemd/journal-query.js');
  if (!asksForWorkers(wanted)) return [];
  const { readJournal } = await import('../systemd/journalctl.js');
  const started = readJournal(startsQuery(unit, wanted));
  if (started === null) throw noJournalctl(name);
  const { generations, slot } = wanted;
  const running = (status?.generations ?? [])
    .filter(({ number }) => generations === null || generations.includes(number))
    .flatMap(({ workers }) => workers.filter((one) => slot === null || one.slot === slot))
    .map(({ pid }) => ({ pid, boot: null }));
  const known = startsOf(started);
  return [...known, ...running.filter(({ pid }) => known.every((one) => one.pid !== pid))];
}

const noJournalctl = (name: string) => new BatondError('NO_JOURNAL', { name, reason: 'journalctl is not installed' });

function shownOf({ priority, since, until, grep, lines, follow, explain, json }: LogsFlags): Shown {
  return {
    priority: priority ?? null,
    since: since ?? null,
    until: until ?? null,
    grep: grep ?? null,
    lines: lines ?? null,
    follow: follow === true,
    explain: explain === true,
    json: json === true,
  };
}

function parseCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new BatondError('REQUEST_INVALID', { problem: `${text} is no number` });
}
